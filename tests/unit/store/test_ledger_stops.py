"""Stops of a part: at once (P14), the rest goes on, nothing hot-loops, and a start brings back what was put off."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from threading import Barrier, Event

import pytest
from ledger_world import NOON, World, a_message, a_plan, check_audit, later
from sqlalchemy import func, select

from domain.actions import Basis, Capability, Kind, State
from domain.controls import EVERYTHING, LOOK_AGAIN, Part, Scope, Stop
from services.controls import Flipped, named_part, standing, start, stop
from services.starting import what_would_go
from store import controls
from store.crash_points import watch
from store.ledger.rows import Reserved, Worker, actions, audit

MAIL, CRM = Capability.MAIL, Capability.CRM
JOB = Part(Scope.JOB, "expiry-detection")
KIND = Part(Scope.KIND, "call")
MAILING = Part(Scope.INTEGRATION, "mail via fake")
parts = pytest.mark.parametrize("part", [EVERYTHING, JOB, KIND, MAILING], ids=lambda part: str(part.scope))


def flip(world: World, part: Part, stopped: bool) -> Flipped:
    return (stop if stopped else start)(world.database, part, by="Ewa Lis", reason="wrong dates", now=world.now)


def a_few(world: World) -> dict[str, Part | None]:
    """One action of each part, and one of none; by whom each is held."""
    customer = world.customer()
    held: dict[str, Part | None] = {"expiry/E-1/1/task": JOB, "journey/o/C-1/1/call": KIND, "journey/o/C-1/1/t": None}
    for key, part in held.items():
        kind = Kind.CALL if part == KIND else Kind.TASK
        world.put(a_plan(key, kind=kind), customer_id=customer)
    return held


def armed(world: World, part: Part | None = None) -> int:
    """How often anything of a part was armed."""
    moves = select(actions.c.key, actions.c.kind, actions.c.capability).join(audit, audit.c.action_id == actions.c.id)
    with world.database.read() as connection:
        rows = connection.execute(moves.where(audit.c.after == State.SENDING)).all()
    return sum(part is None or part.holds(row.key, row.kind, f"{row.capability} via fake") for row in rows)


@pytest.mark.parametrize("part", [JOB, KIND], ids=lambda part: str(part.scope))
def test_what_is_stopped_waits_and_the_rest_of_its_window_goes(world: World, part: Part) -> None:
    held = a_few(world)
    rows = world.reserve()
    flip(world, part, True)

    went: list[str] = []
    while rows:
        window = world.arm(rows)
        went += [one.key for one in window.armed]
        rows = window.left

    assert sorted(went) == sorted(key for key, of in held.items() if of != part)
    (key,) = (key for key, of in held.items() if of == part)
    row = world.row(key)
    assert (row.state, row.due_at) == (State.READY, NOON + LOOK_AGAIN)
    assert row.reason == f"stopped: {part.words} (Ewa Lis: wrong dates)"
    assert world.reserve() == [], "it does not come again and again"


def test_nothing_is_reserved_of_a_stopped_integration(world: World) -> None:
    world.put(a_plan("task"), a_plan("mail", capability=MAIL))
    flip(world, MAILING, True)
    assert world.reserve(MAIL) == []
    assert [row.key for row in world.reserve(CRM)] == ["task"]
    assert world.row("mail").due_at == NOON
    flip(world, MAILING, False)
    assert [row.key for row in world.reserve(MAIL)] == ["mail"]


def test_what_was_reserved_of_an_integration_that_is_stopped_since_goes_back(world: World) -> None:
    world.put(a_plan("mail", capability=MAIL))
    rows = world.reserve(MAIL)
    flip(world, MAILING, True)
    assert world.arm(rows, MAIL).armed == []
    assert world.row("mail").reason == "stopped: integration mail via fake (Ewa Lis: wrong dates)"
    flip(world, MAILING, False)
    assert [one.key for one in world.take(MAIL)] == ["mail"]


@pytest.mark.parametrize("part", [JOB, KIND], ids=lambda part: str(part.scope))
def test_after_the_start_it_goes_within_a_round(world: World, part: Part) -> None:
    held = a_few(world)
    flip(world, part, True)
    while rows := world.reserve():
        while rows:
            rows = world.arm(rows).left
    (key,) = (key for key, of in held.items() if of == part)

    started = flip(world, part, False)

    assert (started.changed, started.freed) == (True, 1)
    assert [one.key for one in world.take()] == [key]
    check_audit(world.database)


def test_what_two_stops_hold_waits_for_both(world: World) -> None:
    world.put(a_plan("expiry/E-1/1/call", kind=Kind.CALL))
    flip(world, JOB, True)
    flip(world, KIND, True)
    world.take()
    flip(world, JOB, False)
    assert world.take() == []
    assert world.row("expiry/E-1/1/call").reason == "stopped: kind call (Ewa Lis: wrong dates)"
    flip(world, KIND, False)
    assert len(world.take()) == 1


def test_a_start_that_died_on_the_way_is_done_by_the_next(world: World) -> None:
    world.put(a_plan("expiry/E-1/1/task"))
    flip(world, JOB, True)
    world.take()

    def dies(place: str) -> None:
        if place == "start.committed":
            raise KeyboardInterrupt

    watch(dies)
    with pytest.raises(KeyboardInterrupt):
        flip(world, JOB, False)
    watch(None)
    assert world.reserve() == []

    again = flip(world, JOB, False)

    assert (again.changed, again.freed) == (False, 1)
    assert [one.key for one in world.take()] == ["expiry/E-1/1/task"]


@parts
def test_each_flip_is_once_and_kept(world: World, part: Part) -> None:
    assert not flip(world, part, False).changed
    assert flip(world, part, True).changed
    again = stop(world.database, part, by="Jan Nowak", reason="me too", now=later(minutes=1))
    assert not again.changed
    assert again.words == f"stopped already: {part.words} (Ewa Lis: wrong dates)"
    assert standing(world.database) == (Stop(part, "wrong dates", "Ewa Lis", NOON),)
    assert flip(world, part, False).changed
    assert flip(world, part, False).words == f"{part.words} was not stopped"
    told = {"scope": part.scope, "name": part.name, "reason": "wrong dates"}
    kept = [(one.subject, one.what, one.by, {name: one.detail[name] for name in told}) for one in world.rows("chain")]
    assert kept == [
        ("control", "stopped", "Ewa Lis", told),
        ("control", "started", "Ewa Lis", told),
    ]


def test_everything_and_its_parts_are_stopped_apart(world: World) -> None:
    for part in (EVERYTHING, JOB, KIND):
        flip(world, part, True)
    started = flip(world, EVERYTHING, False)
    assert {one.part for one in started.stands} == {JOB, KIND}
    assert started.words.endswith(
        "still stopped: job expiry-detection (Ewa Lis: wrong dates); kind call (Ewa Lis: wrong dates)"
    )
    flip(world, EVERYTHING, True)
    assert [one.part for one in flip(world, JOB, False).stands] == [EVERYTHING, KIND]


def test_a_part_is_named_after_what_is_configured(world: World) -> None:
    assert named_part(world.database, Scope.INTEGRATION, "mail") == MAILING
    with pytest.raises(ValueError, match='did you mean "mail via fake"'):
        named_part(world.database, Scope.INTEGRATION, "mail via sake")


@parts
def test_nothing_of_a_part_is_armed_after_its_stop(world: World, part: Part) -> None:
    """P14. Flipped at random times while four workers arm: what `stop` returned to find is all there is."""
    keys = [f"{family}/{number}/x" for family, number in product(("expiry", "journey"), range(60))]
    for number, key in enumerate(keys):
        kind, capability = (Kind.CALL, CRM) if number % 2 else (Kind.TASK, MAIL)
        world.put(a_plan(key, kind=kind, capability=capability))
    over, together = Event(), Barrier(5)

    def work(number: int) -> None:
        me = Worker(f"w{number}", "run")
        together.wait(timeout=30)
        while not over.is_set() or State.READY in world.states().values():
            for capability in (CRM, MAIL):
                left: list[Reserved] = world.reserve(capability, limit=3, worker=me)
                while left:
                    left = world.arm(left, capability, worker=me).left

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, number) for number in range(4)]
        together.wait(timeout=30)
        for _ in range(4):
            until = armed(world) + random.randrange(1 + 120 // 5)
            while armed(world) < until and State.READY in world.states().values():
                pass
            assert flip(world, part, True).changed
            at_the_stop = armed(world, part)
            for _ in range(random.randrange(1, 6)):
                assert armed(world, part) == at_the_stop
            assert flip(world, part, False).changed
        over.set()
        for one in workers:
            one.result(timeout=60)
    assert armed(world) == 120
    check_audit(world.database)


def test_what_a_start_would_let_go_is_shown_before(world: World) -> None:
    customer = world.customer()
    for number in range(3):
        world.put(a_message(f"journey/o/C-1/{number}/m"), customer_id=customer)
    world.put(a_plan("journey/o/C-1/9/late", not_after=NOON), customer_id=customer)
    world.put(a_plan("journey/o/C-1/8/stale", stale_after=NOON))
    world.put(a_plan("journey/o/C-1/7/tomorrow", due_at=later(days=1)))
    world.put(a_plan("expiry/E-1/1/task"))
    world.put(a_message("journey/o/C-1/6/never", purpose="offers"), customer_id=customer)
    job = Part(Scope.JOB, "onboarding-drip")
    flip(world, job, True)
    world.take(CRM)

    found = what_would_go(world.database, world.policy, job, now=world.now)

    assert (found.is_stopped, found.count, found.looked_at) == (True, 6, 6)
    assert {(one.kind, one.channel, one.tier): one.count for one in found.waiting} == {
        ("message", "mail", "basic"): 4,
        ("task", "crm", "basic"): 1,
        ("task", "crm", None): 1,
    }
    assert found.fates == {"to go out": 3, "to be skipped": 1, "to expire": 1, "to be planned anew": 1}
    assert min(one.oldest for one in found.waiting) == NOON
    assert json.loads(json.dumps(found.as_json()))["waiting"][0]["oldest"] == "2026-03-04T11:00:00.000Z"


def test_a_preview_does_not_count_what_stays_stopped(world: World) -> None:
    a_few(world)
    flip(world, JOB, True)
    flip(world, KIND, True)
    found = what_would_go(world.database, world.policy, JOB, now=world.now)
    assert (found.count, [one.part for one in found.still]) == (1, [KIND])
    flip(world, EVERYTHING, True)
    assert (
        "nothing goes out before everything is started too"
        in what_would_go(world.database, world.policy, JOB, now=world.now).words
    )
    everything = what_would_go(world.database, world.policy, EVERYTHING, now=world.now)
    assert [one.count for one in everything.waiting] == [1], "the parts stay stopped"


def test_many_that_were_put_off_are_made_due_in_small_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.controls._AT_ONCE", 7)
    world.put(*(a_plan(f"expiry/E-{number}/1/task") for number in range(20)))
    flip(world, JOB, True)
    world.take()
    with world.database.read() as connection:
        assert len(controls.put_off(connection, JOB)) == 20
    assert flip(world, JOB, False).freed == 20
    with world.database.read() as connection:
        due = select(func.count()).where(actions.c.due_at <= NOON, actions.c.reason.is_(None))
        assert connection.execute(due).scalar_one() == 20


def test_an_acknowledgement_of_a_stopped_job_waits_too(world: World) -> None:
    customer = world.customer()
    reply = a_message("survey/standard/r-1/acknowledgement", basis=Basis.REPLY, kind=Kind.ACKNOWLEDGEMENT, urgent=True)
    world.put(reply, customer_id=customer)
    flip(world, Part(Scope.JOB, "survey-escalation"), True)
    assert world.take(MAIL, lane="urgent") == []
