"""A review's life: where it stands, who may say something about it, and what follows from what they said."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.hours import require_aware
from domain.review_rules import ReviewPolicy, Risk, RiskRules, Way
from domain.staffing import Staffing, answer_by

BY_ITSELF = "handrail"
"""Who did what nobody decided: opened, expired, stopped by a rule."""


class Stand(StrEnum):
    """Where a review stands."""

    COLLECTING = "collecting"  # what is alike still joins it; nobody can decide yet
    OPEN = "open"  # waits for its reviewers
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"  # nobody decided in time: nothing was done
    SUPERSEDED = "superseded"  # nothing is left of what it asked


class Decision(StrEnum):
    """What a reviewer says."""

    APPROVE = "approve"
    REJECT = "reject"


class Reason(StrEnum):
    """Why, from a list: it stands in logs and in Prefect, so nobody writes a customer's name there."""

    AS_INTENDED = "as intended"
    CHECKED_WITH_THE_TEAM = "checked with the team"
    WRONG_WORDS = "the words are wrong"
    WRONG_PEOPLE = "the wrong people"
    WRONG_TIME = "the wrong time"
    WRONG_FACTS = "the facts are wrong"
    NOT_NEEDED = "not needed any more"
    OTHER = "another reason"


_AT: Mapping[Way, str] = {
    Way.PREFECT: "in Prefect",
    Way.LINK: "by the link of an alert",
    Way.PAGE: "on the review page",
    Way.COMMAND: "by command",
}

DECIDED = frozenset({Stand.APPROVED, Stand.REJECTED, Stand.EXPIRED, Stand.SUPERSEDED})
"""Nobody says anything about it any more."""


@dataclass(frozen=True, slots=True)
class Voter:
    """Somebody who has proven who they are, with the roles they have now."""

    name: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One review as it stands, read under its lock."""

    stand: Stand
    risk: Risk
    payload_hash: str
    revision: int
    initiator: str
    reviewers_needed: int
    deadline: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    approved_by: tuple[str, ...] = ()  # who said yes to it as it is asked now


class Refusal(StrEnum):
    """Why somebody's word does not count."""

    NOT_YOURS = "not yours"  # who they are, or where they say it
    CHANGED = "changed"  # what they saw is not what is asked
    DECIDED = "decided"  # somebody was faster
    LATE = "late"  # its time is over


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody's word does not count, and what they can do about it."""

    why: Refusal
    words: str


def objection(
    asked: Asked, who: Voter, way: Way, payload_hash: str, policy: ReviewPolicy, *, now: datetime
) -> Refused | None:
    """Why this person may not say anything about the review this way, having seen `payload_hash`; None: they may.

    Who they are comes first: what became of a review is told to those alone who may decide about it.
    """
    return not_theirs(asked, who, way, policy) or _over(asked, now) or _not_as_seen(asked, payload_hash)


def not_theirs(asked: Asked, who: Voter, way: Way, policy: ReviewPolicy) -> Refused | None:
    """Why it is not for this person, or not this way; None: it is."""
    rules = policy.classes[asked.risk]
    if way not in rules.ways:
        places = " or ".join(_AT[known] for known in Way if known in rules.ways)
        return Refused(Refusal.NOT_YOURS, f"reviews of class {asked.risk} are decided {places}, not {_AT[way]}")
    if not who.roles & rules.roles:
        roles = " or ".join(sorted(rules.roles))
        return Refused(Refusal.NOT_YOURS, f"reviews of class {asked.risk} are for people with the role {roles}")
    if is_same_person(who.name, asked.initiator):
        return Refused(Refusal.NOT_YOURS, "you have caused it, so somebody else decides about it")
    return None


def repeats(asked: Asked, who: Voter, decision: Decision, policy: ReviewPolicy) -> Refused | None:
    """Why a second yes of one person does not count; who said yes may still say no."""
    if decision is Decision.REJECT or not any(is_same_person(who.name, one) for one in asked.approved_by):
        return None
    missing = needed(asked, policy) - len(_people(asked))
    return Refused(
        Refusal.NOT_YOURS, f"you have said yes already: {missing} more must, and each of them has to be somebody else"
    )


def needed(asked: Asked, policy: ReviewPolicy) -> int:
    """How many distinct people must say yes: as it was asked, or more when the policy was tightened since."""
    return max(asked.reviewers_needed, policy.classes[asked.risk].reviewers)


def follows(asked: Asked, who: Voter, decision: Decision, policy: ReviewPolicy) -> Stand:
    """Where the review stands after this vote: one no rejects it; it takes enough distinct people to approve it.

    The initiator is never counted, however their name came among the votes.
    """
    if decision is Decision.REJECT:
        return Stand.REJECTED
    return Stand.APPROVED if len(_people(asked, who.name)) >= needed(asked, policy) else Stand.OPEN


def deadline_of(rules: RiskRules, staffing: Staffing, sealed_at: datetime) -> datetime:
    """When nobody may decide any more, for a review that was sealed then: in staffed minutes if its class says so."""
    if rules.in_staffed_hours:
        return answer_by(staffing, sealed_at, rules.deadline_minutes)
    return require_aware(sealed_at) + timedelta(minutes=rules.deadline_minutes)


def riskier(risk: Risk, other: Risk | None) -> Risk:
    """The class of both in which a mistake would do more harm."""
    return risk if other is None else max(risk, other, key=list(Risk).index)


def _people(asked: Asked, *further: str) -> set[str]:
    return {_plain(name) for name in (*asked.approved_by, *further)} - {_plain(asked.initiator)}


def is_same_person(name: str, other: str) -> bool:
    """One person is one person, however their name was typed."""
    return _plain(name) == _plain(other)


def _plain(name: str) -> str:
    """One person is one person, however their name was typed."""
    return " ".join(name.split()).casefold()


def _over(asked: Asked, now: datetime) -> Refused | None:
    match asked.stand:
        case Stand.COLLECTING:
            return Refused(Refusal.CHANGED, "it is still being put together: look again in a moment")
        case Stand.APPROVED | Stand.REJECTED:
            return Refused(Refusal.DECIDED, f"{asked.decided_by} has decided it: {asked.stand}")
        case Stand.SUPERSEDED:
            return Refused(Refusal.CHANGED, "nothing is left of what it asked: there is nothing to decide")
        case Stand.EXPIRED:
            return _late(asked)
        case Stand.OPEN:
            return _late(asked) if now >= asked.deadline else None


def _late(asked: Asked) -> Refused:
    return Refused(
        Refusal.LATE, f"its time was over at {asked.deadline:%Y-%m-%d %H:%M} UTC: nothing of it is done, plan it anew"
    )


def _not_as_seen(asked: Asked, payload_hash: str) -> Refused | None:
    if payload_hash and payload_hash == asked.payload_hash:
        return None
    return Refused(Refusal.CHANGED, "it was changed after you saw it: look at it as it is now, and decide then")
