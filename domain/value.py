"""Value: what a customer and an ending are worth, in one currency, and the tier that follows."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from domain.currencies import decimals_of
from domain.customers import Tier
from domain.entitlements import EntitlementKind, Money


@dataclass(frozen=True, slots=True)
class ValuePolicy:
    """How value is counted."""

    currency: str  # that all values are compared in (ISO 4217)
    rates: Mapping[str, float]  # what one unit of each currency we take is worth in it; its own is 1
    months: int  # purchases and terms of so many months back count for a customer's lifetime value
    tiers: Mapping[Tier, int]  # lifetime value from which a customer is of the tier, in minor units of `currency`
    at_risk: Mapping[EntitlementKind, float]  # share of an entitlement's value that its ending puts at risk

    def __post_init__(self) -> None:
        if self.rates.get(self.currency) != 1:
            raise ValueError(f"rates must say that {self.currency} is 1: it is the currency all values are compared in")
        if any(rate <= 0 for rate in self.rates.values()):
            raise ValueError("a rate is 0 or less")
        if self.months < 1:
            raise ValueError("months must be 1 or more")
        if any(tier not in self.tiers for tier in Tier):
            raise ValueError(f"tiers must say from which lifetime value on each begins: {', '.join(Tier)}")
        if any(kind not in self.at_risk for kind in EntitlementKind):
            raise ValueError(f"at_risk must have a share for each of {', '.join(EntitlementKind)}")
        if not self.tiers[Tier.VIP] > self.tiers[Tier.CORE] > self.tiers[Tier.BASIC]:
            raise ValueError("tiers must fall from vip over core to basic")


PARTS = 10_000_000
"""Amounts are converted in whole numbers: rates as so many parts of 1, and one rounding at the end, halves up. So
Python and both databases come to the same minor unit, whoever counts."""


def in_policy_currency(value: Money, policy: ValuePolicy) -> int:
    """An amount in minor units of the policy's currency. Raises KeyError for a currency without a rate."""
    return whole(value.minor * parts_per_minor_unit(value.currency, policy))


def at_risk(kind: EntitlementKind, value: Money | None, policy: ValuePolicy) -> int:
    """What an ending puts at risk, in minor units of the policy's currency; 0 when no value is known.

    Raises KeyError for a currency without a rate.
    """
    if value is None:
        return 0
    return whole(value.minor * parts_per_minor_unit(value.currency, policy, share=policy.at_risk[kind]))


def parts_per_minor_unit(currency: str, policy: ValuePolicy, *, share: float = 1.0) -> int:
    """What a share of one minor unit of a currency is worth, in parts of a minor unit of the policy's, for `whole`.

    Raises KeyError for a currency without a rate.
    """
    shift = decimals_of(policy.currency) - decimals_of(currency)
    return round(policy.rates[currency] * 10.0**shift * share * PARTS)


def whole(parts: int) -> int:
    """Parts of minor units as minor units, halves up."""
    return (parts + PARTS // 2) // PARTS


def counts_from(today: date, policy: ValuePolicy) -> date:
    """The first day whose purchases and terms count for a lifetime value."""
    year, month = divmod(today.year * 12 + today.month - 1 - policy.months, 12)
    return date(year, month + 1, min(today.day, monthrange(year, month + 1)[1]))
