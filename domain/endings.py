"""Endings on the calendar: which horizon one has reached, on its own calendar, and until when anything can be done."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from domain.entitlements import Entitlement, EntitlementKind, Standing
from domain.expiry import horizon_of
from domain.hours import UnknownZone, instant_of, zone
from domain.policy import Policy

_DAY = timedelta(days=1)

VAGUE_DAYS = 366
"""An estimate whose latest day is later than this after the likeliest one tells nothing: it is not looked for."""


@dataclass(slots=True)
class Calendars:
    """What day it is in each time zone at one instant, worked out once a zone. A zone nobody knows is `default`'s."""

    now: datetime
    default: str
    _todays: dict[str, date] = field(default_factory=dict)

    def today(self, time_zone: str) -> date:
        """The date there."""
        found = self._todays.get(time_zone)
        if found is None:
            found = self._todays[time_zone] = self.now.astimezone(self.place(time_zone)).date()
        return found

    def end_of(self, day: date, time_zone: str) -> datetime:
        """The instant (UTC) at which `day` is over there."""
        return instant_of(day + _DAY, time(), self.place(time_zone))

    def place(self, time_zone: str | None) -> ZoneInfo:
        """The zone of that name; the default one where there is none, or nobody knows it."""
        try:
            return zone(time_zone or self.default)
        except UnknownZone:
            return zone(self.default)


def horizon_reached(kind: EntitlementKind, ends_on: date, today: date, policy: Policy) -> int | None:
    """The horizon an ending has reached; None: it is too early, or over.

    A supply whose likeliest day has passed stays in its last horizon: it has probably run out, and nobody bought anew.
    """
    days_left = (ends_on - today).days
    if kind is EntitlementKind.SUPPLY:
        days_left = max(days_left, 0)
    return horizon_of(days_left, policy.expiry.kinds[kind].horizons)


def last_day(kind: EntitlementKind, ends_on: date, latest_on: date | None, policy: Policy) -> date:
    """The last day on which anything is done about an ending."""
    if kind is EntitlementKind.SUPPLY:
        return (latest_on or ends_on) + timedelta(days=policy.depletion.quiet_after_days)
    return ends_on


def quiet_before(kind: EntitlementKind, policy: Policy, now: datetime) -> date:
    """A supply whose latest day is earlier has been quiet for too long: its customer has probably stopped."""
    if kind is not EntitlementKind.SUPPLY:
        return date.min
    today = now.astimezone(zone(policy.default_time_zone)).date()
    return today - timedelta(days=policy.depletion.quiet_after_days)


def ends_due(kind: EntitlementKind, policy: Policy, now: datetime) -> tuple[date, date]:
    """The first and the last end that may have reached a horizon somewhere on earth."""
    utc = now.astimezone(UTC).date()
    first = utc - _DAY  # the date is never more than a day from UTC's
    if kind is EntitlementKind.SUPPLY:
        first -= timedelta(days=policy.depletion.quiet_after_days + VAGUE_DAYS)
    return first, utc + timedelta(days=1 + policy.expiry.kinds[kind].horizons[0])


def not_needed(entitlement: Entitlement, occurrence: str, today: date, policy: Policy) -> str | None:
    """Why nobody needs to be contacted about an occurrence any more; None: it is still to come.

    `today` is on the calendar of the entitlement's zone.
    """
    if entitlement.standing is Standing.CANCELLED:
        return "cancelled: nobody needs to be contacted"
    if entitlement.occurrence != occurrence:
        return _another_occurrence(entitlement, occurrence)
    if entitlement.auto_renews:
        return "renews by itself: nobody needs to be contacted"
    if last_day(entitlement.kind, entitlement.ends_on, entitlement.latest_on, policy) < today:
        return f"it ended on {entitlement.ends_on}: too late for this"
    return None


def _another_occurrence(entitlement: Entitlement, occurrence: str) -> str:
    if entitlement.kind is EntitlementKind.SUPPLY:
        return f"bought again: enough until about {entitlement.ends_on}, nobody needs to be contacted"
    if entitlement.occurrence > occurrence:  # both are ISO dates
        return f"renewed until {entitlement.ends_on}: nobody needs to be contacted"
    return f"ends on {entitlement.ends_on} already: that ending is looked at by itself"
