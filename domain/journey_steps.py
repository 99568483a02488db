"""What is decided about one customer in a journey: when a step is due, over which channel, why not, what follows."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import chain

from domain.actions import Basis, Capability, Kind
from domain.channels import Channel, may_carry
from domain.contact import consent_holds, hours_hold, suppression_holds
from domain.customers import Customer, primary_language
from domain.hours import instant_of, require_aware, zone
from domain.journeys import END, After, Anchor, Behaviour, Condition, EventName, Happened, Journey, Seen, Step
from domain.policy import Policy
from domain.spreading import spread

KIND_OF: Mapping[Channel, Kind] = {
    Channel.MAIL: Kind.MESSAGE,
    Channel.SMS: Kind.MESSAGE,
    Channel.PUSH: Kind.MESSAGE,
    Channel.VOICE: Kind.CALL,
    Channel.PERSON: Kind.TASK,
}
CAPABILITY_OF: Mapping[Channel, Capability] = {
    Channel.MAIL: Capability.MAIL,
    Channel.SMS: Capability.SMS,
    Channel.PUSH: Capability.PUSH,
    Channel.VOICE: Capability.VOICE,
    Channel.PERSON: Capability.CRM,
}
"""What a step's action is, by the channel it goes over."""


@dataclass(frozen=True, slots=True)
class Traveller:
    """One customer in a journey, and what decides about them."""

    customer: Customer
    entered_at: datetime
    previous_at: datetime  # when the step before was over; at first, when they entered
    next_ending: date | None = None  # when the next of their entitlements ends, on its own calendar
    ending_zone: str | None = None  # that calendar's time zone; None: the customer's
    suppressed: Collection[Capability] = frozenset()  # channels whose address on file must not be written to
    consents: Mapping[Channel, bool | None] = field(default_factory=dict)  # to the journey's purpose
    behaviour: Behaviour = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Send:
    """The step is done over this channel, at this instant (UTC)."""

    channel: Channel
    due_at: datetime
    reason: str | None = None  # why later than it was due


@dataclass(frozen=True, slots=True)
class SkipStep:
    """The step is left out, and the customer goes on."""

    reason: str


def holds(condition: Condition, traveller: Traveller, *, now: datetime) -> bool:
    """True when everything the condition says is so. A language that we do not know is none of those it names."""
    customer = traveller.customer
    language = primary_language(customer.language) if customer.language else None
    return (
        (condition.seen is None or has_seen(condition.seen, traveller.behaviour, now=now))
        and (not condition.tier or customer.tier in condition.tier)
        and (not condition.language or language in condition.language)
        and all(holds(one, traveller, now=now) for one in condition.all)
        and (not condition.any or any(holds(one, traveller, now=now) for one in condition.any))
        and not any(holds(one, traveller, now=now) for one in condition.none)
    )


def has_seen(seen: Seen, behaviour: Behaviour, *, now: datetime) -> bool:
    """True when a customer did it as often, and lately enough."""
    done = [it for (event, name), it in behaviour.items() if _is_meant(seen, event, name)]
    return bool(done) and sum(it.times for it in done) >= seen.times and _is_lately(seen, done, now)


def _is_meant(seen: Seen, event: str, name: str) -> bool:
    return event == seen.event and seen.named in (None, name)


def _is_lately(seen: Seen, done: Collection[Happened], now: datetime) -> bool:
    return seen.within_days is None or max(it.last_at for it in done) >= now - timedelta(days=seen.within_days)


def rests_on(step: Step, event: EventName, name: str) -> bool:
    """True when such an event may decide whether the step is done or left out."""
    conditions = [step.when] if step.skip_when is None else [step.when, step.skip_when]
    return any(_is_meant(seen, event, name) for condition in conditions for seen in _seen_in(condition))


def _seen_in(condition: Condition) -> Iterator[Seen]:
    if condition.seen is not None:
        yield condition.seen
    for one in (*condition.all, *condition.any, *condition.none):
        yield from _seen_in(one)


def first_step(journey: Journey) -> Step:
    """Where everybody begins."""
    return journey.steps[0]


def following(journey: Journey, step: Step, traveller: Traveller, *, now: datetime) -> Step | None:
    """The step after one that is over, or that parts the ways now; None: the journey is over.

    Nobody walks on into the step that is done at the goal, and nothing comes after it. Raises LookupError for a step
    that this version does not have.
    """
    if step.id == journey.at_goal:
        return None
    taken = (branch.to for branch in step.branch if holds(branch.when, traveller, now=now))
    to = next(taken, step.then)
    if to is None:
        return _next_in_file(journey, step)
    return None if to == END else journey.step(to)


def _next_in_file(journey: Journey, step: Step) -> Step | None:
    place = journey.steps.index(step)
    return next((later for later in journey.steps[place + 1 :] if later.id != journey.at_goal), None)


def wait_over_at(step: Step, traveller: Traveller, *, default_time_zone: str) -> datetime | None:
    """The instant (UTC) when a step's wait is over; None: there is no ending to count from, and the step is skipped.

    Days go by on the customer's calendar, to the same time of their day; what clocks leap over is the first instant
    after the leap. "A day after, at nine" is at nine on the next day, also when it was five past nine: what goes out a
    little later than it was due would lose a day each time. A step that counts from the entry waits for the one before
    it all the same.
    """
    after, place = step.after, zone(traveller.customer.time_zone or default_time_zone)
    counted_from = _counted_from(after, traveller, default_time_zone)
    if counted_from is None:
        return None
    local = counted_from.astimezone(place)
    over = counted_from
    if after.days:
        over = instant_of(local.date() + timedelta(days=after.days), local.time(), place)
    over += timedelta(hours=after.hours, minutes=after.minutes)
    if after.of is Anchor.ENTRY:
        over = max(over, require_aware(traveller.previous_at))
    if after.at is None:
        return over
    day = over.astimezone(place).date()
    then = instant_of(day, after.at, place)
    waits_for_a_day = after.days and not (after.hours or after.minutes)
    return then if then >= over or waits_for_a_day else instant_of(day + timedelta(days=1), after.at, place)


def due_on_arrival(step: Step, traveller: Traveller, *, default_time_zone: str, now: datetime) -> datetime:
    """The instant (UTC) when a step is due for somebody who comes to it at `traveller.previous_at`.

    That is when its wait is over; or at once, where what ends the wait has happened already, or there is no ending to
    count from.
    """
    if step.sooner_on is None or not has_seen(step.sooner_on, traveller.behaviour, now=now):
        over_at = wait_over_at(step, traveller, default_time_zone=default_time_zone)
        if over_at is not None:
            return over_at
    return require_aware(traveller.previous_at)


def _counted_from(after: After, traveller: Traveller, default_time_zone: str) -> datetime | None:
    if after.of is Anchor.ENTRY:
        return require_aware(traveller.entered_at)
    if after.of is Anchor.PREVIOUS:
        return require_aware(traveller.previous_at)
    if traveller.next_ending is None:
        return None
    calendar = traveller.ending_zone or traveller.customer.time_zone or default_time_zone
    return instant_of(traveller.next_ending, time(0), zone(calendar))


def pointless_at(step: Step, due_at: datetime) -> datetime | None:
    """The instant from which a step that was due is not worth doing any more; None: it always is."""
    hours = step.pointless_after_hours
    return None if hours is None else require_aware(due_at) + timedelta(hours=hours)


def basis_of(step: Step, channel: Channel) -> Basis:
    """Why a step may be done over a channel: what a colleague is asked for is internal, they judge for themselves."""
    return Basis.INTERNAL if channel is Channel.PERSON else step.basis


def decide(
    journey: Journey, step: Step, traveller: Traveller, policy: Policy, *, due_at: datetime, now: datetime, key: str
) -> Send | SkipStep:
    """What becomes of a step that is due: over which channel and when exactly it is done, or why it is left out.

    Conditions are asked of when it is due, though it is planned a little before. The instant follows from facts alone.
    What the hour or an outage held has its own moment after that, by its key. Raises ValueError for a step that parts
    the ways.
    """
    if step.branch:
        raise ValueError(f"step {step.id} parts the ways: there is nothing to send")
    due_at, now = require_aware(due_at), require_aware(now)
    against = _against(step, traveller, max(due_at, now))
    if against is not None:
        return SkipStep(against)
    objections: list[str] = []
    for channel, objection in ways_of(journey, step, traveller, policy):
        if objection is None:
            break
        objections.append(f"{channel}: {objection}")
    else:
        return SkipStep("; ".join(objections))
    send = _timed(journey, step, channel, traveller.customer, policy, due_at, now, key)
    ends = pointless_at(step, due_at)
    if ends is not None and max(send.due_at, now) >= ends:
        why = f" ({send.reason})" if send.reason else ""
        return SkipStep(f"pointless {step.pointless_after_hours} hours after it was due{why}")
    return send


def _against(step: Step, traveller: Traveller, now: datetime) -> str | None:
    """What speaks against the step whatever the channel, the weightiest first."""
    customer = traveller.customer
    if customer.erased:
        return "the customer was erased"
    if customer.tact_lock is not None:
        return f"tact lock: {customer.tact_lock}"
    if step.skip_when is not None and holds(step.skip_when, traveller, now=now):
        return f"not needed any more: {words_of(step.skip_when)}"
    if not holds(step.when, traveller, now=now):
        return f"only for: {words_of(step.when)}"
    return None


def ways_of(journey: Journey, step: Step, traveller: Traveller, policy: Policy) -> Iterator[tuple[Channel, str | None]]:
    """The step's channels, the one to be taken first, each with what speaks against it; None: nothing does."""
    preferred = traveller.customer.preferred_channel
    channels = step.by if step.ask is None else (Channel.PERSON,)
    for channel in sorted(channels, key=lambda channel: CAPABILITY_OF[channel] != preferred):  # else in its own order
        yield channel, _objection(channel, journey, step, traveller, policy)


def _objection(channel: Channel, journey: Journey, step: Step, traveller: Traveller, policy: Policy) -> str | None:
    customer, rules, basis = traveller.customer, policy.channels[channel], basis_of(step, channel)
    if not _has_address(channel, customer):
        return _NO_ADDRESS[channel]
    if suppression_holds(basis) and CAPABILITY_OF[channel] in traveller.suppressed:
        return "the address is suppressed (bounce or complaint)"
    if consent_holds(basis, traveller.consents.get(channel)):
        return f"no consent to {journey.purpose}"
    if not may_carry(rules, step.confidentiality):
        return f"it is {step.confidentiality}, and this channel carries {rules.carries} at most"
    at_most = policy.journeys.contact_costs_at_most[customer.tier]
    if rules.cost_minor > at_most:
        return f"dearer than a step may be for tier {customer.tier}"
    return None


_NO_ADDRESS: Mapping[Channel, str] = {
    Channel.MAIL: "no mail address on file",
    Channel.SMS: "no phone number on file",
    Channel.VOICE: "no phone number on file",
    Channel.PUSH: "no device on file",
}


def _has_address(channel: Channel, customer: Customer) -> bool:
    if channel is Channel.PERSON:
        return True
    if channel is Channel.MAIL:
        return bool(customer.email)
    return bool(customer.device if channel is Channel.PUSH else customer.phone)


def _timed(
    journey: Journey,
    step: Step,
    channel: Channel,
    customer: Customer,
    policy: Policy,
    due_at: datetime,
    now: datetime,
    key: str,
) -> Send:
    """When exactly: at its time, unless the hour forbids that or it was held by an outage."""
    rules, basis = policy.journeys, basis_of(step, channel)
    window, quiet = customer.window or journey.window, policy.contact.quiet
    time_zone = customer.time_zone or policy.default_time_zone
    begins = max(due_at, now)
    hold = hours_hold(basis, CAPABILITY_OF[channel], window, quiet, time_zone, begins)
    is_late = now - due_at > timedelta(minutes=rules.late_after_minutes)
    if hold is None and not is_late:
        return Send(channel, due_at)
    opening = begins if hold is None else hold.until
    reason = f"late: it was due {due_at:%Y-%m-%d %H:%M} UTC" if hold is None else hold.reason
    moment = spread(
        key, opening, timedelta(minutes=rules.spread_minutes), window=window, quiet=quiet, time_zone=time_zone
    )
    return Send(channel, moment, reason)


def words_of(condition: Condition) -> str:
    """A condition as colleagues read it: "has done feature.used (autopay), and tier is vip"."""
    said = list(_said(condition))
    return ", and ".join(said) if said else "everybody"


def _said(condition: Condition) -> Iterator[str]:
    if condition.seen is not None:
        yield f"has done {seen_words(condition.seen)}"
    if condition.tier:
        yield f"tier is {' or '.join(sorted(condition.tier))}"
    if condition.language:
        yield f"language is {' or '.join(sorted(condition.language))}"
    yield from (words_of(one) for one in condition.all)
    if condition.any:
        yield " or ".join(_grouped(condition.any))
    yield from (f"not: {words}" for words in _grouped(condition.none))


def _grouped(conditions: tuple[Condition, ...]) -> Iterator[str]:
    """Each in brackets when it says more than one thing."""
    for said in (list(_said(one)) for one in conditions):
        yield said[0] if len(said) == 1 else f"({', and '.join(said) or 'everybody'})"


def seen_words(seen: Seen) -> str:
    """An event as colleagues read it: "feature.used (autopay), at least 3 times, the last within 7 days"."""
    named = f" ({seen.named})" if seen.named is not None else ""
    often = [f"at least {seen.times} times"] if seen.times > 1 else []
    lately = [f"the last within {seen.within_days} days"] if seen.within_days is not None else []
    return ", ".join(chain([f"{seen.event}{named}"], often, lately))
