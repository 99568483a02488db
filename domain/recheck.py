"""The last look before a socket opens: may this action still go, now?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.actions import Basis, Capability
from domain.channels import CHANNEL_OF, Confidentiality, may_carry
from domain.contact import cap_holds, consent_holds, hours_hold, lock_holds, suppression_holds
from domain.customers import Customer
from domain.gates import Gate
from domain.hours import ContactWindow
from domain.journeys import Standing
from domain.light import light
from domain.policy import Policy
from domain.recovery_survey import TACTLESS
from domain.spreading import spread


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Where the customer stands in the journey that an action is a step of."""

    key: str  # the action's
    standing: Standing
    why: str | None  # the journey ended
    is_its_turn: bool  # it is the step they are at, or the one that is done at the goal they have reached
    window: ContactWindow | None  # the journey's, for those who stated no hours


@light(frozen=True, slots=True)
class Facts:
    """What arming read of one claimed action, under its locks."""

    basis: Basis
    capability: Capability
    not_after: datetime | None
    stale_after: datetime | None
    changed: tuple[str, ...]  # facts whose version is not the one it was planned on
    approved: bool  # no review asked for, or approved over an equal payload hash
    customer: Customer | None
    suppressed: bool
    consent: bool | None  # None: never asked
    contacts: tuple[datetime, ...]  # proactive ones within the cap's window, or some before it too
    may_be_out: bool = False  # an earlier try's answer was lost: it may have arrived
    is_ending: bool = False  # about an entitlement's ending: it rests on data that must have passed its gate
    gate: Gate | None = None  # that gate; None: there is none
    tells: Confidentiality | None = None  # how confidential what it says is; None: it does not say
    has_no_task: bool = False  # it adds to a task, or closes one, that was never made
    enrolled: Enrolled | None = None  # None: it is no step of a journey
    moot: str | None = None  # why what it tells a colleague needs nobody any more
    halted: str | None = None  # why what its review let go has stopped
    asks_if_over: bool = False  # it asks whether a trouble is over
    is_closing: bool = False  # it only takes something away, a task from a list or a customer from a vendor's books


@dataclass(frozen=True, slots=True)
class Go:
    """Arm it."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Never: `skipped`, with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Pointless by now: `expired`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Defer:
    """Later: `ready` again, due at `until`."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Replan:
    """What it says is no longer so: `planned`, to be made anew."""

    reason: str


@dataclass(frozen=True, slots=True)
class ToPerson:
    """Not for a machine: `needs_human`."""

    reason: str


LOOK_AGAIN = timedelta(hours=1)
"""After so long it is looked at again whether stale data has come anew, or what has stopped goes on."""

Verdict = Go | Skip | Expire | Defer | Replan | ToPerson
GO = Go()


def recheck(facts: Facts, policy: Policy, *, now: datetime) -> Verdict:
    """The verdict by the table in design §4; what ends an action comes before what delays it.

    What may have gone out is not called skipped or expired: a person learns that it is not to go out, and may have; but
    a colleague who was called for nothing is no harm.
    """
    if facts.moot is not None:
        return Skip(facts.moot)
    ended = _ended(facts, now)
    if ended is not None and facts.may_be_out:
        return ToPerson(f"it may have gone out already, and now: {ended.reason}")
    return (
        ended
        or _refused(facts, policy)
        or _outdated(facts, now)
        or _stale(facts, policy, now)
        or _held(facts, policy, now)
        or GO
    )


def _ended(facts: Facts, now: datetime) -> Skip | Expire | Replan | None:
    customer = facts.customer
    if customer is not None and customer.erased and not facts.is_closing:
        return Skip("the customer was erased")
    if facts.enrolled is not None:
        over = _journey_over(facts, facts.enrolled)
        if over is not None:
            return Skip(over)
    if facts.asks_if_over and customer is not None and customer.tact_lock is not None:
        return Skip(TACTLESS)
    if facts.has_no_task:
        return Skip("the task it belongs to was never made")
    if facts.not_after is not None and now >= facts.not_after:
        return Expire(f"pointless after {facts.not_after:%Y-%m-%d %H:%M} UTC")
    if suppression_holds(facts.basis) and facts.suppressed:
        return _another_way(facts, "the address is suppressed (bounce or complaint)")
    if consent_holds(facts.basis, facts.consent):
        return _another_way(facts, "no consent for this purpose on this channel")
    return None


def _journey_over(facts: Facts, enrolled: Enrolled) -> str | None:
    """Why a step of a journey is not to be done any more, however its journey ended and whoever did not notice."""
    if facts.customer is not None and facts.customer.tact_lock is not None and lock_holds(facts.basis):
        return f"tact lock: {facts.customer.tact_lock}"
    if enrolled.is_its_turn:
        return None
    if enrolled.standing is Standing.ACTIVE:
        return "the customer is at another step of the journey"
    return f"the journey is over: {enrolled.why or enrolled.standing}"


def _another_way(facts: Facts, reason: str) -> Skip | Replan:
    """Of an ending a colleague may tell, a journey's step has further channels; nothing else need come of a message."""
    return Replan(reason) if _has_other_ways(facts) else Skip(reason)


def _has_other_ways(facts: Facts) -> bool:
    return facts.is_ending or facts.enrolled is not None


def _refused(facts: Facts, policy: Policy) -> Verdict | None:
    """What no other rule can allow: data that passed no gate, words too confidential for their channel."""
    if facts.is_ending and facts.gate is None:
        return ToPerson("the data it rests on came through no gate")
    if facts.gate is not None and not facts.gate.verdict.lets_through:
        return ToPerson(f"the data it rests on was halted at its gate (gate {facts.gate.id})")
    if facts.tells is None:
        return None
    channel = CHANNEL_OF.get(facts.capability)
    if channel is not None and may_carry(policy.channels[channel], facts.tells):
        return None
    reason = f"it is {facts.tells}: too confidential for {facts.capability}"
    return Replan(reason) if _has_other_ways(facts) and not facts.may_be_out else ToPerson(reason)


def _outdated(facts: Facts, now: datetime) -> Verdict | None:
    if facts.changed:
        return Replan(f"changed since it was planned: {', '.join(facts.changed)}")
    if facts.stale_after is not None and now >= facts.stale_after:
        return Replan("the time it names has passed")
    if not facts.approved:
        return Replan("not approved as it stands")
    return None if facts.halted is None else Defer(now + LOOK_AGAIN, facts.halted)


def _stale(facts: Facts, policy: Policy, now: datetime) -> Defer | None:
    """Data that nobody has brought anew for too long is not acted on, until it comes again."""
    gate = facts.gate
    if gate is None or not gate.is_stale(policy.gates, now=now):
        return None
    hours = policy.gates.stale_after(gate.data_set, is_events=gate.is_events) // timedelta(hours=1)
    since = f"{gate.last_passed_at:%Y-%m-%d %H:%M} UTC"
    return Defer(now + LOOK_AGAIN, f"stale: {gate.feed} last passed their gate {since}, more than {hours} hours ago")


def _held(facts: Facts, policy: Policy, now: datetime) -> Verdict | None:
    customer = facts.customer
    if customer is None:
        return None
    if lock_holds(facts.basis) and customer.tact_lock is not None:
        reason = f"tact lock: {customer.tact_lock}"
        return Replan(reason) if facts.is_ending and not facts.may_be_out else ToPerson(reason)
    window, quiet = customer.window or _usual_window(facts, policy), policy.contact.quiet
    time_zone = customer.time_zone or policy.default_time_zone
    hold = hours_hold(facts.basis, facts.capability, window, quiet, time_zone, now)
    if hold is not None and facts.enrolled is not None:  # what waits for one morning does not go out at one stroke
        over = timedelta(minutes=policy.journeys.spread_minutes)
        key = facts.enrolled.key
        until = spread(key, hold.until, over, window=window, quiet=quiet, time_zone=time_zone)
        return Defer(until, hold.reason)
    if hold is not None:
        return Defer(hold.until, hold.reason)
    cap = policy.contact.cap
    recent = sorted(at for at in facts.contacts if at > now - timedelta(days=cap.days))
    if cap_holds(facts.basis, len(recent), cap.contacts):
        freed = recent[-cap.contacts] + timedelta(days=cap.days)
        return Defer(freed, f"frequency cap: {cap.contacts} proactive contacts in {cap.days} days")
    return None


def _usual_window(facts: Facts, policy: Policy) -> ContactWindow | None:
    """When a customer is contacted who stated no hours: about an ending by their tier, in a journey by its file."""
    if facts.enrolled is not None:
        return facts.enrolled.window
    if not facts.is_ending or facts.customer is None:
        return None
    return policy.expiry.calls.windows[facts.customer.tier]
