"""Customers: what we know of a person we serve, and how an event may add to it."""

from collections.abc import Collection
from dataclasses import replace
from enum import StrEnum

from domain.actions import Capability
from domain.hours import ContactWindow
from domain.light import light


class Tier(StrEnum):
    """How much of our time a customer may count on, by lifetime value."""

    VIP = "vip"
    CORE = "core"
    BASIC = "basic"


class Purpose(StrEnum):
    """What a customer may allow us to write of our own accord, each on each channel."""

    ONBOARDING = "onboarding"  # first steps with what they bought
    REMINDERS = "reminders"  # something of theirs is about to end
    FEEDBACK = "feedback"  # asking how a solved case went
    MARKETING = "marketing"  # anything we would like to sell


@light(frozen=True, slots=True)
class Customer:
    """A person we serve, known by `ref` alone: phones and addresses may be shared. None means: we do not know."""

    ref: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None  # E.164
    language: str | None = None  # a primary tag ("pl") or a full one ("pl-PL")
    time_zone: str | None = None  # IANA
    tier: Tier = Tier.BASIC
    preferred_channel: Capability | None = None  # mail, sms, voice or push
    window: ContactWindow | None = None
    dedicated_agent: str | None = None
    tact_lock: str | None = None  # why all proactive contact is silent; None: it is not
    erased: bool = False
    device: str | None = None  # where notifications are pushed to, as the vendor names it

    @property
    def is_reachable(self) -> bool:
        """True when there is an address of any kind."""
        return bool(self.email or self.phone or self.device)


def fill_blanks(on_file: Customer, event: Customer) -> Customer:
    """What we know after an event: its facts fill blanks, what is on file wins, an erased customer stays blank.

    Only who they are and how to reach them is taken over. Raises ValueError when the two are not the same customer.
    """
    if on_file.ref != event.ref:
        raise ValueError("an event can only fill the blanks of its own customer")
    if on_file.erased:
        return on_file
    return replace(
        on_file,
        name=on_file.name or event.name,
        email=on_file.email or event.email,
        phone=on_file.phone or event.phone,
        device=on_file.device or event.device,
        language=on_file.language or event.language,
        time_zone=on_file.time_zone or event.time_zone,
    )


def primary_language(tag: str) -> str:
    """The primary part of a language tag: "pl-PL" and "pl_pl" are "pl"."""
    return tag.replace("_", "-").split("-", 1)[0].strip().lower()


def choose_language(*tags: str | None, supported: Collection[str], default: str) -> str:
    """The first of `tags` we can write in, or `default`.

    >>> choose_language(None, "de-AT", "cs-CZ", supported=["pl", "cs", "en"], default="pl")
    'cs'
    """
    return next((language for tag in tags if tag and (language := primary_language(tag)) in supported), default)
