"""What an approval of changed words or a changed journey does: they come into use in the transaction that decides."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from services.content_reviews import Change, settle_content
from store import journeys, wordings
from store.content_reviews import Content, is_as_asked


class NotAsAsked(Exception):
    """A review's row does not ask what it was opened with: nobody knows what its reviewers have seen."""


def take_live(connection: Connection, review: Row[Any], *, by: str, now: datetime) -> None:
    """Use what a review of a wording or a journey asked about from now on; a journey with the words it is sent with.

    Other reviews of the same words are superseded, so it is called before the decision is appended to the chain: the
    chain's head is the last lock that anybody takes. Raises NotAsAsked.
    """
    if not is_as_asked(review):
        raise NotAsAsked(f"what review {review.id} asks was touched: see `handrail audit verify`, and reject it")
    change = Change.from_content(review.subject, review.what, review.content)
    in_use = wordings.approved(connection)
    for words in (change, *change.words.values()):
        for language, content_hash in words.hashes.items() if words.subject is Content.WORDING else ():
            if in_use.get((words.name, language)) != content_hash:
                wordings.approve(connection, content_hash, by=by, now=now)
    if change.subject is Content.JOURNEY:
        journeys.approve(connection, change.hashes["journey"], by=by, now=now)
    settle_content(connection, but=review.id, by=by, now=now)
