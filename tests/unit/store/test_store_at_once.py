"""Rows read at one stroke are the rows, on both databases."""

from datetime import date, datetime

from ledger_world import NOON
from sqlalchemy import Date, Select, bindparam, insert, select, update

from store.at_once import AtOnce, Together
from store.database import Database
from store.ledger.rows import controls, integration_state
from store.types import among

_STOPS = [{"name": 'ąž "quoted" \\ \u2028 \x01', "n": 2**53 - 1, "none": None, "deep": [{"a": [True, []]}]}]
_STATES: Select[tuple[str, str | None, datetime, datetime | None, int, bool | None]] = (
    select(
        integration_state.c.name,
        integration_state.c.reason,
        integration_state.c.since,
        integration_state.c.not_before,
        integration_state.c.failures,
        integration_state.c.ok,
    )
    .where(among(integration_state.c.name, "names"), integration_state.c.capability == bindparam("of"))
    .order_by(integration_state.c.name.desc())
)


def test_values_come_as_their_columns_have_them(database: Database) -> None:
    statement = select(controls.c.id, controls.c.stopped, controls.c.stops, controls.c.at, controls.c.reason)
    with database.write() as connection:
        connection.execute(update(controls).values(stopped=True, stops=_STOPS, at=NOON, reason=_STOPS[0]["name"]))
        (row,) = AtOnce(statement).rows(connection, {})
        assert tuple(row) == tuple(connection.execute(statement).one())
    assert row[1] is True
    assert row[2] == _STOPS


def test_rows_come_in_order_and_only_those_that_are_asked_for(database: Database) -> None:
    def state(name: str, **more: object) -> dict[str, object]:
        usual = {"reason": None, "not_before": None, "ok": None, "failures": 0}
        return {"name": name, "capability": "mail", "vendor": "v", "since": NOON, **usual, **more}

    with database.write() as connection:
        kept = [state("a", ok=False, not_before=NOON), state("b", ok=True, reason="it said ť"), state("c", failures=3)]
        connection.execute(insert(integration_state), kept)
        asked = {"names": ["a", "b", "c", "nobody"], "of": "mail"}
        rows = [tuple(row) for row in AtOnce(_STATES).rows(connection, asked)]
        assert rows == [tuple(row) for row in connection.execute(_STATES, asked)]
        assert [row[0] for row in rows] == ["c", "b", "a"]
        assert [row[5] for row in rows] == [None, True, False]
        assert not AtOnce(_STATES).rows(connection, {"names": [], "of": "mail"})


def test_several_together_are_each_what_it_is_by_itself(database: Database) -> None:
    day = select(bindparam("day", type_=Date).label("day"), bindparam("none", None, type_=Date).label("none"))
    switch = select(controls.c.id, controls.c.stopped).where(controls.c.id == bindparam("id"))
    nobody = select(controls.c.id).where(controls.c.id == -1)
    with database.write() as connection:
        asked = {"day": date(2026, 2, 28), "id": 1}
        days, switches, none = Together(AtOnce(day), AtOnce(switch), AtOnce(nobody)).named(connection, asked)
    assert [(row.day, row.none) for row in days] == [(date(2026, 2, 28), None)]
    assert [(row.id, row.stopped) for row in switches] == [(1, False)]
    assert none == []
