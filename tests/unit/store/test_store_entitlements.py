"""Entitlements as they are written down: once, only where they are new, with what actions rest on in their version."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from ledger_world import NOON, POLICY, World
from sqlalchemy import Row, select

from domain.entitlements import Entitlement, EntitlementKind, Money, Standing
from domain.gates import DataSet
from store import customers as people
from store.database import Database
from store.entitlements import Owned, Saved, entitlements, save
from store.gates import event_gate

LATER = NOON + timedelta(hours=1)

HOUSEHOLD = Entitlement(
    ref="P/1",
    customer_ref="C-1",
    kind=EntitlementKind.POLICY,
    product="household",
    ends_on=date(2026, 4, 1),
    time_zone="Europe/Warsaw",
    occurrence="2026-04-01",
    value=Money(40_000, "PLN"),
)


def say(world: World, *told: Entitlement, customer_id: int, now: Any = NOON, since: datetime | None = None) -> Saved:
    with world.database.write() as connection:
        gate = event_gate(connection, DataSet.ENTITLEMENTS, "standard", now=now, run="test")
        owned = [Owned(customer_id, one, since) for one in told]
        return save(connection, owned, gate_id=gate, policy=POLICY, now=now)


def row(database: Database, ref: str = "P/1") -> Row[Any]:
    with database.read() as connection:
        return connection.execute(select(entitlements).where(entitlements.c.ref == ref)).one()


def test_a_new_one_is_written_with_its_key_and_what_its_ending_puts_at_risk(world: World) -> None:
    assert say(world, HOUSEHOLD, customer_id=world.customer()) == Saved(created=1)
    made = row(world.database)
    assert (made.key_part, made.version, made.changed_at) == ("P%2F1", 1, NOON)
    assert made.at_risk_minor == 10_000  # 400.00 PLN at 0.25, in euro cents


def test_the_same_again_is_not_touched(world: World) -> None:
    customer = world.customer()
    say(world, HOUSEHOLD, customer_id=customer)
    before = row(world.database)
    assert say(world, HOUSEHOLD, customer_id=customer, now=LATER) == Saved(unchanged=1)
    assert row(world.database) == before


def test_a_later_end_keeps_the_former_one(world: World) -> None:
    customer = world.customer()
    say(world, HOUSEHOLD, customer_id=customer)
    renewed = replace(HOUSEHOLD, ends_on=date(2027, 4, 1), occurrence="2027-04-01")
    assert say(world, renewed, customer_id=customer, now=LATER) == Saved(changed=1)
    now = row(world.database)
    assert (now.ends_on, now.renewed_from, now.version) == (date(2027, 4, 1), date(2026, 4, 1), 2)
    assert now.changed_at == now.updated_at == LATER


@pytest.mark.parametrize(
    "change",
    [
        {"kind": EntitlementKind.SUBSCRIPTION},
        {"product": "car"},
        {"standing": Standing.CANCELLED},
        {"auto_renews": True},
        {"ends_on": date(2026, 3, 20)},
        {"time_zone": "Europe/Prague"},
        {"occurrence": "after-2026-01-01"},
        {"value": None},
        {"value": Money(40_000, "EUR")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_actions_rest_on_raises_the_version(world: World, change: dict[str, Any]) -> None:
    customer = world.customer()
    say(world, HOUSEHOLD, customer_id=customer)
    assert say(world, replace(HOUSEHOLD, **change), customer_id=customer, now=LATER) == Saved(changed=1)
    now = row(world.database)
    assert (now.version, now.changed_at, now.renewed_from) == (2, LATER, None)


def test_another_customer_raises_the_version(world: World) -> None:
    say(world, HOUSEHOLD, customer_id=world.customer())
    assert say(world, HOUSEHOLD, customer_id=world.customer("C-2"), now=LATER) == Saved(changed=1)
    assert row(world.database).version == 2


def test_the_bounds_of_an_estimate_do_not(world: World) -> None:
    customer = world.customer()
    say(world, HOUSEHOLD, customer_id=customer)
    moved = replace(HOUSEHOLD, earliest_on=date(2026, 3, 28), latest_on=date(2026, 4, 4))
    assert say(world, moved, customer_id=customer, now=LATER) == Saved(changed=1)
    now = row(world.database)
    assert (now.version, now.changed_at, now.updated_at) == (1, NOON, LATER)
    assert (now.earliest_on, now.latest_on) == (date(2026, 3, 28), date(2026, 4, 4))


def test_a_page_of_several_is_counted_by_what_became_of_each(world: World) -> None:
    customer = world.customer()
    say(world, HOUSEHOLD, replace(HOUSEHOLD, ref="P/2"), customer_id=customer)
    told = [HOUSEHOLD, replace(HOUSEHOLD, ref="P/2", product="car"), replace(HOUSEHOLD, ref="P/3")]
    assert say(world, *told, customer_id=customer, now=LATER) == Saved(created=1, changed=1, unchanged=1)


def test_what_is_older_than_what_is_known_changes_nothing(world: World) -> None:
    customer = world.customer()
    renewed = replace(HOUSEHOLD, ends_on=date(2027, 4, 1), occurrence="2027-04-01")
    say(world, renewed, customer_id=customer, since=NOON)
    before = row(world.database)
    assert before.told_at == NOON
    earlier = NOON - timedelta(hours=6)
    told = [HOUSEHOLD, replace(HOUSEHOLD, ref="P/2")]
    assert say(world, *told, customer_id=customer, now=LATER, since=earlier) == Saved(created=1, outdated=1)
    assert say(world, renewed, customer_id=customer, now=LATER, since=earlier) == Saved(unchanged=1)
    assert row(world.database) == before
    assert say(world, HOUSEHOLD, customer_id=customer, now=LATER, since=LATER) == Saved(changed=1)
    assert (row(world.database).ends_on, row(world.database).told_at) == (HOUSEHOLD.ends_on, LATER)


def test_what_is_said_again_later_is_known_since_then_and_nobody_looks_again(world: World) -> None:
    customer = world.customer()
    say(world, HOUSEHOLD, customer_id=customer)
    before = row(world.database)
    assert before.told_at is None
    assert say(world, HOUSEHOLD, customer_id=customer, now=LATER, since=LATER) == Saved(unchanged=1)
    assert row(world.database)._asdict() == {**before._asdict(), "told_at": LATER}
    between = replace(HOUSEHOLD, product="car")
    assert say(world, between, customer_id=customer, now=LATER, since=NOON) == Saved(outdated=1)


def test_who_does_not_say_since_when_is_believed_and_the_time_that_is_known_stays(world: World) -> None:
    customer = world.customer()
    say(world, HOUSEHOLD, customer_id=customer, since=NOON)
    assert say(world, replace(HOUSEHOLD, product="car"), customer_id=customer, now=LATER) == Saved(changed=1)
    assert (row(world.database).product, row(world.database).told_at) == ("car", NOON)


def test_a_value_without_a_rate_is_refused_before_anything_is_written(world: World) -> None:
    with pytest.raises(KeyError):
        say(world, HOUSEHOLD, replace(HOUSEHOLD, ref="P/2", value=Money(1, "USD")), customer_id=world.customer())
    with world.database.read() as connection:
        assert not connection.execute(select(entitlements.c.id)).all()


def test_who_holds_a_customer_does_not_stop_others_from_writing_what_belongs_to_them(world: World) -> None:
    """An event holds the customer and waits for the entitlement; an import the other way round would be a deadlock."""
    if world.database.is_sqlite:
        pytest.skip("one writer at a time: nobody can wait in a circle")
    customer = world.customer()
    say(world, HOUSEHOLD, customer_id=customer)
    with world.database.write() as event:
        assert people.all_locked(event, ["C-1"])
        with world.database.write() as batch:
            batch.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            owned = [Owned(customer, replace(HOUSEHOLD, ref="P/2"))]
            gate = event_gate(batch, DataSet.ENTITLEMENTS, "import", now=NOON, run="test")
            assert save(batch, owned, gate_id=gate, policy=POLICY, now=NOON) == Saved(created=1)
