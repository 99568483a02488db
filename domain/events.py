"""Events about entitlements: they come late, twice and in any order, and must come to the same in the end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.entitlements import Entitlement, Standing


@dataclass(frozen=True, slots=True)
class Told:
    """How an entitlement stands by its source, and since when."""

    entitlement: Entitlement
    changed_at: datetime


def is_news(told: Told, known: Told | None) -> bool:
    """True when `told` is to be believed over what is known: it is later.

    Of two different tellings of one instant one wins by what it says (cancelled over active, then the later end, …),
    whichever came first: so every order of arrival comes to the same.
    """
    return known is None or _rank(told) > _rank(known)


def _rank(told: Told) -> tuple[Any, ...]:
    it = told.entitlement
    value = (-1, "") if it.value is None else (it.value.minor, it.value.currency)
    return (
        told.changed_at,
        it.standing is Standing.CANCELLED,
        it.ends_on,
        it.auto_renews,
        value,
        it.kind,
        it.product,
        it.time_zone,
        it.customer_ref,
    )
