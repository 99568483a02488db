"""Values counted in the database: equal to plain Python's on whatever data, and only what changes is written."""

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from ledger_world import NOON, POLICY, World
from shop import TODAY, Shop
from sqlalchemy import event, update

from domain.customers import Tier
from domain.entitlements import EntitlementKind, Money
from domain.value import at_risk, counts_from, in_policy_currency, parts_per_minor_unit, whole
from services.valuing import Revalued, revalue
from store.ledger.rows import customers

SINCE = date(2024, 3, 4)
RATES = {"EUR": 1.0, "PLN": 0.2347, "CZK": 0.0409, "JPY": 0.0061, "KWD": 3.01}
VALUE = replace(POLICY.value, rates=RATES)
WORLD_POLICY = replace(POLICY, value=VALUE)


@pytest.fixture
def shop(world: World) -> Shop:
    return Shop(world)


def customer(world: World, customer_id: int) -> Any:
    return next(row for row in world.rows("customers") if row.id == customer_id)


def values(world: World) -> tuple[dict[int, tuple[int | None, str]], dict[int, int]]:
    """Customers' values and tiers, entitlements' values at risk, as they are written down."""
    people = {row.id: (row.ltv_minor, row.tier) for row in world.rows("customers")}
    return people, {row.id: row.at_risk_minor for row in world.rows("entitlements")}


def expected(world: World) -> tuple[dict[int, tuple[int | None, str]], dict[int, int]]:
    """The same, counted in plain Python from the rows."""
    people: dict[int, tuple[int | None, str]] = {}
    for who in world.rows("customers"):
        amounts = [
            Money(row.amount_minor, row.currency)
            for row in world.rows("purchases")
            if row.customer_id == who.id and row.bought_on >= SINCE
        ] + [
            Money(row.value_minor, row.currency)
            for row in world.rows("entitlements")
            if row.customer_id == who.id
            and (row.state, row.kind != "supply", row.ends_on >= SINCE) == ("active", True, True)
            and row.value_minor is not None
        ]
        worth, tier = who.ltv_minor, who.tier
        if who.erased_at is None:
            if not who.is_ltv_stated and (amounts or worth is not None):
                worth = whole(sum(one.minor * parts_per_minor_unit(one.currency, VALUE) for one in amounts))
            if worth is not None and not who.is_tier_stated:
                tier = next(t for t in (Tier.VIP, Tier.CORE, Tier.BASIC) if worth >= VALUE.tiers[t]).value
        people[who.id] = (worth, tier)
    risks = {}
    for row in world.rows("entitlements"):
        value = None if row.value_minor is None else Money(row.value_minor, row.currency)
        risks[row.id] = at_risk(EntitlementKind(row.kind), value, VALUE)
    return people, risks


@pytest.mark.parametrize("seed", range(8))
def test_the_databases_count_as_plain_python_does(world: World, seed: int) -> None:
    dice = random.Random(seed)
    shop = Shop(world)
    for number in range(30):
        who = world.customer(f"C-{number}", consents=False, tier=dice.choice(list(Tier)))
        with world.database.write() as connection:
            facts = {"is_ltv_stated": dice.random() < 0.2, "is_tier_stated": dice.random() < 0.2}
            facts["ltv_minor"] = dice.choice([None, 0, 19_999, 20_000, 100_000])
            facts["erased_at"] = NOON if dice.random() < 0.1 else None
            connection.execute(update(customers).where(customers.c.id == who).values(**facts))
        for _ in range(dice.randrange(5)):
            on = dice.choice([SINCE, SINCE - timedelta(days=1), TODAY, date(2025, 6, 1)])
            shop.buys(who, dice.choice([0, 1, 5, 199, dice.randrange(10**6), 10**11]), dice.choice(list(RATES)), on)
        for _ in range(dice.randrange(4)):
            ends_on = dice.choice([SINCE, SINCE - timedelta(days=1), date(2027, 1, 1)])
            kind, state = dice.choice(list(EntitlementKind)).value, dice.choice(["active", "cancelled"])
            minor = dice.choice([None, 1, 3, dice.randrange(10**6)])
            shop.has(who, minor, dice.choice(list(RATES)), ends_on=ends_on, kind=kind, state=state)
    wanted = expected(world)
    revalue(world.database, WORLD_POLICY, now=NOON)
    assert values(world) == wanted
    assert revalue(world.database, WORLD_POLICY, now=NOON) == Revalued(0, 0, 0), "the same again changes nothing"


def test_several_currencies_are_rounded_once_and_halves_up(shop: Shop, world: World) -> None:
    who = world.customer()
    policy = replace(POLICY, value=replace(POLICY.value, rates={"EUR": 1, "PLN": 0.25}))
    shop.buys(who, 1, "PLN")
    shop.buys(who, 1, "PLN")
    revalue(world.database, policy, now=NOON)
    assert customer(world, who).ltv_minor == 1, "twice a quarter of a cent is half a cent, and that is one"


def test_a_new_tier_raises_the_version_and_a_new_value_alone_does_not(shop: Shop, world: World) -> None:
    rich, same = world.customer("C-1"), world.customer("C-2")
    shop.buys(rich, 100_000)
    shop.buys(same, 10)
    before = customer(world, rich).version, customer(world, same).version
    assert revalue(world.database, POLICY, now=NOON) == Revalued(customers=2, tiers_changed=1, entitlements=0)
    assert (customer(world, rich).tier, customer(world, rich).version) == ("vip", before[0] + 1)
    assert (customer(world, same).tier, customer(world, same).version) == ("basic", before[1])


def test_what_is_too_old_counts_no_more_and_the_tier_falls(shop: Shop, world: World) -> None:
    who = world.customer()
    shop.buys(who, 20_000, on=SINCE)
    revalue(world.database, POLICY, now=NOON)
    assert customer(world, who).tier == "core"
    assert revalue(world.database, POLICY, now=NOON + timedelta(days=1)).tiers_changed == 1
    assert (customer(world, who).ltv_minor, customer(world, who).tier) == (0, "basic")


def test_a_value_at_risk_follows_the_policy_without_a_new_version(shop: Shop, world: World) -> None:
    what = shop.has(world.customer(), 10_000, kind="supply")
    assert revalue(world.database, POLICY, now=NOON).entitlements == 1
    [row] = [row for row in world.rows("entitlements") if row.id == what]
    assert (row.at_risk_minor, row.version, row.changed_at) == (5_000, 1, NOON)


def test_a_currency_taken_out_of_the_policy_counts_nothing(shop: Shop, world: World) -> None:
    who = world.customer()
    shop.buys(who, 20_000, "PLN")
    revalue(world.database, POLICY, now=NOON)
    without = replace(POLICY, value=replace(POLICY.value, rates={"EUR": 1}))
    revalue(world.database, without, now=NOON)
    assert customer(world, who).ltv_minor == 0


def test_pages_and_steps_meet_every_row_once(shop: Shop, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.valuing._READ", 3)
    monkeypatch.setattr("services.valuing._WRITTEN", 2)
    for number in range(11):
        who = world.customer(f"C-{number}", consents=False)
        shop.buys(who, 20_000)
        shop.has(who, 100)
    assert revalue(world.database, POLICY, now=NOON) == Revalued(11, 11, 11)


def test_where_nothing_changes_nobody_is_kept_waiting(shop: Shop, world: World) -> None:
    shop.buys(world.customer(), 20_000)
    revalue(world.database, POLICY, now=NOON)
    said: list[str] = []

    def hear(*about: Any) -> None:
        said.append(about[2])

    event.listen(world.database.engine, "before_cursor_execute", hear)
    revalue(world.database, POLICY, now=NOON)
    event.remove(world.database.engine, "before_cursor_execute", hear)
    assert said
    assert not [statement for statement in said if "UPDATE" in statement]


@pytest.mark.parametrize(
    ("today", "since"),
    [
        (date(2026, 3, 4), date(2024, 3, 4)),
        (date(2026, 2, 28), date(2024, 2, 28)),
        (date(2024, 2, 29), date(2022, 2, 28)),
    ],
)
def test_months_back_end_on_a_day_there_is(today: date, since: date) -> None:
    assert counts_from(today, POLICY.value) == since


def test_decimals_of_currencies_are_minded() -> None:
    assert in_policy_currency(Money(1_000, "JPY"), VALUE) == 610
    assert in_policy_currency(Money(1_000, "KWD"), VALUE) == 301
