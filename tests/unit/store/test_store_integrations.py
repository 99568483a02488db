"""What is known of each integration: its breaker moves with sends and checks, and waits are never shortened."""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

import pytest
from ledger_world import NOON, POLICY, World, a_plan, later
from sqlalchemy import Row

from domain.actions import Capability, State
from store.integrations import note_check, note_sends, open_breakers_due, register, states, waiting

NAME = "crm via fake"


def _row(world: World, name: str = NAME) -> Row[tuple[object, ...]]:
    return next(row for row in world.rows("integration_state") if row.name == name)


def _sends(world: World, successes: int = 0, failures: int = 0, **more: object) -> None:
    told = {"reason": "silent", "refused_credentials": None, "retry_after": None, "now": world.now, **more}
    note_sends(
        world.database,
        NAME,
        successes=successes,
        failures=failures,
        rules=POLICY.breaker,
        **told,  # type: ignore[arg-type]
    )


def _check(world: World, ok: bool, problem: str = "") -> None:
    note_check(world.database, NAME, ok=ok, latency_ms=12, problem=problem, rules=POLICY.breaker, now=world.now)


def test_failures_in_a_row_open_the_breaker_and_a_success_ends_the_row(world: World) -> None:
    _sends(world, failures=2)
    _sends(world, successes=1)
    _sends(world, failures=2)
    assert _row(world).breaker == "closed"
    world.now = later(seconds=1)
    _sends(world, failures=1)
    row = _row(world)
    assert (row.breaker, row.since, row.reason) == ("open", later(seconds=1), "3 failures in a row: silent")
    assert row.next_probe_at == later(seconds=6)


def test_refused_credentials_open_it_at_once(world: World) -> None:
    _sends(world, refused_credentials="renew TOKEN")
    assert (_row(world).breaker, _row(world).reason) == ("open", "renew TOKEN")


def test_a_check_closes_it_and_its_findings_are_kept(world: World) -> None:
    _sends(world, failures=3)
    world.now = later(seconds=5)
    _check(world, ok=False, problem="silent")
    row = _row(world)
    assert (row.breaker, row.ok, row.problem, row.latency_ms, row.checked_at) == (
        "open",
        False,
        "silent",
        12,
        world.now,
    )
    world.now = later(seconds=30)
    _check(world, ok=True)
    row = _row(world)
    assert (row.breaker, row.reason, row.next_probe_at, row.ok, row.problem) == ("closed", None, None, True, None)


def test_probes_are_due_for_open_breakers_only(world: World) -> None:
    _sends(world, failures=3)

    def due(seconds: float) -> list[str]:
        with world.database.read() as connection:
            return open_breakers_due(connection, later(seconds=seconds))

    assert due(4.9) == []
    assert due(5) == [NAME]
    world.now = later(seconds=5)
    _check(world, ok=True)
    assert due(99) == []


def test_all_being_well_writes_nothing(world: World) -> None:
    before = _row(world)
    _sends(world, successes=5)
    _sends(world)
    assert _row(world) == before


@pytest.mark.parametrize(("first", "second", "until"), [(40, None, 40), (40, 3, 40), (3, 40, 40), (0, None, 0)])
def test_a_wait_the_vendor_asked_for_is_never_shortened(
    world: World, first: float, second: float | None, until: float
) -> None:
    _sends(world, retry_after=first)
    if second is not None:
        _sends(world, retry_after=second)
    assert _row(world).not_before == later(seconds=until)


def test_a_wait_of_long_ago_does_not_matter(world: World) -> None:
    _sends(world, retry_after=3600)
    world.now = later(hours=2)
    _sends(world, retry_after=3)
    assert _row(world).not_before == later(hours=2, seconds=3)


def test_registering_again_keeps_what_is_known(world: World) -> None:
    _sends(world, failures=3)
    with world.database.write() as connection:
        register(connection, NAME, "crm", "fake", now=later(hours=1))
    assert _row(world).breaker == "open"


def test_another_vendor_for_a_capability_replaces_the_first(world: World) -> None:
    _sends(world, failures=3)
    with world.database.write() as connection:
        register(connection, "crm via other", "crm", "other", now=later(hours=1))
        named = {row.name: row.breaker for row in states(connection)}
    assert NAME not in named
    assert named["crm via other"] == "closed"


def test_what_waits_for_a_capability_is_counted(world: World) -> None:
    world.put(a_plan("a"), a_plan("b"), a_plan("c", capability=Capability.MAIL), a_plan("d"))
    world.force("b", State.UNCERTAIN)
    world.force("d", State.DONE)
    with world.database.read() as connection:
        assert waiting(connection) == {"crm": 2, "mail": 1}


def test_two_processes_that_start_together_register_one_integration(world: World) -> None:
    name, about = "push via fake", {"capability": "push", "vendor": "fake", "now": NOON}

    def beside() -> None:
        with world.database.write() as connection:
            register(connection, name, **about)  # type: ignore[arg-type]

    with ThreadPoolExecutor(1) as other:
        with world.database.write() as connection:
            register(connection, name, **about)  # type: ignore[arg-type]
            waiting_for_us: Future[None] = other.submit(beside)
            with pytest.raises(NotYet):
                waiting_for_us.result(timeout=0.15)
        waiting_for_us.result(timeout=10)
    assert [row.name for row in world.rows("integration_state")].count(name) == 1
