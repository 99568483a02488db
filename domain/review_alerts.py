"""Who is told of a review, and when: that it waits, at half of its time, at 80 %, and when nobody decided in time."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.actions import Basis, Capability, Kind, key
from domain.cases import NO_ALERT
from domain.on_call import next_after, who
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from domain.review_rules import OnCall, Risk, RiskRules
from domain.reviews import Stand, is_same_person
from domain.staffing import Staffing, is_open, part_way

SCHEMA = "review-alert/1"
SHARED_EVERY = timedelta(minutes=15)
"""Alerts that are shared come once in so long at most, to each person."""


class Occasion(StrEnum):
    """What somebody is told of."""

    OPENED = "0"  # it waits
    HALF = "50"  # a reminder
    ESCALATED = "80"  # nobody has decided: the next on call is told as well
    OVER = "100"  # nobody decided: nothing was done
    NEXT_YES = "next-yes"  # one yes is there, and it needs another
    HALTED = "halted"  # it was approved, goes out step by step, and has stopped itself

    @property
    def percent(self) -> int | None:
        """How much of its time is over; None for what has no place in it."""
        return int(self) if self.isdecimal() else None


_IN_TIME = (Occasion.OPENED, Occasion.HALF, Occasion.ESCALATED)
_GRAVE = frozenset({Occasion.ESCALATED, Occasion.OVER, Occasion.HALTED})
_SEVERITY: Mapping[tuple[bool, bool], str] = {
    (False, False): "warning",
    (False, True): "error",
    (True, False): "error",
    (True, True): "critical",
}
"""By whether its class has its alerts alone, and whether the occasion is grave."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A review as its alerts look at it."""

    id: int
    stand: Stand
    risk: Risk
    initiator: str
    revision: int
    sealed_at: datetime
    deadline: datetime
    said_yes: tuple[str, ...]  # to this revision
    last_yes: int  # the vote by our id; 0: nobody has said yes
    halted_at: datetime | None
    told: int  # per cent of its time; -1: nobody was told yet
    told_vote: int
    told_halt: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """One thing to tell about one review, and to whom."""

    review: Watched
    occasion: Occasion
    people: tuple[str, ...]
    is_shared: bool


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Who is on call, and who is next; None: there is nobody else."""

    first: str
    then: str | None

    @property
    def all(self) -> tuple[str, ...]:
        """Both, or the one."""
        return (self.first,) if self.then is None else (self.first, self.then)


def on_duty(on_call: OnCall, now: datetime) -> OnDuty:
    """Whom alerts go to at this instant."""
    return OnDuty(who(on_call, now), next_after(on_call, now))


def due_alerts(watched: Sequence[Watched], policy: Policy, *, shared_at: datetime | None, now: datetime) -> list[Due]:
    """What is to be told now: of several percentages that have passed the last one, each once.

    `shared_at`: when alerts were shared last. Classes that count staffed hours and share their alerts are quiet while
    nobody is at work.
    """
    duty = on_duty(policy.reviews.on_call, now)
    alone: list[Due] = []
    shared: list[Due] = []
    for review in watched:
        rules = policy.reviews.classes[review.risk]
        if rules.in_staffed_hours and not rules.alone and not is_open(policy.staffing, now):
            continue
        alone += (Due(review, its, _people(review, its, duty), False) for its in _at_once(review))
        occasion = _by_time(review, rules, policy.staffing, now)
        if occasion is not None:
            due = Due(review, occasion, _people(review, occasion, duty), not rules.alone)
            (alone if rules.alone else shared).append(due)
    return alone if _may_wait(shared, policy, shared_at, now) else [*alone, *shared]


def plan_alerts(due: Sequence[Due], policy: Policy, *, can_page: bool, now: datetime) -> list[PlannedAction]:
    """The alerts as actions: ids and colleagues' names. Their words are those of the moment when they are sent."""
    duty = on_duty(policy.reviews.on_call, now)
    each: list[tuple[str, list[Due]]] = [(name, [one]) for one in due if not one.is_shared for name in one.people]
    together: dict[str, list[Due]] = defaultdict(list)
    for one in due:
        if one.is_shared:
            for name in one.people:
                together[name].append(one)
    return [_plan(name, told, duty, policy, can_page, now) for name, told in [*each, *together.items()]]


def is_needed(told: Mapping[str, Any], stand: Stand, halted_at: datetime | None) -> bool:
    """Has one entry of an alert still something to say, the review standing like this?"""
    match Occasion(told["occasion"]):
        case Occasion.OVER:
            return stand is Stand.EXPIRED
        case Occasion.HALTED:
            return halted_at is not None
        case _:
            return stand is Stand.OPEN


def may_decide(name: str, initiator: str, said_yes: Collection[str]) -> bool:
    """False for who caused it, and for who has said yes already."""
    return not any(is_same_person(name, one) for one in (initiator, *said_yes))


def _plan(name: str, told: Sequence[Due], duty: OnDuty, policy: Policy, can_page: bool, now: datetime) -> PlannedAction:
    alone = any(policy.reviews.classes[one.review.risk].alone for one in told)
    params = {
        "person": name,
        "first": duty.first,
        "then": duty.then,
        "severity": _SEVERITY[alone, any(one.occasion in _GRAVE for one in told)],
        "told": [{"review": one.review.id, "occasion": one.occasion.value} for one in told],
    }
    return PlannedAction(
        key=_key(name, told),
        kind=Kind.PAGE,
        basis=Basis.INTERNAL,
        capability=Capability.ALERT,
        payload=Payload(SCHEMA, params),
        due_at=now,
        urgent=alone or any(one.occasion is Occasion.HALTED for one in told),
        skip=None if can_page else NO_ALERT,
    )


def _key(name: str, told: Sequence[Due]) -> str:
    if len(told) == 1:
        return key("review", told[0].review.id, "alert", *_step(told[0]), name)
    reviews = "\n".join(key(one.review.id, *_step(one)) for one in told)
    return key("review", "alerts", hashlib.sha256(reviews.encode()).hexdigest()[:16], name)


def _step(one: Due) -> tuple[str, ...]:
    if one.occasion is Occasion.NEXT_YES:
        return one.occasion, f"{one.review.revision}.{len(one.review.said_yes)}"
    if one.occasion is Occasion.HALTED and one.review.halted_at is not None:
        return one.occasion, f"{one.review.halted_at:%Y%m%dT%H%M%S.%f}"
    return (one.occasion,)


def _at_once(review: Watched) -> Iterator[Occasion]:
    if review.halted_at is not None and review.halted_at != review.told_halt:
        yield Occasion.HALTED
    if review.stand is Stand.OPEN and review.last_yes > review.told_vote:
        yield Occasion.NEXT_YES


def _by_time(review: Watched, rules: RiskRules, staffing: Staffing, now: datetime) -> Occasion | None:
    if review.stand is Stand.EXPIRED:
        return Occasion.OVER if review.told < 100 else None
    if review.stand is not Stand.OPEN or now >= review.deadline:  # its end is told once it has expired
        return None
    passed = [one for one in _IN_TIME if _mark(review, one.percent or 0, rules, staffing) <= now]
    return passed[-1] if passed and review.told < (passed[-1].percent or 0) else None


def _mark(review: Watched, percent: int, rules: RiskRules, staffing: Staffing) -> datetime:
    """When so much of a review's time is over, as its class counts it. One alone is told of at once, also at night."""
    if percent == 0 and rules.alone:
        return review.sealed_at
    if rules.in_staffed_hours:
        return part_way(staffing, review.sealed_at, review.deadline, percent)
    return review.sealed_at + (review.deadline - review.sealed_at) * percent / 100


def _may_wait(shared: Sequence[Due], policy: Policy, shared_at: datetime | None, now: datetime) -> bool:
    """Nobody is told twice in a quarter of an hour, unless a review's next mark would come before it is over."""
    if shared_at is None or now >= shared_at + SHARED_EVERY:
        return False
    return all(_next_mark(one.review, policy, now) >= shared_at + SHARED_EVERY for one in shared)


def _next_mark(review: Watched, policy: Policy, now: datetime) -> datetime:
    if review.stand is not Stand.OPEN:
        return now + SHARED_EVERY
    rules = policy.reviews.classes[review.risk]
    marks = (_mark(review, one.percent or 0, rules, policy.staffing) for one in _IN_TIME)
    return min((at for at in (*marks, review.deadline) if at > now), default=review.deadline)


def _people(review: Watched, occasion: Occasion, duty: OnDuty) -> tuple[str, ...]:
    """Who is told; while there is time for one of them, somebody who may still decide."""
    if occasion in {Occasion.ESCALATED, Occasion.OVER}:
        return duty.all
    if occasion is Occasion.HALTED:
        return (duty.first,)
    able = (name for name in duty.all if may_decide(name, review.initiator, review.said_yes))
    return (next(able, duty.first),)
