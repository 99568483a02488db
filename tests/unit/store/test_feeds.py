"""A feed that stopped coming, or whose last batch was halted, is noticed."""

from datetime import timedelta
from typing import Any

from ledger_world import NOON, POLICY, World

from domain.gates import DataSet, GateVerdict
from services.feeds import FeedTrouble, feeds_in_trouble
from store import gates

ENTITLEMENTS = DataSet.ENTITLEMENTS


def judged(world: World, verdict: GateVerdict, *, hours: int = 0, origin: str = "e.csv", **facts: Any) -> int:
    words = {"data_set": ENTITLEMENTS, "feed": "shop", "batch": f"{verdict}{hours}{origin}", "origin": origin}
    rest = {"rows": 1, "broken": 0, "findings": [], "measures": {}, "run": "test"}
    with world.database.write() as connection:
        return gates.record(
            connection, **{**words, **rest, **facts}, verdict=verdict, now=NOON + timedelta(hours=hours)
        )  # fmt: skip


def troubles(world: World, *, hours: int) -> list[FeedTrouble]:
    with world.database.read() as connection:
        return feeds_in_trouble(connection, POLICY, now=NOON + timedelta(hours=hours))


def test_a_feed_that_comes_is_no_trouble(world: World) -> None:
    judged(world, GateVerdict.PASS)
    judged(world, GateVerdict.WARNINGS, hours=24)
    assert troubles(world, hours=24 + 48) == []


def test_a_feed_that_stopped_coming_is_named_with_how_long(world: World) -> None:
    judged(world, GateVerdict.PASS)
    (trouble,) = troubles(world, hours=96)
    assert (trouble.feed, trouble.is_halted) == ("shop", False)
    assert "nothing has come for 4 days" in trouble.problem
    assert "after 48 h" in trouble.problem


def test_a_row_that_a_person_replayed_does_not_make_its_feed_fresh(world: World) -> None:
    judged(world, GateVerdict.PASS)
    judged(world, GateVerdict.PASS, hours=90, origin=f"{gates.REPLAYED}7")
    assert [trouble.is_halted for trouble in troubles(world, hours=96)] == [False]


def test_a_halted_batch_is_named_until_somebody_approves_it_or_a_good_one_comes(world: World) -> None:
    judged(world, GateVerdict.PASS)
    halted = judged(world, GateVerdict.HALT, hours=1)
    (trouble,) = troubles(world, hours=2)
    assert trouble.is_halted
    assert f"`handrail gates show {halted}`" in trouble.do
    with world.database.write() as connection:
        gates.approve(connection, halted, by="Ola", reason="half the shops were closed")
    assert troubles(world, hours=2) == []
    judged(world, GateVerdict.HALT, hours=3)
    judged(world, GateVerdict.PASS, hours=4)
    assert troubles(world, hours=5) == []


def test_a_feed_that_was_only_ever_halted_is_named_too(world: World) -> None:
    judged(world, GateVerdict.HALT)
    assert [trouble.is_halted for trouble in troubles(world, hours=1)] == [True]
