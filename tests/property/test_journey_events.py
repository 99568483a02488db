"""What customers do, told in any order, twice, and together: one entry, no exit missed, none that came before."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event as classified
from hypothesis import given
from hypothesis import strategies as st
from journey_stage import ANNA, NOON, ONBOARDING, activated, event, publish
from ledger_world import POLICY, check_audit, hasten
from sqlalchemy import select

from data_contracts.events import StandardEvent, read_standard
from services.events import take_events
from services.journeys import Journeys
from services.publishing import publish_templates
from store.database import Database, sqlite_url
from store.ledger.rows import actions, customers, enrolments
from store.tables import metadata
from templates.library import load

behaviour = metadata.tables["behaviour"]
NOW = NOON + timedelta(hours=2)
KINDS: dict[str, dict[str, Any]] = {
    "customer.activated": {},
    "feature.used": {"feature": "setup"},
    "goal.reached": {"goal": "settled-in"},
    "customer.churned": {},
}


@dataclass
class Books:
    """One database with a journey that is live, and a new customer for each story."""

    database: Database
    journeys: Journeys
    numbers: Iterator[int]

    def tell(self, ref: str, together: list[tuple[str, int]]) -> None:
        """Deliver what a customer did so many minutes after noon, all in one transaction."""
        with self.database.write() as connection:
            told = [("standard", _read(ref, *one)) for one in together]
            take_events(connection, told, POLICY, self.journeys, run="t", now=NOW)

    def read(self, ref: str) -> tuple[list[Any], list[Any], list[Any]]:
        """Enrolments, behaviour and actions of a customer."""
        with self.database.read() as connection:
            owner = connection.execute(select(customers.c.id).where(customers.c.ref == ref)).scalar_one()
            return tuple(  # type: ignore[return-value]
                connection.execute(select(table).where(table.c.customer_id == owner)).all()
                for table in (enrolments, behaviour, actions)
            )


def _at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def _read(ref: str, kind: str, minute: int) -> StandardEvent:
    who = {**ANNA, "ref": ref}
    body = activated(customer=who) if kind == "customer.activated" else event(kind, customer=who, **KINDS[kind])
    body["data"]["at"] = _at(minute).isoformat()
    read = read_standard(json.dumps(body).encode())
    assert isinstance(read, StandardEvent)
    return read


@pytest.fixture(scope="module")
def books(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    path = tmp_path_factory.mktemp("books") / "handrail.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = hasten(Database(sqlite_url(path)))
    publish_templates(database, load(), now=NOON)
    publish(database, ONBOARDING)
    yield Books(database, Journeys(), count())
    check_audit(database)
    database.close()


EVENTS = st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 5))
STORIES = st.lists(st.lists(EVENTS, min_size=1, max_size=4), min_size=1, max_size=5)
"""Transactions, one after the other, of what was told together; minutes are when it happened."""


@given(story=STORIES)
def test_whatever_order_it_is_told_in(books: Books, story: list[list[tuple[str, int]]]) -> None:
    ref = f"C-{next(books.numbers)}"
    for together in story:
        books.tell(ref, together)
    told = [one for together in story for one in together]
    entered, did, planned = books.read(ref)

    for kind in KINDS:
        minutes = [minute for what, minute in told if what == kind]
        known = [(row.first_at, row.last_at, row.times) for row in did if row.event == kind]
        assert known == ([(_at(min(minutes)), _at(max(minutes)), len(minutes))] if minutes else []), kind

    begun = [minute for what, minute in told if what == "customer.activated"]
    assert len(entered) == (1 if begun else 0)
    if not begun:
        assert not planned
        return
    (one,) = entered
    assert one.entered_at == _at(begun[0]), "the first that was told"
    ends = {what for what, minute in told if what in {"goal.reached", "customer.churned"} and minute >= begun[0]}
    classified(f"{one.state} after {', '.join(sorted(ends)) or 'nothing'}")
    assert (one.state == "active") == (not ends), "an exit that happened since they entered ends it, no other does"
    assert one.state != "goal" or "goal.reached" in ends
    assert one.state != "left" or "customer.churned" in ends
    assert [row.key for row in planned] == ([f"journey/onboarding/{ref}/1/thanks"] if one.state == "goal" else [])
    if "customer.churned" in ends:
        assert {row.state for row in planned} <= {"cancelled"}, "nobody thanks whoever has left us"
    if one.state == "active":
        assert (one.step, one.due_at) == ("welcome", one.entered_at)
