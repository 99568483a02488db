"""Entitlements: what a customer has that ends, and the names of one ending."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from urllib.parse import unquote

from domain.actions import key


class EntitlementKind(StrEnum):
    """What ends."""

    SUBSCRIPTION = "subscription"
    POLICY = "policy"  # an insurance policy
    SUPPLY = "supply"  # purchased stock that runs out, by an estimate


class Standing(StrEnum):
    """Where an entitlement stands. One that was renewed is active, with a later end."""

    ACTIVE = "active"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents, grosze) of one currency (ISO 4217)."""

    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Something that ends. `ends_on` is the last day it is good for, on the calendar of `time_zone`.

    A supply ends when it is used up: `ends_on` is then the likeliest day, between `earliest_on` and `latest_on`.
    """

    ref: str
    customer_ref: str
    kind: EntitlementKind
    product: str
    ends_on: date
    time_zone: str
    occurrence: str
    """Names this ending in keys: its day; of a supply the purchase it follows, since estimates move."""
    standing: Standing = Standing.ACTIVE
    auto_renews: bool = False
    value: Money | None = None  # of one term: a year's premium, a month's fee, a purchase; None: not known
    earliest_on: date | None = None
    latest_on: date | None = None


def occurrence_of(ends_on: date) -> str:
    """The name of the ending of a subscription or policy."""
    return ends_on.isoformat()


def occurrence_after(bought_on: date) -> str:
    """The name of the ending of a supply: the purchase it follows."""
    return f"after-{bought_on.isoformat()}"


def expiry_key(entitlement_ref: str, occurrence: str, *what: str | int) -> str:
    """The key of what is done about one ending: `expiry/<entitlement ref>/<occurrence>/task`."""
    return key("expiry", entitlement_ref, occurrence, *what)


def named_by(expiry: str) -> tuple[str, str]:
    """The entitlement's ref and the occurrence that a key of `expiry_key` names. Raises ValueError for another key.

    >>> named_by("expiry/E-1/2026-03-18/task/14")
    ('E-1', '2026-03-18')
    """
    family, *parts = [unquote(part) for part in expiry.split("/")]
    if family != "expiry" or len(parts) < 2:
        raise ValueError(f"{expiry!r} is no key of an ending")
    return parts[0], parts[1]
