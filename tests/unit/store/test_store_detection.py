"""What detection reads: endings that are alike as one row, and every one of them once, whatever a page holds."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from endings_world import TODAY, EndingsWorld
from ledger_world import NOON

from store.database import Database
from store.detection import Alike, Asked, unplanned_in, unplanned_since

ASKED = Asked(
    "subscription",
    quiet_before=date.min,
    amounts=(0, 60, 900, 50_000),
    tiers_called=["core"],
    called_from=60,
    called_below=50_000,
    purpose="reminders",
    distress_since=None,
    with_numbers=False,
)


@pytest.fixture
def world(database: Database) -> EndingsWorld:
    """A world whose endings are read."""
    return EndingsWorld(database)


def read(world: EndingsWorld, *, limit: int = 100, asked: Asked = ASKED) -> list[Alike]:
    """All that is not planned in a week, page by page."""
    found: list[Alike] = []
    after: tuple[Any, ...] | None = (TODAY, "", 0)
    while after is not None:
        with world.database.read() as connection:
            page = unplanned_in(connection, asked, TODAY + timedelta(days=6), nearest=30, after=after, limit=limit)
        found += page.alike
        after = page.after
    return found


def ids(found: list[Alike]) -> list[int]:
    """Those they stand for."""
    return [int(one) for alike in found for one in alike.ids.split(",")]


def test_what_is_alike_is_one_row_and_what_decides_tells_it_apart(world: EndingsWorld) -> None:
    """Nobody is looked up further who may not be called: then neither consent nor their own hours tell them apart."""
    first = world.entitlement("E-1", in_days=2, at_risk_minor=1_000)
    second = world.entitlement("E-2", in_days=2, at_risk_minor=49_999)
    dear = world.entitlement("dear", in_days=2, at_risk_minor=50_000)
    changed = world.entitlement("changed", in_days=2, version=2)
    silent = world.entitlement("silent", in_days=2, customer_id=world.customer("C-silent", consents=False))
    asked_for = [world.customer(f"C-{number}", tier="core", consents=number < 2) for number in range(3)]
    called = [world.entitlement(f"called-{who}", in_days=2, customer_id=who) for who in asked_for]
    found = {alike.ids: alike for alike in read(world)}
    assert {frozenset(ids([one])) for one in found.values()} == {
        frozenset({first, second, silent}),
        frozenset({dear}),
        frozenset({changed}),
        frozenset(called[:2]),
        frozenset(called[2:]),
    }
    (many,) = [one for one in found.values() if one.endings == 3]
    assert (many.at_risk_minor, many.sum_at_risk_minor, many.consents) == (900, 1_000 + 49_999 + 10_000, None)
    assert {one.consents for one in found.values() if one.tier == "core"} == {True, False}


def test_numbers_tell_them_apart_only_where_some_are_suppressed(world: EndingsWorld) -> None:
    for number in range(3):
        who = world.customer(f"C-{number}", tier="core", phone=f"+4860100000{number}")
        world.entitlement(f"E-{number}", in_days=2, customer_id=who)
    assert [(one.endings, one.phone) for one in read(world)] == [(3, None)]
    phones = {one.phone for one in read(world, asked=ASKED._replace(with_numbers=True))}
    assert phones == {f"+4860100000{number}" for number in range(3)}


@pytest.mark.parametrize("limit", range(1, 9))
def test_every_ending_is_read_once_whatever_a_page_holds(world: EndingsWorld, limit: int) -> None:
    """Days, zones and kinds of endings begin and end anywhere in a page."""
    zones = ("Europe/Warsaw", "America/New_York", "Asia/Tokyo", "europe/none")
    made = [
        world.entitlement(f"E-{n}", in_days=n % 3, time_zone=zones[n % 4], version=1 + n % 2, changed_at=at(n % 5))
        for n in range(17)
    ]
    assert sorted(ids(read(world, limit=limit))) == made
    found: list[Alike] = []
    after: tuple[Any, ...] | None = (NOON - timedelta(days=1), 0)
    while after is not None:
        with world.database.read() as connection:
            last = TODAY + timedelta(days=6)
            page = unplanned_since(connection, ASKED, TODAY, last, nearest=30, after=after, limit=limit)
        found += page.alike
        after = page.after
    assert sorted(ids(found)) == made


def at(second: int) -> datetime:
    """When something changed."""
    return NOON + timedelta(seconds=second)


def test_where_no_amount_matters_they_are_alike_whatever_they_are_worth(world: EndingsWorld) -> None:
    both = {world.entitlement(f"E-{worth}", in_days=2, at_risk_minor=worth) for worth in (0, 90_000)}
    (alike,) = read(world, asked=ASKED._replace(amounts=(0,), called_from=0))
    assert (alike.at_risk_minor, alike.sum_at_risk_minor, set(ids([alike]))) == (0, 90_000, both)
