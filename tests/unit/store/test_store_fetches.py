"""What a survey tool told of waits until it is fetched, for one taker at a time; watermarks never go back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from ledger_world import NOON, World, later

from store import fetches, inbox
from store.fetches import HOLD, Fetch, Waiting


def _announce(world: World, response: str = "7", *, body: bytes = b"{}", source: str = "tool") -> None:
    with world.database.write() as connection:
        arrival = inbox.Arrival(source, f"{response}-{len(world.rows('inbox'))}", "h", NOON)
        (delivery,) = inbox.receive(connection, [arrival])
        fetches.announce(connection, source, response, body, inbox_id=delivery.id, now=NOON)


def _take(world: World, *, seconds: float = 0, limit: int = 9, source: str = "tool") -> list[Fetch]:
    with world.database.write() as connection:
        return fetches.take(connection, [source], limit=limit, now=later(seconds=seconds))


def test_what_was_told_of_is_taken_once(world: World) -> None:
    _announce(world, body=b'{"a": 1}')
    [it] = _take(world)
    assert (it.source, it.response, it.body, it.attempts) == ("tool", "7", b'{"a": 1}', 1)
    assert _take(world) == []
    with world.database.write() as connection:
        fetches.finish(connection, it, "done")
    assert _take(world, seconds=9000) == []


def test_a_taker_that_died_is_followed_by_another_and_cannot_write_any_more(world: World) -> None:
    _announce(world)
    [first] = _take(world)
    assert _take(world, seconds=HOLD.total_seconds() - 1) == []
    [second] = _take(world, seconds=HOLD.total_seconds())
    assert second.attempts == 2
    with world.database.write() as connection:
        fetches.finish(connection, first, "quarantined", problem="late")
    assert world.rows("survey_fetches")[0].state == "waiting"
    with world.database.write() as connection:
        fetches.finish(connection, second, "done")
    assert world.rows("survey_fetches")[0].state == "done"


def test_told_of_again_it_is_fetched_again_also_while_somebody_has_it(world: World) -> None:
    _announce(world)
    [it] = _take(world)
    _announce(world)
    with world.database.write() as connection:
        fetches.finish(connection, it, "done")
    [again] = _take(world)
    assert (again.attempts, len(world.rows("survey_fetches"))) == (1, 1)


def test_put_off_it_waits_and_says_why(world: World) -> None:
    _announce(world)
    _announce(world, "8")
    _announce(world, source="other")
    its = _take(world)
    with world.database.write() as connection:
        fetches.put_off(connection, its[0], NOON + timedelta(seconds=90), "503")
    with world.database.read() as connection:
        assert fetches.waiting(connection) == [
            Waiting("other", 1, since=NOON, problem=None),
            Waiting("tool", 2, since=NOON, problem="503"),
        ]
        assert fetches.is_due(connection, ["other"], now=NOON)
        assert not fetches.is_due(connection, ["nobody"], now=NOON)
    assert [it.response for it in _take(world, seconds=90)] == ["8", "7"]


@pytest.mark.parametrize("takers", [8])
def test_many_takers_share_without_meeting(world: World, takers: int) -> None:
    for number in range(20):
        _announce(world, str(number))
    together = Barrier(takers)

    def take(_: int) -> list[Fetch]:
        together.wait(timeout=30)
        return _take(world, limit=5)

    with ThreadPoolExecutor(takers) as pool:
        taken = [it.response for some in pool.map(take, range(takers)) for it in some]
    assert len(taken) == len(set(taken)) > 0


def test_a_watermark_never_goes_back(world: World) -> None:
    with world.database.read() as connection:
        assert fetches.asked_up_to(connection, "tool") is None
    for seconds in (60, 30, 90):
        with world.database.write() as connection:
            fetches.note_asked(connection, "tool", later(seconds=seconds))
    with world.database.read() as connection:
        assert fetches.asked_up_to(connection, "tool") == later(seconds=90)
        assert fetches.asked_up_to(connection, "other") is None
