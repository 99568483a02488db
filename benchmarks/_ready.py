"""A ledger full of messages that are ready: customers, what they allowed, and one reminder each, all by set."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    String,
    bindparam,
    case,
    cast,
    insert,
    literal,
    literal_column,
    select,
)

from domain.actions import Basis, Capability, Kind, State
from integrations.ports import Mail
from services.publishing import publish_templates
from store.database import Database
from store.ledger.rows import actions, consents, customers, evidence
from store.migrate import upgrade
from templates.library import Template, load
from templates.renderer import render

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
"""A Wednesday, noon in Warsaw: nobody sleeps. The workers' clock stands still there."""

LANGUAGES = ("pl", "cs", "en")
WORDING = "acknowledgement"
PURPOSE = "reminders"
_MARK = "<number>"
_CHUNK = 50_000


def prepare(database: Database) -> None:
    """The schema and the published wordings."""
    upgrade(database)
    publish_templates(database, load(), now=NOON)


def fill(database: Database, name: str, first: int, last: int) -> None:
    """Customers `first`…`last` of a run, each with one proactive mail that is ready, in transactions of 50,000."""
    for begin in range(first, last + 1, _CHUNK):
        with database.write("fill") as connection:
            _fill(connection, name, begin, min(begin + _CHUNK - 1, last))
    if not database.is_sqlite:  # what autovacuum does some minutes later
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")


def params(number: str, language: str) -> dict[str, Any]:
    """What the wording is filled with."""
    return {
        "name": "Anna Nowak",
        "answer_by": "2026-03-04T14:30:00Z",
        "time_zone": "Europe/Warsaw",
        "received_at": "2026-03-04T10:59:00Z",
        "survey": "nps",
        "human": {"phone": "+48 22 000 00 00", "mail": "care@example.com", "hours": "8:00-18:00"},
        "company": "Example",
        "reference": f"case {number}",
        "language": language,
    }


def message(template: Template, number: str) -> Mail:
    """The same message as the dispatcher makes it, to the customer of that number."""
    words = render(template, Capability.MAIL, params(number, template.language))
    return Mail(
        customer_ref=number,
        to=f"{number}@example.com",
        subject=words.subject,
        text=words.text,
        html=words.html,
        language=template.language,
        template=template.name,
        headers={"Auto-Submitted": "auto-generated"},
    )


def _fill(connection: Connection, name: str, begin: int, end: int) -> None:
    numbers = select(bindparam("begin", begin).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < end))
    number = cast(numbers.c.n, String)
    language = case(*((numbers.c.n % 3 == i, literal(tag)) for i, tag in enumerate(LANGUAGES)))
    people: dict[str, Any] = {
        "id": numbers.c.n,
        "ref": literal(f"{name}-") + number,
        "name": literal("Anna Nowak"),
        "email": literal(f"{name}-") + number + "@example.com",
        "language": language,
        "time_zone": literal("Europe/Warsaw"),
        "tier": literal("core"),
        "version": literal_column("1"),
        "touched": literal_column("0"),
        "created_at": bindparam("at", NOON, customers.c.created_at.type),
        "updated_at": bindparam("at", NOON, customers.c.created_at.type),
    }
    connection.execute(insert(customers).from_select(list(people), select(*people.values())))
    ours = customers.c.id.between(begin, end)
    allowed = (customers.c.id, literal(PURPOSE), literal("mail"), literal(True), customers.c.created_at)
    connection.execute(
        insert(consents).from_select(
            ["customer_id", "purpose", "channel", "granted", "at"], select(*allowed).where(ours)
        )
    )
    messages: dict[str, Any] = {
        "id": customers.c.id,
        "key": literal("reminder/") + customers.c.ref,
        "kind": literal(Kind.MESSAGE.value),
        "basis": literal(Basis.PROACTIVE.value),
        "capability": literal(Capability.MAIL.value),
        "purpose": literal(PURPOSE),
        "customer_id": customers.c.id,
        "state": literal(State.READY.value),
        "lane": literal("normal"),
        "urgent": literal(False),
        "payload": _payload(connection.dialect.name),
        "payload_hash": literal("0" * 64),  # only reviews compare it
        "revision": literal_column("1"),
        "due_at": customers.c.created_at,
        **dict.fromkeys(("fence", "attempts", "resends", "lookups", "deaths_alone"), literal_column("0")),
        "planned_by": literal("bench"),
        "created_at": customers.c.created_at,
        "updated_at": customers.c.created_at,
        "updated_by": literal("bench"),
    }
    connection.execute(insert(actions).from_select(list(messages), select(*messages.values()).where(ours)))
    bound = (customers.c.id, literal("customer"), customers.c.id, customers.c.version)
    connection.execute(
        insert(evidence).from_select(["action_id", "fact", "subject_id", "version"], select(*bound).where(ours))
    )


def _payload(dialect: str) -> ColumnElement[Any]:
    """The payload's JSON, put together in the database."""
    hashes = {template.language: template.hash for template in load() if template.name == WORDING}
    written: list[tuple[ColumnElement[bool], ColumnElement[str]]] = []
    for language in LANGUAGES:
        content = {
            "schema": "message/1",
            "template": WORDING,
            "template_hash": hashes[language],
            "params": params(_MARK, language),
        }
        before, after = json.dumps(content, ensure_ascii=False).split(_MARK)
        written.append((customers.c.language == language, literal(before) + customers.c.ref + literal(after)))
    text = case(*written)
    return text if dialect == "sqlite" else cast(text, JSON)
