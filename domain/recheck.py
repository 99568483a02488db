"""The last look before a socket opens: may this action still go, now?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.actions import Basis, Capability
from domain.contact import cap_holds, consent_holds, hours_hold, lock_holds, suppression_holds
from domain.customers import Customer
from domain.policy import Policy


@dataclass(frozen=True, slots=True)
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
    contacts: tuple[datetime, ...]  # proactive contacts counted within the cap's window
    may_be_out: bool = False  # an earlier try's answer was lost: it may have arrived


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


Verdict = Go | Skip | Expire | Defer | Replan | ToPerson
GO = Go()


def recheck(facts: Facts, policy: Policy, *, now: datetime) -> Verdict:
    """The verdict by the table in design §4; what ends an action comes before what delays it.

    What may have gone out is not called skipped or expired: a person learns that it is not to go out, and may have.
    """
    ended = _ended(facts, now)
    if ended is not None and facts.may_be_out:
        return ToPerson(f"it may have gone out already, and now: {ended.reason}")
    return ended or _outdated(facts, now) or _held(facts, policy, now) or GO


def _ended(facts: Facts, now: datetime) -> Skip | Expire | None:
    customer = facts.customer
    if customer is not None and customer.erased:
        return Skip("the customer was erased")
    if facts.not_after is not None and now >= facts.not_after:
        return Expire(f"pointless after {facts.not_after:%Y-%m-%d %H:%M} UTC")
    if suppression_holds(facts.basis) and facts.suppressed:
        return Skip("the address is suppressed (bounce or complaint)")
    if consent_holds(facts.basis, facts.consent):
        return Skip("no consent for this purpose on this channel")
    return None


def _outdated(facts: Facts, now: datetime) -> Verdict | None:
    if facts.changed:
        return Replan(f"changed since it was planned: {', '.join(facts.changed)}")
    if facts.stale_after is not None and now >= facts.stale_after:
        return Replan("the time it names has passed")
    if not facts.approved:
        return Replan("not approved as it stands")
    return None


def _held(facts: Facts, policy: Policy, now: datetime) -> Verdict | None:
    customer = facts.customer
    if customer is None:
        return None
    if lock_holds(facts.basis) and customer.tact_lock is not None:
        return ToPerson(f"tact lock: {customer.tact_lock}")
    hold = hours_hold(
        facts.basis,
        facts.capability,
        window=customer.window,
        quiet=policy.contact.quiet,
        time_zone=customer.time_zone or policy.default_time_zone,
        now=now,
    )
    if hold is not None:
        return Defer(hold.until, hold.reason)
    cap = policy.contact.cap
    if cap_holds(facts.basis, len(facts.contacts), cap.contacts):
        freed = sorted(facts.contacts)[-cap.contacts] + timedelta(days=cap.days)
        return Defer(freed, f"frequency cap: {cap.contacts} proactive contacts in {cap.days} days")
    return None
