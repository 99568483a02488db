"""Deciding by the signed link of an alert: what may be seen of the review, and exactly that decided, once."""

from datetime import datetime

from domain.policy import Policy
from domain.review_rules import Way
from domain.reviews import Decision, Reason, Stand, Voter
from domain.words import how_many
from services.review_links import LinkEnded, ReviewLinks, is_spent, spend, whose
from services.review_reading import ReviewSummary, summary
from services.reviews import Standing, vote
from services.signed_tokens import NotOurLink
from store.database import Database


def open_link(
    database: Database, policy: Policy, links: ReviewLinks, review_id: int, token: str, *, now: datetime
) -> tuple[Voter, ReviewSummary]:
    """Who may decide by the link, and about what. Looking changes nothing.

    Raises NotOurLink for one that we did not make for this review, UnknownReview, and LinkEnded.
    """
    link = links.read(token)
    if link.review_id != review_id:
        raise NotOurLink
    its = summary(database, policy, review_id)
    if is_spent(database, token):
        raise LinkEnded(f"somebody has decided by this link before, and it counts once. {_stands(its)}")
    voter = whose(database, link)
    if voter is None:
        raise LinkEnded("whom this link was made for is no reviewer any more, or has another phone since")
    if not its.is_open:
        raise LinkEnded(_stands(its))
    if its.payload_hash != link.payload_hash:
        raise LinkEnded("what is asked was changed after this link was sent: look at it as it is now")
    if now >= link.expires:
        raise LinkEnded("the time of this link is over")
    if Way.LINK not in its.ways:
        raise LinkEnded(f"reviews of class {its.risk} are not decided by a link any more: look at it in full")
    return voter, its


def decide_by_link(
    database: Database,
    policy: Policy,
    links: ReviewLinks,
    review_id: int,
    token: str,
    *,
    decision: Decision,
    reason: Reason,
    now: datetime,
) -> Standing:
    """Decide about exactly what the link was made for, and spend it in the same transaction.

    Raises as `open_link` and `services.reviews.vote` do.
    """
    voter, its = open_link(database, policy, links, review_id, token, now=now)
    return vote(
        database,
        policy,
        review_id,
        reviewer=voter,
        decision=decision,
        payload_hash=its.payload_hash,
        reason=reason,
        way=Way.LINK,
        spend=lambda connection: spend(connection, token, review_id, voter.name, now=now),
        now=now,
    )


def _stands(its: ReviewSummary) -> str:
    """Where a review stands, in a sentence."""
    if its.decided_by is not None and its.decided_at is not None:
        return f"{its.decided_by} has {its.stand} it at {its.decided_at:%Y-%m-%d %H:%M} UTC"
    match its.stand:
        case Stand.OPEN:
            return f"It waits for {how_many(its.still_needed, 'more person', 'more people')} to say yes"
        case Stand.EXPIRED:
            return "Nobody decided in time, so nothing was done"
        case Stand.SUPERSEDED:
            return "Nothing is left of what it asked"
        case _:
            return f"It is {its.stand}"
