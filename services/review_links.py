"""The links in alerts by which a reviewer decides with one tap: signed, for one person, about one payload, used once.

A token says which review, which payload hash, who (a hash) and until when; nothing in it is anybody's data.
Whoever has it may decide as that person until it ends (`services.link_decisions`): so it goes to their own device,
shows no personal data, works only for risk classes whose `ways` name `link`, and is spent by the decision.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr
from sqlalchemy import Connection

from domain.reviews import Voter
from services.signed_tokens import NotOurLink, SignedTokens
from store import reviewers as store
from store.database import Database

_TAG = b"handrail review link 1"
_LONGEST = 160
"""Characters; ours have 100 to 110."""
_PERSON_BYTES = 8
_HASH_BYTES = 32
_EXPIRY_BYTES = 5
_REST = _PERSON_BYTES + _HASH_BYTES + _EXPIRY_BYTES
_LONGEST_ID = 8


class LinkEnded(Exception):
    """A link of ours that decides nothing any more; its text says why."""


@dataclass(frozen=True, slots=True)
class ReviewLink:
    """What a genuine link says. Whether it still counts, the database says."""

    review_id: int
    payload_hash: str
    expires: datetime
    person: bytes
    """Of the name and of the secret of their codes: another phone ends the links that went to the lost one."""


class ReviewLinks:
    """Makes the links and reads them back. The first secret signs, every one is believed."""

    def __init__(self, gateway_url: str, secrets: Sequence[SecretStr]) -> None:
        self._address = gateway_url.rstrip("/")
        self._tokens = SignedTokens(_TAG, secrets, longest=_LONGEST)

    @property
    def can_be_made(self) -> bool:
        """Whether there is a secret to sign with; without one alerts lead to the page, where one signs in."""
        return self._tokens.can_be_made

    def page(self, link: ReviewLink) -> str:
        """The address of the link. Raises LookupError when there is no secret to sign with."""
        until = int(link.expires.timestamp()).to_bytes(_EXPIRY_BYTES)
        number = link.review_id.to_bytes((link.review_id.bit_length() + 7) // 8)
        token = self._tokens.made(link.person + bytes.fromhex(link.payload_hash) + until + number)
        return f"{self._address}/reviews/{link.review_id}/link/{token}"

    def read(self, token: str) -> ReviewLink:
        """What the token says. Raises NotOurLink."""
        content = self._tokens.read(token)
        if not _REST < len(content) <= _REST + _LONGEST_ID:
            raise NotOurLink
        person, rest = content[:_PERSON_BYTES], content[_PERSON_BYTES:]
        hashed, rest = rest[:_HASH_BYTES], rest[_HASH_BYTES:]
        until, number = rest[:_EXPIRY_BYTES], rest[_EXPIRY_BYTES:]
        expires = datetime.fromtimestamp(int.from_bytes(until), UTC)
        return ReviewLink(int.from_bytes(number), hashed.hex(), expires, person)


def review_link(
    connection: Connection, links: ReviewLinks, review_id: int, name: str, payload_hash: str, *, expires: datetime
) -> str | None:
    """The address by which this reviewer decides about that payload until then.

    None where no link can be signed, and for who is no reviewer: they are told where the page is, and sign in there.
    """
    who = store.find(connection, name)
    if who is None or not links.can_be_made:
        return None
    return links.page(ReviewLink(review_id, payload_hash, expires, _person(who.name, who.secret)))


def whose(database: Database, link: ReviewLink) -> Voter | None:
    """Who may decide by it, with the roles they have now; None: they are a reviewer no more, or have another phone."""
    with database.read() as connection:
        people = store.listed(connection)
    found = [row for row in people if hmac.compare_digest(link.person, _person(row.name, row.secret))]
    return Voter(found[0].name, frozenset(found[0].roles)) if found else None


def is_spent(database: Database, token: str) -> bool:
    """Whether somebody has decided by it."""
    with database.read() as connection:
        return store.is_link_spent(connection, _hashed(token))


def spend(connection: Connection, token: str, review_id: int, name: str, *, now: datetime) -> None:
    """Count it, in the transaction that decides: of two who use it at once one decides. Raises LinkEnded."""
    if not store.spend_link(connection, _hashed(token), review_id=review_id, reviewer=name, now=now):
        raise LinkEnded("somebody has decided by this link a moment ago, and it counts once")


def _person(name: str, secret: str) -> bytes:
    return hashlib.sha256(f"{name}\n{secret}".encode()).digest()[:_PERSON_BYTES]


def _hashed(token: str) -> str:
    """However it was typed, it is one link."""
    return hashlib.sha256(token.lower().encode()).hexdigest()
