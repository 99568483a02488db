"""Customers: created once, blanks filled, facts versioned, silenced under a lock that arming shares."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import time
from itertools import permutations
from threading import Barrier

import pytest
from ledger_world import NOON, World, later
from sqlalchemy import Connection

from domain.actions import Capability
from domain.customers import Customer, Tier
from domain.hours import ContactWindow
from store import customers as people

ANNA = Customer(
    "C-1",
    name="Anna Żółć",
    email="anna@example.com",
    phone="+48600000001",
    language="pl-PL",
    time_zone="Europe/Warsaw",
    tier=Tier.VIP,
    preferred_channel=Capability.SMS,
    window=ContactWindow(time(9, 30), time(17)),
    dedicated_agent="bert",
)


def _create(world: World, customer: Customer = ANNA) -> int:
    with world.database.write() as connection:
        return people.create(connection, customer, now=NOON)


def _read(world: World, ref: str = "C-1") -> Customer:
    with world.database.write() as connection:
        found = people.locked(connection, ref)
        assert found is not None
        return found[1]


def _save(world: World, customer: int, after: Customer) -> bool:
    with world.database.write() as connection:
        return people.save(connection, customer, _read_in(connection), after, now=later(hours=1))


def _read_in(connection: Connection) -> Customer:
    found = people.locked(connection, "C-1")
    assert found is not None
    return found[1]


def test_a_customer_comes_back_as_they_went(world: World) -> None:
    _create(world)
    _create(world, Customer("C-2"))
    assert _read(world) == ANNA
    assert _read(world, "C-2") == Customer("C-2")


def test_an_unknown_customer_is_unknown(world: World) -> None:
    with world.database.write() as connection:
        assert people.locked(connection, "nobody") is None


def test_the_same_ref_from_many_threads_is_one_customer(world: World) -> None:
    together = Barrier(8)

    def create(number: int) -> int:
        together.wait(timeout=30)
        return _create(world, replace(ANNA, name=f"Anna {number}"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(create, range(8)))) == 1
    assert len(world.rows("customers")) == 1


def test_nothing_new_is_nothing_written(world: World) -> None:
    customer = _create(world)
    assert not _save(world, customer, ANNA)
    (row,) = world.rows("customers")
    assert (row.version, row.updated_at) == (1, NOON)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "A"},
        {"email": "b@example.com"},
        {"phone": None},
        {"language": "cs"},
        {"time_zone": "Asia/Tokyo"},
        {"tier": Tier.BASIC},
        {"preferred_channel": None},
        {"dedicated_agent": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_fact_that_messages_rest_on_raises_the_version(world: World, change: dict[str, object]) -> None:
    customer = _create(world)
    after = replace(ANNA, **change)  # type: ignore[arg-type]
    assert _save(world, customer, after)
    assert _read(world) == after
    (row,) = world.rows("customers")
    assert (row.version, row.updated_at) == (2, later(hours=1))


def test_a_window_is_looked_at_when_arming_so_it_replans_nothing(world: World) -> None:
    customer = _create(world)
    assert _save(world, customer, replace(ANNA, window=ContactWindow(time(0), time(23, 59))))
    assert world.rows("customers")[0].version == 1


def test_the_first_reason_for_silence_stays_until_it_is_lifted(world: World) -> None:
    customer = _create(world)
    with world.database.write() as connection:
        people.set_tact_lock(connection, customer, "bereavement", now=NOON)
        people.set_tact_lock(connection, customer, "case C-1-1", now=later(hours=1))
    assert _read(world).tact_lock == "bereavement"
    with world.database.write() as connection:
        people.lift_tact_lock(connection, customer, now=later(hours=2))
        people.set_tact_lock(connection, customer, "case C-1-2", now=later(hours=3))
    (row,) = world.rows("customers")
    assert (row.tact_lock, row.tact_lock_at) == ("case C-1-2", later(hours=3))


def test_the_last_word_on_consent_counts(world: World) -> None:
    customer = _create(world)
    for granted in (True, False, True, False):
        with world.database.write() as connection:
            people.set_consent(connection, customer, "marketing", "mail", granted=granted, now=NOON)
    (row,) = world.rows("consents")
    assert (row.purpose, row.channel, row.granted) == ("marketing", "mail", False)


@pytest.mark.parametrize("order", list(permutations([(1, True), (3, False), (3, True), (2, True)])))
def test_words_told_late_come_to_the_same(world: World, order: list[tuple[int, bool]]) -> None:
    """An older word never overrides a later one, and of two of one instant the one that silences us counts."""
    customer = _create(world)
    with world.database.write() as connection:
        for hours, granted in order:
            said_at = later(hours=hours)
            people.set_consent(connection, customer, "marketing", "mail", granted=granted, now=NOON, at=said_at)
    (row,) = world.rows("consents")
    assert (row.granted, row.at) == (False, later(hours=3))


def test_what_a_customer_says_now_counts_over_what_was_told_ahead_of_our_clock(world: World) -> None:
    customer = _create(world)
    with world.database.write() as connection:
        people.set_consent(connection, customer, "marketing", "mail", granted=True, now=NOON, at=later(hours=9))
        assert people.set_consent(connection, customer, "marketing", "mail", granted=False, now=NOON)
    assert [row.granted for row in world.rows("consents")] == [False]


def test_a_suppressed_address_outlives_every_spelling(world: World) -> None:
    _create(world)
    with world.database.write() as connection:
        people.suppress(connection, "mail", "ANNA@example.com ", "bounce", now=NOON)
        people.suppress(connection, "mail", "anna@example.com", "complaint", now=later(hours=1))
        people.suppress(connection, "sms", "+48600000001", "stop", now=NOON)
    with world.database.read() as connection:
        assert people.suppressed_channels(connection, ANNA) == {Capability.MAIL, Capability.SMS}
        assert people.suppressed_channels(connection, Customer("C-2")) == set()
    rows = world.rows("suppressions")
    assert [(row.channel, row.reason) for row in rows] == [("mail", "bounce"), ("sms", "stop")]
    assert not any("anna" in row.address_hash for row in rows)


def test_one_address_suppressed_by_many_at_once_is_suppressed_once(world: World) -> None:
    together = Barrier(6)

    def suppress(_: int) -> None:
        together.wait(timeout=30)
        with world.database.write() as connection:
            people.suppress(connection, "mail", "nobody@example.com", "bounce", now=NOON)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(suppress, range(6)))
    assert len(world.rows("suppressions")) == 1


def test_erasure_blanks_the_person_and_keeps_the_row(world: World) -> None:
    customer = _create(world)
    with world.database.write() as connection:
        people.suppress(connection, "mail", "anna@example.com", "bounce", now=NOON)
        people.erase(connection, customer, now=later(hours=1))
    (row,) = world.rows("customers")
    assert (row.id, row.ref, row.erased_at, row.version) == (customer, "C-1", later(hours=1), 2)
    assert [row.name, row.email, row.phone, row.preferred_channel, row.dedicated_agent] == [None] * 5
    assert _read(world).erased
    assert len(world.rows("suppressions")) == 1


_Writer = Callable[[Connection, int], None]


@pytest.mark.parametrize(
    "write",
    [
        lambda connection, customer: people.set_tact_lock(connection, customer, "r", now=NOON),
        lambda connection, customer: people.lift_tact_lock(connection, customer, now=NOON),
        lambda connection, customer: people.erase(connection, customer, now=NOON),
        lambda connection, customer: people.suppress(connection, "mail", "Anna@Example.com", "r", now=NOON),
        lambda connection, customer: people.suppress(connection, "sms", "+48600000001", "r", now=NOON),
        lambda connection, customer: people.suppress(connection, "voice", "+48600000001", "r", now=NOON),
        lambda connection, customer: people.set_consent(connection, customer, "p", "sms", granted=False, now=NOON),
    ],
    ids=["lock", "lift", "erase", "suppress mail", "suppress sms", "suppress voice", "consent"],
)
def test_every_writer_of_silence_takes_the_customers_row(world: World, write: _Writer) -> None:
    """Their common lock with arming (P7)."""
    customer = _create(world)
    with world.database.write() as connection:
        write(connection, customer)
    assert world.rows("customers")[0].touched == 1


def test_everyone_with_a_suppressed_address_is_touched(world: World) -> None:
    for ref in ("C-1", "C-2", "C-3"):
        _create(world, replace(ANNA, ref=ref))
    _create(world, replace(ANNA, ref="C-4", email="bert@example.com"))
    with world.database.write() as connection:
        people.suppress(connection, "mail", "anna@example.com", "bounce", now=NOON)
    assert [row.touched for row in world.rows("customers")] == [1, 1, 1, 0]
