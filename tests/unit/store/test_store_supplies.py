"""Supplies: estimated once after each purchase, written down as entitlements, withdrawn when nothing can be said."""

import math
import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from ledger_world import NOON, POLICY, World
from shop import TODAY, Shop
from sqlalchemy import Row, update

from domain.depletion import NoEstimate
from services.depletion import SuppliesRenewed, renew_supplies
from services.valuing import revalue
from store.ledger.rows import customers

TOMORROW = NOON + timedelta(days=1)


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)


def regulars(shop: Shop, count: int = 6, *, step: int = 30, last: date = TODAY) -> list[int]:
    """Customers who bought coffee six times, so many days apart, the last time on a day."""
    people = [shop.world.customer(f"R-{number}", consents=False) for number in range(count)]
    for who in people:
        for back in range(5, -1, -1):
            shop.buys(who, 1_000 + back, on=last - timedelta(days=step * back))
    return people


def renew(world: World, now: Any = NOON, policy: Any = POLICY) -> SuppliesRenewed:
    return renew_supplies(world.database, policy, now=now)


def supply(world: World, customer_id: int) -> Row[Any] | None:
    return next((row for row in world.rows("entitlements") if row.customer_id == customer_id), None)


def estimates(world: World) -> dict[str, tuple[date | None, ...]]:
    """The days of all supplies, by ref."""
    return {row.ref: (row.ends_on, row.earliest_on, row.latest_on) for row in world.rows("entitlements")}


def test_an_estimate_is_an_entitlement_with_its_days_its_value_and_its_gate(shop: Shop, world: World) -> None:
    who = regulars(shop)[0]
    assert renew(world) == SuppliesRenewed(estimated=6, unchanged=0, withdrawn=0, too_little_data={})
    row = supply(world, who)
    assert row is not None
    assert (row.ref, row.key_part) == ("supply/R-0/coffee", "supply%2FR-0%2Fcoffee")
    assert (row.kind, row.product, row.state, row.time_zone) == ("supply", "coffee", "active", "Europe/Warsaw")
    assert row.occurrence == "after-2026-03-04"
    assert row.earliest_on <= row.ends_on <= row.latest_on
    assert row.ends_on == TODAY + timedelta(days=30)
    assert (row.value_minor, row.currency, row.at_risk_minor) == (1_002, "EUR", 501)
    assert row.gate_id == shop.gate


def test_the_same_purchases_again_change_nothing(shop: Shop, world: World) -> None:
    regulars(shop)
    renew(world)
    before = world.rows("entitlements")
    for now in (NOON, NOON + timedelta(days=20)):
        assert renew(world, now) == SuppliesRenewed(estimated=0, unchanged=6, withdrawn=0, too_little_data={})
    assert world.rows("entitlements") == before


def test_an_estimate_stands_though_others_buy_more_often_and_the_next_purchase_makes_a_new_one(
    shop: Shop, world: World
) -> None:
    who, *others = regulars(shop)
    renew(world)
    before = supply(world, who)
    assert before is not None
    for other in others:
        shop.buys(other, 1_000, on=TODAY + timedelta(days=1))
    assert renew(world, TOMORROW).estimated == 5
    assert supply(world, who) == before
    shop.gate = gate = world.add("gates", data_set="purchases", feed="shop", batch="c", origin="g.csv", verdict="pass",
                                 rows=1, broken=0, findings=[], measures={}, decided_at=NOON, run="t")  # fmt: skip
    shop.buys(who, 1_000, on=TODAY + timedelta(days=1))
    assert renew(world, TOMORROW).estimated == 1
    after = supply(world, who)
    assert after is not None
    assert (after.id, after.occurrence, after.version) == (before.id, "after-2026-03-05", before.version + 1)
    assert after.gate_id == gate


def test_who_has_bought_too_little_has_no_estimate_and_the_reason_is_counted(shop: Shop, world: World) -> None:
    regulars(shop)
    twice, often_that_day, gone = (world.customer(f"C-{number}", consents=False) for number in range(3))
    for back in (30, 0):
        shop.buys(twice, 500, on=TODAY - timedelta(days=back))
    for _ in range(5):
        shop.buys(often_that_day, 500)
    for back in (460, 430, 400):
        shop.buys(gone, 500, on=TODAY - timedelta(days=back))
    told = renew(world)
    assert told.estimated == 6
    assert told.too_little_data == {NoEstimate.STOPPED.value: 1, NoEstimate.TOO_FEW_PURCHASES.value: 2}
    assert [supply(world, who) for who in (twice, often_that_day, gone)] == [None] * 3


def test_a_late_feed_does_not_look_like_customers_who_have_stopped(shop: Shop, world: World) -> None:
    who = regulars(shop, last=TODAY - timedelta(days=300))[0]
    assert renew(world).estimated == 6
    row = supply(world, who)
    assert row is not None
    assert row.ends_on == TODAY - timedelta(days=270)


def test_an_estimate_is_withdrawn_when_a_later_purchase_leaves_nothing_to_say(shop: Shop, world: World) -> None:
    who = regulars(shop)[0]
    renew(world)
    shop.buys(who, 1_000, on=TODAY + timedelta(days=1))
    strict = replace(POLICY, depletion=replace(POLICY.depletion, purchases_at_least=9))
    told = renew(world, TOMORROW, strict)
    assert (told.withdrawn, told.unchanged) == (1, 5)
    row = supply(world, who)
    assert row is not None
    assert (row.state, row.version) == ("cancelled", 2)
    assert renew(world, TOMORROW, strict).withdrawn == 0


def test_what_does_not_run_out_the_future_and_the_erased_are_left_out(shop: Shop, world: World) -> None:
    people = regulars(shop, 7)
    for back in (60, 30, 0):
        shop.buys(people[0], 90_000, on=TODAY - timedelta(days=back), product="machine", is_supply=False)
    shop.buys(people[1], 1_000, on=TODAY + timedelta(days=9))
    with world.database.write() as connection:
        connection.execute(update(customers).where(customers.c.id == people[2]).values(erased_at=NOON))
    assert renew(world).estimated == 6
    assert {row.product for row in world.rows("entitlements")} == {"coffee"}
    assert supply(world, people[2]) is None
    future = supply(world, people[1])
    assert future is not None
    assert future.occurrence == "after-2026-03-04"


def test_a_purchase_in_a_currency_without_a_rate_is_estimated_without_a_value(shop: Shop, world: World) -> None:
    who = regulars(shop)[0]
    shop.buys(who, 5_000, "USD", on=TODAY)
    renew(world)
    row = supply(world, who)
    assert row is not None
    assert (row.value_minor, row.currency, row.at_risk_minor) == (None, None, 0)


def test_a_supply_counts_once_for_a_customers_value(shop: Shop, world: World) -> None:
    who = regulars(shop)[0]
    renew(world)
    revalue(world.database, POLICY, now=NOON)
    [value] = [row.ltv_minor for row in world.rows("customers") if row.id == who]
    assert value == sum(1_000 + back for back in range(6))


def test_refs_quote_what_could_forge_another(shop: Shop, world: World) -> None:
    regulars(shop)
    who = world.customer("a/b", consents=False)
    for back in (60, 30, 0):
        shop.buys(who, 100, on=TODAY - timedelta(days=back), product="x/y z")
    renew(world)
    row = supply(world, who)
    assert row is not None
    assert row.ref == "supply/a%2Fb/x%2Fy z"


def test_pages_of_customers_come_to_the_same(shop: Shop, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(7)
    for number in range(25):
        who, day = world.customer(f"C-{number}", consents=False), TODAY
        for _ in range(dice.randrange(1, 8)):
            shop.buys(who, 1_000, on=day, quantity=dice.choice([1, 2]))
            day -= timedelta(days=max(1, round(math.exp(dice.gauss(3.3, 0.3)))))
    monkeypatch.setattr("services.depletion._READ", 4)
    monkeypatch.setattr("services.depletion._WRITTEN", 2)
    told = renew(world)
    paged = estimates(world)
    with world.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM entitlements")
    monkeypatch.undo()
    assert renew(world) == told
    assert estimates(world) == paged
    assert told.estimated == len(paged) > 5


def test_without_purchases_there_is_nothing_to_do(world: World) -> None:
    world.customer()
    assert renew(world) == SuppliesRenewed(0, 0, 0, {})
