"""Customers and their entitlements, one in a hundred about to end, all by set; and the same plan in bare SQL."""

from datetime import date, timedelta
from typing import Any

from _filling import NOON, ZONES, at, one_of, run_each, without_indexes
from _filling import fill as fill_table
from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
)

from domain.actions import Basis, Capability, Kind, State
from domain.planning import Payload
from services.publishing import publish_templates
from store.canonical import payload_hash
from store.database import Database
from store.ledger.endings import key_of
from store.ledger.rows import actions, audit, consents, customers, entitlements, evidence, gates
from store.migrate import upgrade
from store.tables import metadata
from templates.library import load

TODAY = NOON.date()
DUE = {"subscription": (0, 30), "policy": (0, 45), "supply": (0, 7)}
"""Days from today in which endings of a kind have reached a horizon of `deployments/policy.yaml`."""


def fill(database: Database, rows: int) -> None:
    """A migrated database with `rows` entitlements of a fifth as many customers."""
    upgrade(database)
    publish_templates(database, load(), now=NOON)
    with database.write("fill") as connection:
        connection.execute(insert(gates).values(_gate()))
    indexes = without_indexes(database, "customers", "entitlements")
    people = rows // 5
    fill_table(database, customers, people, _customer)
    fill_table(database, consents, people, _consent)
    fill_table(database, entitlements, rows, lambda number, is_sqlite: _entitlement(number, people, is_sqlite))
    run_each(database, *indexes, "ANALYZE" if database.is_sqlite else "VACUUM ANALYZE")


def empty(database: Database) -> None:
    """Take out everything that was planned, as if nobody had looked yet."""
    if database.is_sqlite:  # which would look through all actions for those that wait for each it deletes
        tables = (evidence, audit, metadata.tables["detection_marks"], actions)
        run_each(database, "PRAGMA foreign_keys = OFF", *(str(delete(table)) for table in tables))
    else:
        run_each(database, "TRUNCATE actions, evidence, audit, detection_marks CASCADE")
    settle(database)


def forget(database: Database) -> None:
    """As if nobody had looked yet; what was planned stays."""
    with database.write("forget") as connection:
        connection.execute(delete(metadata.tables["detection_marks"]))


def settle(database: Database) -> None:
    """What a database does by itself some time after much was written."""
    after = ("PRAGMA wal_checkpoint(TRUNCATE)",)
    run_each(database, *(after if database.is_sqlite else ("VACUUM ANALYZE actions, evidence, audit", "CHECKPOINT")))


def bare_plan(connection: Connection) -> int:
    """The same rows as one would write them by hand: actions, evidence, and (by trigger) audit; how many actions."""
    payload = Payload("expiry-task/1", {"horizon": 30, "priority": "normal", "confidentiality": "personal"}).as_json()
    values: dict[str, ColumnElement[Any]] = {
        "key": key_of(entitlements, "task"),
        "kind": literal(Kind.TASK.value),
        "basis": literal(Basis.INTERNAL.value),
        "capability": literal(Capability.CRM.value),
        "customer_id": entitlements.c.customer_id,
        "entitlement_id": entitlements.c.id,
        "gate_id": entitlements.c.gate_id,
        "state": literal(State.READY.value),
        "lane": literal("normal"),
        "urgent": false(),
        "payload": bindparam("payload", payload, type_=actions.c.payload.type),
        "payload_hash": literal(payload_hash(payload)),
        "revision": literal_column("1"),
        "due_at": at(NOON),
        **dict.fromkeys(("fence", "attempts", "resends", "lookups", "deaths_alone"), literal_column("0")),
        "planned_by": literal("bare"),
        "created_at": at(NOON),
        "updated_at": at(NOON),
        "updated_by": literal("bare"),
    }
    made = insert(actions).from_select(list(values), select(*values.values()).where(_due()))
    count = connection.execute(made.execution_options(preserve_rowcount=True)).rowcount
    bound = select(
        actions.c.id, literal("entitlement"), actions.c.entitlement_id, entitlements.c.version
    ).join_from(actions, entitlements, entitlements.c.id == actions.c.entitlement_id)  # fmt: skip
    connection.execute(insert(evidence).from_select(["action_id", "fact", "subject_id", "version"], bound))
    return count


def bare_look(connection: Connection) -> int:
    """How many endings have no task yet, as one would ask by hand."""
    planned = exists(select(literal(1)).where(actions.c.key == key_of(entitlements, "task")))
    asked: Select[Any] = select(func.count()).select_from(entitlements).where(_due(), ~planned)
    return int(connection.execute(asked).scalar_one())


def _due() -> ColumnElement[bool]:
    return and_(
        entitlements.c.state == "active",
        entitlements.c.auto_renews.is_(False),
        or_(
            *(
                and_(
                    entitlements.c.kind == kind,
                    entitlements.c.ends_on.between(TODAY + timedelta(days=first), TODAY + timedelta(days=last)),
                )
                for kind, (first, last) in DUE.items()
            )
        ),
    )


def _gate() -> dict[str, Any]:
    words = {"data_set": "entitlements", "feed": "bench", "batch": "b", "origin": "bench", "verdict": "pass"}
    rest = {"rows": 1, "broken": 0, "findings": [], "measures": {}, "run": "bench", "is_events": False}
    return {"id": 1, **words, **rest, "decided_at": NOON - timedelta(hours=1)}


def _customer(number: ColumnElement[int], _is_sqlite: bool) -> dict[str, ColumnElement[Any]]:
    return {
        "id": number,
        "ref": literal("C-") + cast(number, String),
        "name": literal("Anna Nowak"),
        "email": literal("c") + cast(number, String) + "@example.com",
        "phone": literal("+4860") + cast(number, String),
        "time_zone": one_of(number, *ZONES),
        "tier": one_of(number, "basic", "core", "basic", "vip"),
        "is_ltv_stated": false(),
        "is_tier_stated": false(),
        "version": literal_column("1"),
        "touched": literal_column("0"),
        "created_at": at(NOON - timedelta(days=400)),
        "updated_at": at(NOON - timedelta(days=400)),
    }


def _consent(number: ColumnElement[int], _is_sqlite: bool) -> dict[str, ColumnElement[Any]]:
    return {
        "customer_id": number,
        "purpose": literal("reminders"),
        "channel": literal("voice"),
        "granted": true(),
        "at": at(NOON - timedelta(days=400)),
    }


def _entitlement(number: ColumnElement[int], people: int, is_sqlite: bool) -> dict[str, ColumnElement[Any]]:
    kind = one_of(number // 100 + number, *DUE)
    within = case(*((kind == word, literal_column(str(last + 1))) for word, (_, last) in DUE.items()), else_=1)
    ahead = case((number % 100 == 0, (number // 100) % within), else_=60 + (number * 7919) % 1000)
    ends_on = _day_after(ahead, is_sqlite)
    return {
        "id": number,
        "ref": literal("E-") + cast(number, String),
        "key_part": literal("E-") + cast(number, String),
        "customer_id": (number * 7) % people + 1,
        "kind": kind,
        "product": literal("Box"),
        "state": literal("active"),
        "auto_renews": false(),
        "ends_on": ends_on,
        "latest_on": case((kind == "supply", ends_on)),
        "time_zone": one_of((number * 7) % people + 1, *ZONES),
        "occurrence": cast(ends_on, String),
        "at_risk_minor": 1_000 + (number * 31) % 90_000,
        "gate_id": literal_column("1"),
        "version": literal_column("1"),
        "changed_at": at(NOON - timedelta(days=2)),
        "created_at": at(NOON - timedelta(days=2)),
        "updated_at": at(NOON - timedelta(days=2)),
    }


def _day_after(days: ColumnElement[int], is_sqlite: bool) -> ColumnElement[date]:
    if is_sqlite:
        return func.date(literal(TODAY.isoformat()), cast(days, String) + literal(" days"), type_=Date())
    return literal_column(f"DATE '{TODAY}'", Date()) + cast(days, Integer)
