"""Why and when we do not contact: the table of design §4, and the channel of a reply."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.actions import Basis, Capability
from domain.customers import Customer
from domain.hours import ContactWindow as ContactWindow  # where callers look for it
from domain.hours import QuietHours as QuietHours
from domain.hours import require_aware, zone


class Rule(Enum):
    """What each basis minds about the hour."""

    ANY_HOUR = auto()
    NO_DISTURBANCE = auto()  # mail at any hour; what rings or buzzes waits for the end of the night
    ASKED_HOURS = auto()  # never in quiet hours, and only inside the customer's window


@dataclass(frozen=True, slots=True)
class Held:
    """One column of the table "what holds back which basis"."""

    by_suppression: bool  # the address bounced or complained
    by_consent: bool  # withdrawn, or never given
    by_lock: bool  # tact lock: not for a machine, to a person
    by_cap: bool  # too many contacts lately
    hours: Rule


TABLE: Mapping[Basis, Held] = {
    Basis.REPLY: Held(True, False, False, False, Rule.NO_DISTURBANCE),
    Basis.SERVICE: Held(True, False, True, False, Rule.ASKED_HOURS),
    Basis.PROACTIVE: Held(True, True, True, True, Rule.ASKED_HOURS),
    Basis.INTERNAL: Held(False, False, False, False, Rule.ANY_HOUR),
}

_REACHES_CUSTOMER = frozenset({Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH})
_DISTURBS = _REACHES_CUSTOMER - {Capability.MAIL}
_ROUNDS = 6
"""Ends of quiet hours and beginnings of a window to try, three days' worth, before they are seen never to agree."""


@dataclass(frozen=True, slots=True)
class FrequencyCap:
    """At most `contacts` proactive contacts in any `days` days, all channels together."""

    contacts: int
    days: int

    def __post_init__(self) -> None:
        if self.contacts < 1 or self.days < 1:
            raise ValueError("a frequency cap needs at least one contact and one day")


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now, but from `until` (UTC) on."""

    until: datetime
    reason: str


def suppression_holds(basis: Basis) -> bool:
    """True when a suppressed address (bounce, complaint) holds an action of this basis back."""
    return TABLE[basis].by_suppression


def consent_holds(basis: Basis, granted: bool | None) -> bool:
    """True when the customer's word on this purpose and channel holds it back. Never asked (None) is never yes."""
    return TABLE[basis].by_consent and granted is not True


def lock_holds(basis: Basis) -> bool:
    """True when a tact lock takes an action of this basis from the machine and gives it to a person."""
    return TABLE[basis].by_lock


def cap_holds(basis: Basis, sent_in_window: int, cap: int) -> bool:
    """True when the customer had `cap` proactive contacts within the cap's days already."""
    return TABLE[basis].by_cap and sent_in_window >= cap


def hours_hold(
    basis: Basis,
    capability: Capability,
    window: ContactWindow | None,
    quiet: QuietHours | None,
    time_zone: str,
    now: datetime,
) -> Hold | None:
    """Until when the hour holds an action back, or None when it may go at `now`.

    At `until` nothing about the hour holds it any more. `time_zone` is the customer's. A window that lies wholly in
    quiet hours cannot be kept and is left out: we disturb nobody at night, and nobody waits for ever.
    """
    now = require_aware(now)
    rule = TABLE[basis].hours
    if rule is Rule.ANY_HOUR or capability not in _REACHES_CUSTOMER:
        return None
    if rule is Rule.NO_DISTURBANCE:
        window = None
        quiet = quiet if capability in _DISTURBS else None
    return _first_free(window, quiet, zone(time_zone), now)


@lru_cache(maxsize=256)  # customers who are armed together are asked for at one instant, and most live alike
def _first_free(window: ContactWindow | None, quiet: QuietHours | None, place: ZoneInfo, now: datetime) -> Hold | None:
    until, reason = now, ""
    for _ in range(_ROUNDS):
        if quiet and (night := quiet.around(until, place)):
            until, reason = night[1], "quiet hours"
        elif window and not window.around(until, place):
            until, reason = window.next_start(until, place), "outside the contact window"
        elif until == now:
            return None
        else:
            return Hold(until, f"{reason} until {until.astimezone(place):%H:%M} ({place.key})")
    return _first_free(None, quiet, place, now)


@dataclass(frozen=True, slots=True)
class ReplyChannel:
    """How a reply goes out. Whether it waits for the morning is for `hours_hold` to say."""

    capability: Capability


@dataclass(frozen=True, slots=True)
class NoChannel:
    """The customer cannot be written to, and why."""

    reason: str


def choose_reply_channel(
    customer: Customer,
    quiet: QuietHours | None,
    now: datetime,
    *,
    default_time_zone: str,
    suppressed: Collection[Capability] = (),
) -> ReplyChannel | NoChannel:
    """The channel of a reply: the preferred one if it is reachable, else mail, else SMS; at night mail if there is any.

    `suppressed` are the channels that must not be used. A customer with only a phone gets their reply in the morning;
    that is a hold, not another channel.
    """
    if customer.erased:
        return NoChannel("the customer was erased")
    on_file = _channels(customer)
    usable = [channel for channel in on_file if channel not in suppressed]
    if not usable:
        return NoChannel("every address on file is suppressed" if on_file else "no address on file")
    preferred = customer.preferred_channel
    chosen = preferred if preferred in usable else usable[0]
    if chosen in _DISTURBS and Capability.MAIL in usable and quiet is not None:
        place = zone(customer.time_zone or default_time_zone)
        if quiet.around(require_aware(now), place):
            chosen = Capability.MAIL
    return ReplyChannel(chosen)


def _channels(customer: Customer) -> list[Capability]:
    """The channels with an address on file, in the order for somebody who stated no preference."""
    mail = [Capability.MAIL] if customer.email else []
    return mail + ([Capability.SMS, Capability.VOICE] if customer.phone else [])
