"""What is known of each integration: its breaker, its rate, its last check."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, delete, func, literal, select, update

from domain.actions import State
from domain.breaker import Breaker, BreakerRules
from store.database import Database
from store.ledger.rows import actions, integration_state
from store.once import insert_once
from store.types import Instant

_TROUBLE = select(integration_state.c.failures, integration_state.c.openings).where(
    integration_state.c.name == bindparam("called")
)

_REGISTER = insert_once(integration_state, "name")
_FRESH = {"breaker": "closed", "failures": 0, "openings": 0}


def register(connection: Connection, name: str, capability: str, vendor: str, *, now: datetime) -> None:
    """Make sure an integration has its row. Who served the capability before is forgotten, with its breaker."""
    connection.execute(
        delete(integration_state).where(integration_state.c.capability == capability, integration_state.c.name != name)
    )
    new = {"name": name, "capability": capability, "vendor": vendor, "since": now, **_FRESH}
    connection.execute(_REGISTER, new)  # two processes that start together both find none


def states(connection: Connection) -> list[Row[Any]]:
    """Every integration, by name."""
    return list(connection.execute(select(integration_state).order_by(integration_state.c.name)))


def waiting(connection: Connection) -> dict[str, int]:
    """How many actions of each capability are ready or under way."""
    counted = (
        select(actions.c.capability, func.count())
        .where(actions.c.state.in_([State.READY, State.CLAIMED, State.SENDING, State.UNCERTAIN]))
        .group_by(actions.c.capability)
    )
    return {capability: count for capability, count in connection.execute(counted)}


def is_untroubled(connection: Connection, name: str) -> bool:
    """True when the breaker has nothing to forget: sends that went well need not be noted."""
    standing = connection.execute(_TROUBLE, {"called": name}).first()
    return standing is None or not any(standing)


def note_sends(
    database: Database,
    name: str,
    *,
    successes: int,
    failures: int,
    reason: str,
    refused_credentials: str | None,
    retry_after: float | None,
    rules: BreakerRules,
    now: datetime,
) -> None:
    """Tell the breaker what a window's sends came to. Costs one read when all is well."""
    if not failures and refused_credentials is None and retry_after is None:
        with database.read() as connection:
            if is_untroubled(connection, name):
                return
    with database.write("note-sends") as connection:
        before = _locked(connection, name)
        after = before.after_sends(successes=successes, failures=failures, reason=reason, now=now, rules=rules)
        if refused_credentials is not None:
            after = after.opened(refused_credentials, now=now, rules=rules)
        values = _columns(after)
        if retry_after is not None:  # an answer that overtook another never shortens its wait
            wait = literal(now + timedelta(seconds=retry_after), Instant())
            longer = integration_state.c.not_before > wait
            values["not_before"] = case((longer, integration_state.c.not_before), else_=wait)
        connection.execute(update(integration_state).where(integration_state.c.name == name).values(**values))


def note_check(
    database: Database, name: str, *, ok: bool, latency_ms: int, problem: str, rules: BreakerRules, now: datetime
) -> tuple[Breaker, Breaker]:
    """Write down a check; the breaker before and after it. A closed one lets waiting urgent work go at once."""
    with database.write("note-check") as connection:
        before = _locked(connection, name)
        after = before.after_probe(ok=ok, reason=problem, now=now, rules=rules)
        connection.execute(
            update(integration_state)
            .where(integration_state.c.name == name)
            .values(**_columns(after), ok=ok, latency_ms=latency_ms, problem=problem or None, checked_at=now)
        )
        return before, after


def open_breakers_due(connection: Connection, now: datetime) -> list[str]:
    """Integrations whose breaker is open and whose next probe is due."""
    due = select(integration_state.c.name).where(
        integration_state.c.breaker == "open",
        (integration_state.c.next_probe_at.is_(None)) | (integration_state.c.next_probe_at <= now),
    )
    return list(connection.execute(due).scalars())


def _locked(connection: Connection, name: str) -> Breaker:
    row = connection.execute(select(integration_state).where(integration_state.c.name == name).with_for_update()).one()
    return Breaker(
        is_open=row.breaker == "open",
        since=row.since,
        failures=row.failures,
        openings=row.openings,
        reason=row.reason,
        next_probe_at=row.next_probe_at,
    )


def _columns(breaker: Breaker) -> dict[str, Any]:
    return {
        "breaker": "open" if breaker.is_open else "closed",
        "since": breaker.since,
        "failures": breaker.failures,
        "openings": breaker.openings,
        "reason": breaker.reason,
        "next_probe_at": breaker.next_probe_at,
    }
