"""Gates as they are kept: the day of a source's events, and a feed's history."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from ledger_world import NOON, World
from sqlalchemy import select

from domain.gates import DataSet, GateVerdict
from store.gates import event_gate, gates, latest_passed, record


def a_batch(world: World, verdict: GateVerdict, *, hours: int = 0, feed: str = "nightly", rows: int = 10) -> int:
    with world.database.write() as connection:
        return record(
            connection,
            data_set=DataSet.ENTITLEMENTS,
            feed=feed,
            batch=f"{hours:064}",
            origin="entitlements.csv",
            verdict=verdict,
            rows=rows,
            broken=0,
            findings=[],
            measures={"rows": rows},
            run="test",
            now=NOON + timedelta(hours=hours),
        )


def test_a_day_of_events_has_one_gate_whoever_comes_first(world: World) -> None:
    def come(_: int) -> int:
        with world.database.write() as connection:
            return event_gate(connection, DataSet.ENTITLEMENTS, "standard", now=NOON, run="test")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(come, range(24)))) == 1
    with world.database.read() as connection:
        made = connection.execute(select(gates)).one()
    assert (made.feed, made.batch, made.verdict, made.is_events) == ("standard", "2026-03-04", "pass", True)


def test_the_next_day_and_another_source_have_gates_of_their_own(world: World) -> None:
    with world.database.write() as connection:
        made = {
            event_gate(connection, DataSet.ENTITLEMENTS, source, now=now, run="test")
            for source in ("standard", "shop")
            for now in (NOON, datetime(2026, 3, 5, tzinfo=UTC))
        }
    assert len(made) == 4


def test_the_history_is_what_was_let_through_the_newest_first(world: World) -> None:
    first = a_batch(world, GateVerdict.PASS)
    a_batch(world, GateVerdict.HALT, hours=1)
    second = a_batch(world, GateVerdict.WARNINGS, hours=2)
    a_batch(world, GateVerdict.PASS, hours=3, feed="another")
    with world.database.write() as connection:
        event_gate(connection, DataSet.ENTITLEMENTS, "nightly", now=NOON + timedelta(hours=4), run="test")
        found = latest_passed(connection, DataSet.ENTITLEMENTS, "nightly", limit=5)
        events = latest_passed(connection, DataSet.ENTITLEMENTS, "nightly", is_events=True)
    assert [row.id for row in found] == [second, first]
    assert [row.batch for row in events] == ["2026-03-04"]
