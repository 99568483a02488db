"""Events about entitlements: what is known of each, since when by its source, and what waits to be done on it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.actions import UNSENT, State
from domain.events import Told
from store.endings import as_entitlement
from store.ledger.rows import actions, customers, entitlements, evidence
from store.types import among

_STANDING = (
    select(entitlements, customers.c.ref.label("customer_ref"))
    .join(customers, customers.c.id == entitlements.c.customer_id)
    .where(among(entitlements.c.ref, "refs"))
    .order_by(entitlements.c.id)
    .with_for_update(of=entitlements, key_share=True)
)
_RESTING = (
    select(actions.c.key)
    .join(evidence, evidence.c.action_id == actions.c.id)
    .join(entitlements, entitlements.c.id == actions.c.entitlement_id)
    .where(
        among(entitlements.c.ref, "refs"),
        evidence.c.fact == "entitlement",
        evidence.c.subject_id == entitlements.c.id,
        evidence.c.version != entitlements.c.version,
        actions.c.state.in_(sorted(UNSENT - {State.PLANNED})),
    )
    .order_by(actions.c.id)
)


def standing(connection: Connection, refs: Sequence[str]) -> dict[str, Told | None]:
    """What is known of each, held until the transaction ends; None: known, but from imports that did not say when."""
    return {row.ref: _told(row) for row in connection.execute(_STANDING, {"refs": list(refs)})}


def resting_on(connection: Connection, refs: Sequence[str]) -> list[str]:
    """The keys of unsent actions that were planned on these entitlements as they are no more."""
    return list(connection.execute(_RESTING, {"refs": list(refs)}).scalars())


def _told(row: Row[Any]) -> Told | None:
    return None if row.told_at is None else Told(as_entitlement(row), row.told_at)
