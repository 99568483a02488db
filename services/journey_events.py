"""What customers do, in the transaction that stores it: counted; their journeys begun, hurried or ended at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from domain.actions import key
from domain.customers import Customer
from domain.journey_steps import Traveller, due_on_arrival, first_step, has_seen, holds, rests_on, seen_words, words_of
from domain.journeys import Anchor, Behaviour, EventName, Happened, Journey, Seen, Standing
from domain.policy import Policy
from services.journeys import Journeys
from services.step_at_goal import plan_goal_step
from store import customers, enrolments
from store.drip import next_endings
from store.enrolments import Did, Entered, NewEnrolment

CHURNED = Seen(EventName.CHURNED)


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that one customer did. Their row is held."""

    customer_id: int
    customer: Customer
    event: EventName
    name: str  # empty where the event has none
    at: datetime

    @property
    def words(self) -> str:
        """What was done: `feature.used (setup)`."""
        return seen_words(Seen(self.event, self.name or None))

    @property
    def did(self) -> Did:
        """As it is counted."""
        return Did(self.customer_id, self.event, self.name, self.at)


@dataclass
class _Told:
    """One happening, and what is known of its customer."""

    it: Happening
    before: Behaviour
    behaviour: Behaviour
    active: list[Entered]
    ever: list[Entered]
    ending: tuple[date, str] | None = None  # the next of an entitlement of theirs, where an entry counts from it
    came_to: list[str] = field(default_factory=list)

    def traveller(self, *, entered_at: datetime) -> Traveller:
        """As somebody who has just entered a journey."""
        next_ending, place = self.ending or (None, None)
        return Traveller(
            self.it.customer,
            entered_at,
            entered_at,
            next_ending=next_ending,
            ending_zone=place,
            behaviour=self.behaviour,
        )


def follow(
    connection: Connection,
    happened: Sequence[Happening],
    policy: Policy,
    journeys: Journeys,
    *,
    run: str,
    now: datetime,
) -> list[list[str]]:
    """Count what customers did, no customer twice, and do at once what it means for their journeys; in words.

    Only the first counts where a journey says so: whatever comes later, or late, or again, enters nobody a second time.
    Whatever is older than somebody's entry neither ends nor hurries it, but counts where a step asks what they did.
    """
    ids = [it.customer_id for it in happened]
    before = enrolments.behaviour_of(connection, ids)
    enrolments.note_behaviour(connection, [it.did for it in happened])
    active = enrolments.active_of(connection, ids)
    live = journeys.live(connection)
    begun = [journey for _, journey in live.values() if any(_enters(journey, it) for it in happened)]
    ever = enrolments.all_of(connection, ids) if begun else {}
    counts_down = any(first_step(journey).after.of is Anchor.ENDING for journey in begun)
    endings = next_endings(connection, ids, first=(now - timedelta(days=1)).date()) if counts_down else {}
    told = [
        _Told(
            it,
            before[it.customer_id],
            _with(before[it.customer_id], it),
            active.get(it.customer_id, []),
            ever.get(it.customer_id, []),
            endings.get(it.customer_id),
        )
        for it in happened
    ]
    for one in told:
        if one.it.event is EventName.CHURNED:
            _churn(connection, one, run=run, now=now)
            continue
        for entered in one.active:
            journey = journeys.of(connection, entered.journey_hash)
            _go_on(connection, one, entered, journey, policy, run=run, now=now)
    entering = [
        (one, journey, new)
        for one in told
        for content_hash, journey in live.values()
        if (new := _entry(one, journey, content_hash, policy, now)) is not None
    ]
    enrolments.enrol(connection, [new for *_, new in entering], run=run, now=now)
    _leave_again(connection, entering, policy, run=run, now=now)
    return [one.came_to for one in told]


def _with(before: Behaviour, it: Happening) -> Behaviour:
    known = before.get((it.event, it.name))
    after = (
        Happened(it.at, it.at, 1)
        if known is None
        else Happened(min(known.first_at, it.at), max(known.last_at, it.at), known.times + 1)
    )
    return {**before, (it.event, it.name): after}


def _is_of(seen: Seen, it: Happening) -> bool:
    return seen.event == it.event and seen.named in {None, it.name}


# -- under way ----------------------------------------------------------------------------------------------------


def _go_on(
    connection: Connection, one: _Told, entered: Entered, journey: Journey, policy: Policy, *, run: str, now: datetime
) -> None:
    """What it means for one journey that the customer is in."""
    it = one.it
    is_since = it.at >= entered.entered_at

    def means(seen: Seen | None) -> bool:
        return is_since and seen is not None and _is_of(seen, it) and has_seen(seen, one.behaviour, now=now)

    left = next((seen for seen in journey.exits if means(seen)), None)
    step = None if entered.step is None else journey.step(entered.step)
    if means(journey.goal):
        _reach_goal(connection, one, entered, journey, policy, run=run, now=now)
    elif left is not None:
        reason = seen_words(left)
        enrolments.end(connection, [entered.id], reason=reason, by=run, now=now)
        one.came_to.append(f"left {journey.name}: {reason}")
    elif step is not None and means(step.sooner_on):
        over_at = max(it.at, entered.previous_at)  # not before the step that it follows was over
        one.came_to += [
            f"waits no longer for {entered.step} of {journey.name}"
            for _ in range(enrolments.hurry(connection, [entered.id], over_at))
        ]
    elif step is not None and entered.action_id is not None and rests_on(step, it.event, it.name):
        customers.facts_moved(connection, it.customer_id, now=now)  # it is planned, and looked at again before it goes


def _churn(connection: Connection, one: _Told, *, run: str, now: datetime) -> None:
    """Whoever leaves us leaves every journey, whether its file says so or not; but one they entered since then."""
    it = one.it
    enrolments.leave(
        connection, customer_ids=[it.customer_id], reason=CHURNED.event, entered_until=it.at, by=run, now=now
    )
    one.came_to += [f"left {entered.journey}" for entered in one.active if entered.entered_at <= it.at]


def _reach_goal(
    connection: Connection, one: _Told, entered: Entered, journey: Journey, policy: Policy, *, run: str, now: datetime
) -> None:
    assert journey.goal is not None  # noqa: S101 - it was reached
    reason = seen_words(journey.goal)
    enrolments.end(connection, [entered.id], reason=reason, standing=Standing.GOAL, by=run, now=now)
    one.came_to.append(f"reached the goal of {journey.name}")
    if journey.at_goal is None:
        return
    traveller = replace(one.traveller(entered_at=entered.entered_at), previous_at=max(one.it.at, entered.previous_at))
    plan_goal_step(connection, entered, journey, traveller, policy, run=run, now=now)


# -- entering -----------------------------------------------------------------------------------------------------


def _enters(journey: Journey, it: Happening) -> bool:
    return _is_of(Seen(journey.enters.on, journey.enters.named), it)


def _entry(one: _Told, journey: Journey, content_hash: str, policy: Policy, now: datetime) -> NewEnrolment | None:
    """The customer's entry into a journey; None: this is none of it, or why not is said."""
    it = one.it
    if not _enters(journey, it):
        return None
    stay = _against(one, journey, now)
    if stay is not None:
        one.came_to.append(f"does not enter {journey.name}: {stay}")
        return None
    one.came_to.append(f"entered {journey.name}")
    step = first_step(journey)
    traveller = one.traveller(entered_at=it.at)
    return NewEnrolment(
        customer_id=it.customer_id,
        journey=journey.name,
        journey_hash=content_hash,
        number=1 + max((was.number for was in one.ever if was.journey == journey.name), default=0),
        key_part=key(it.customer.ref),
        entered_at=it.at,
        step=step.id,
        due_at=due_on_arrival(step, traveller, default_time_zone=policy.default_time_zone, now=now),
    )


def _against(one: _Told, journey: Journey, now: datetime) -> str | None:
    """Why a customer who did what a journey begins with does not enter it."""
    it, entry = one.it, journey.enters
    begins = Seen(entry.on, entry.named)
    if entry.first_only and any(begins.event == event and begins.named in {None, name} for event, name in one.before):
        return f"not their first {seen_words(begins)}"
    was = max((was for was in one.ever if was.journey == journey.name), key=lambda was: was.number, default=None)
    if was is not None and was.ended_at is None:
        return "they are in it"
    if was is not None and was.ended_at is not None:
        if entry.first_only or entry.again_after_days is None:
            return "they were in it"
        if it.at < was.ended_at + timedelta(days=entry.again_after_days):
            return f"they were in it less than {entry.again_after_days} days before"
    if not holds(entry.when, one.traveller(entered_at=it.at), now=now):
        return f"it is only for: {words_of(entry.when)}"
    return None


def _leave_again(
    connection: Connection,
    entering: Sequence[tuple[_Told, Journey, NewEnrolment]],
    policy: Policy,
    *,
    run: str,
    now: datetime,
) -> None:
    """Who entered, and may not stay: what ends their journey came before what begins it, or holds of them anyway."""
    ids = {new.customer_id for *_, new in entering}
    if not ids:
        return
    enrolments.leave_refused(connection, ids, by=run, now=now)
    silenced = {one.it.customer_id for one, *_ in entering if one.it.customer.tact_lock is not None}
    enrolments.leave(connection, customer_ids=silenced, reason=enrolments.SILENCED, by=run, now=now)
    overtaken = [(one, journey, seen) for one, journey, _ in entering if (seen := _overtaken_by(one, journey, now))]
    if not overtaken:
        return
    active = enrolments.active_of(connection, {one.it.customer_id for one, *_ in overtaken})
    for one, journey, seen in overtaken:
        for entered in active.get(one.it.customer_id, []):
            if entered.journey != journey.name:
                continue
            if seen == journey.goal:
                _reach_goal(connection, one, entered, journey, policy, run=run, now=now)
            else:
                enrolments.end(connection, [entered.id], reason=seen_words(seen), by=run, now=now)
                one.came_to.append(f"left {journey.name}: {seen_words(seen)}")


def _overtaken_by(one: _Told, journey: Journey, now: datetime) -> Seen | None:
    """What ends the journey and happened after it began, though we were told of it before."""

    def came_later(seen: Seen) -> bool:
        latest = max(
            (
                happened.last_at
                for (event, name), happened in one.before.items()
                if seen.event == event and seen.named in {None, name}
            ),
            default=None,
        )
        return latest is not None and latest >= one.it.at and has_seen(seen, one.behaviour, now=now)

    ends = (CHURNED, *((journey.goal,) if journey.goal is not None else ()), *journey.exits)  # nobody thanks who left
    return next((seen for seen in ends if came_later(seen)), None)
