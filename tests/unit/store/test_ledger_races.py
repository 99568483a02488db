"""Races with arming, ordered by the database: silence (P7), the kill switch (P14), the frequency cap (P13)."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from itertools import product
from threading import Barrier, Event

import pytest
from ledger_world import NOON, POLICY, World, a_message, check_audit
from sqlalchemy import Connection, func, select, update

from domain.actions import Basis, Capability, State
from domain.contact import FrequencyCap
from domain.controls import EVERYTHING
from domain.customers import Purpose
from services.controls import start, stop
from services.erasing import erase_known
from services.preferences import withdraw
from store import customers as people
from store.ledger.arm import Target, arm
from store.ledger.rows import Reserved, Worker, actions, audit, customers, integration_state

MAIL, SMS = Capability.MAIL, Capability.SMS
UNCAPPED = replace(POLICY, contact=replace(POLICY.contact, cap=FrequencyCap(contacts=999, days=7)))
OUTWARD = (Basis.REPLY, Basis.SERVICE, Basis.PROACTIVE)
BLINK = 0.15
"""Seconds after which somebody who has not come back is waiting. Too short makes a test blind, never red."""

Change = Callable[[Connection, int], None]


def _suppress(connection: Connection, customer: int) -> None:
    people.suppress(connection, "mail", f"c-{customer}@example.com", "bounce", now=NOON)


def _withdraw(connection: Connection, customer: int) -> None:
    people.set_consent(connection, customer, "reminders", "mail", granted=False, now=NOON)


def _unsubscribe(connection: Connection, customer: int) -> None:
    withdraw(connection, customer, list(Purpose), now=NOON)


def _lock(connection: Connection, customer: int) -> None:
    people.set_tact_lock(connection, customer, "bereavement", now=NOON)


def _erase(connection: Connection, customer: int) -> None:
    people.erase(connection, customer, now=NOON)


def _forget(connection: Connection, customer: int) -> None:
    ref = connection.execute(select(customers.c.ref).where(customers.c.id == customer)).scalar_one()
    erase_known(connection, ref, [], {}, by="ann", now=NOON)


SILENCES: list[tuple[Change, tuple[Basis, ...]]] = [
    (_suppress, OUTWARD),
    (_withdraw, (Basis.PROACTIVE,)),
    (_unsubscribe, (Basis.PROACTIVE,)),
    (_lock, (Basis.SERVICE, Basis.PROACTIVE)),
    (_erase, OUTWARD),
]
NAMES = ["suppress", "withdraw", "unsubscribe", "lock", "erase"]
silences = pytest.mark.parametrize(("silence", "forbidden"), SILENCES, ids=NAMES)
silences_and_cancellings = pytest.mark.parametrize(
    ("silence", "forbidden"), [*SILENCES, (_forget, OUTWARD)], ids=[*NAMES, "forget"]
)
"""Who is forgotten has their actions cancelled as well: there is nothing left that arming could come back to."""


def _armings(connection: Connection, customer: int, bases: tuple[Basis, ...]) -> int:
    """How often actions of these bases were armed for a customer, as this transaction sees it."""
    counted = (
        select(func.count())
        .select_from(audit.join(actions, actions.c.id == audit.c.action_id))
        .where(audit.c.after == State.SENDING, actions.c.customer_id == customer, actions.c.basis.in_(bases))
    )
    return connection.execute(counted).scalar_one()


def _customers(world: World, count: int) -> list[int]:
    made = []
    for number in range(count):
        customer = world.customer(f"C-{number}")
        with world.database.write() as connection:
            found = people.locked(connection, f"C-{number}")
            assert found is not None
            people.save(connection, customer, found[1], replace(found[1], email=f"c-{customer}@example.com"), now=NOON)
        made.append(customer)
    return made


def _work(world: World, worker: str, capabilities: tuple[Capability, ...], over: Event) -> int:
    """Reserve and arm, a few at a time, until it is over and nothing is left; how many were armed."""
    me, armed = Worker(worker, "run"), 0
    while True:
        last_round = over.is_set()
        idle = True
        for capability in capabilities:
            left: list[Reserved] = world.reserve(capability, limit=3, worker=me)
            idle = idle and not left
            while left:
                window = world.arm(left, capability, worker=me)
                armed, left = armed + len(window.armed), window.left
        if idle and last_round:
            return armed


def _waits(future: "Future[object]") -> bool:
    try:
        future.result(timeout=BLINK)
    except NotYet:
        return True
    return False


def _arm_in(connection: Connection, world: World, rows: list[Reserved]) -> list[str]:
    target = Target("mail via fake", MAIL, None, "email")
    how = {"worker": Worker("worker-1", "run"), "lease_seconds": 20.0, "policy": UNCAPPED, "now": NOON}
    return [armed.key for armed in arm(connection, rows, target, **how).armed]  # type: ignore[arg-type]


@pytest.mark.parametrize("which", [0, -1], ids=["least", "most"])
@silences_and_cancellings
def test_silence_waits_for_the_arming_under_way(
    world: World, silence: Change, forbidden: tuple[Basis, ...], which: int
) -> None:
    """Armed and not committed yet: who silences the customer comes after it, and sees it.

    What is proactive holds the customer alone, anything else beside other armings.
    """
    (customer,) = _customers(world, 1)
    world.put(a_message(forbidden[which], basis=forbidden[which]), customer_id=customer)
    rows = world.reserve(MAIL)

    def change() -> int:
        with world.database.write() as connection:
            silence(connection, customer)
            return _armings(connection, customer, forbidden)

    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as connection:
            assert _arm_in(connection, world, rows)
            changed = pool.submit(change)
            assert _waits(changed)
        assert changed.result(timeout=30) == 1


@silences
def test_arming_comes_after_the_silence_under_way(world: World, silence: Change, forbidden: tuple[Basis, ...]) -> None:
    """Silenced and not committed yet: arming leaves that customer, comes back after it, and obeys."""
    customer, other = _customers(world, 2)
    world.put(*(a_message(basis, basis=basis) for basis in forbidden[-1:]), customer_id=customer)
    world.put(a_message("other", basis=Basis.REPLY), customer_id=other)
    world.policy = UNCAPPED

    def arm_all() -> list[str]:
        left, armed = world.reserve(MAIL), []
        while left:
            window = world.arm(left, MAIL)
            armed += [one.key for one in window.armed]
            left = window.left
        return armed

    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as connection:
            silence(connection, customer)
            arming = pool.submit(arm_all)
            assert _waits(arming)  # type: ignore[arg-type]
        assert arming.result(timeout=30) == ["other"]


@pytest.mark.postgres
@pytest.mark.parametrize("basis", [Basis.REPLY, Basis.SERVICE, Basis.PROACTIVE])
def test_ticket_and_acknowledgement_are_armed_side_by_side_and_what_counts_contacts_is_not(
    standing_world: World, basis: Basis
) -> None:
    """Two armings share a customer, unless one of them must see the slots that the other takes."""
    world = standing_world
    (customer,) = _customers(world, 1)
    world.put(a_message("mail", basis=basis), a_message("text", basis=basis, capability=SMS), customer_id=customer)
    rows, texts = world.reserve(MAIL), world.reserve(SMS)
    world.policy = UNCAPPED
    with world.database.write() as connection:
        assert _arm_in(connection, world, rows)
        window = world.arm(texts, SMS)
    assert [one.key for one in window.armed] == ([] if basis is Basis.PROACTIVE else ["text"])
    assert window.left == (texts if basis is Basis.PROACTIVE else [])


@pytest.mark.postgres
def test_arming_never_waits_for_a_customer_somebody_holds(standing_world: World) -> None:
    """Else a group of answers, which holds customers in any order, and a window could wait for each other."""
    world = standing_world
    held, free = _customers(world, 2)
    world.put(a_message("held", basis=Basis.REPLY), customer_id=held)
    world.put(a_message("free", basis=Basis.REPLY), customer_id=free)
    rows = world.reserve(MAIL)
    with world.database.write() as connection:
        people.touch(connection, held, now=NOON)
        window = world.arm(rows, MAIL)
    assert ([armed.key for armed in window.armed], [row.key for row in window.left]) == (["free"], ["held"])
    assert [armed.key for armed in world.arm(window.left, MAIL).armed] == ["held"]


@pytest.mark.postgres
@silences
def test_what_was_silenced_while_arming_waited_is_seen(
    standing_world: World, silence: Change, forbidden: tuple[Basis, ...]
) -> None:
    """Arming waits for its integration while the customer is silenced: it reads under its locks, not before."""
    world = standing_world
    (customer,) = _customers(world, 1)
    world.put(*(a_message(basis, basis=basis) for basis in forbidden[-1:]), customer_id=customer)
    rows = world.reserve(MAIL)
    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as connection:
            connection.execute(update(integration_state).values(latency_ms=1))
            arming = pool.submit(world.arm, rows, MAIL)
            assert _waits(arming)  # type: ignore[arg-type]
            with world.database.write() as other:
                silence(other, customer)
        assert arming.result(timeout=30).armed == []


@silences_and_cancellings
def test_nothing_silenced_is_armed_after_the_change(
    world: World, silence: Change, forbidden: tuple[Basis, ...]
) -> None:
    """P7. Both hold the customer's row, so a change counts, in its own transaction, what was armed before it."""
    world.policy = UNCAPPED
    customers = _customers(world, 16)
    for customer, basis, number in product(customers, OUTWARD, range(2)):
        world.put(a_message(f"{customer}-{basis}-{number}", basis=basis), customer_id=customer)
    over, together, armed_before = Event(), Barrier(5), {}

    def work(number: int) -> int:
        together.wait(timeout=30)
        return _work(world, f"w{number}", (MAIL,), over)

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, number) for number in range(4)]
        together.wait(timeout=30)
        for customer in random.sample(customers, len(customers)):
            with world.database.write() as connection:
                silence(connection, customer)
                armed_before[customer] = _armings(connection, customer, forbidden)
        over.set()
        armed = sum(worker.result(timeout=60) for worker in workers)
    with world.database.read() as connection:
        assert {customer: _armings(connection, customer, forbidden) for customer in customers} == armed_before
        allowed = sum(_armings(connection, customer, OUTWARD) for customer in customers)
    assert allowed == armed
    check_audit(world.database)


def test_a_stop_waits_for_the_arming_under_way_and_no_longer(world: World) -> None:
    world.put(a_message("m"), customer_id=world.customer())
    rows = world.reserve(MAIL)
    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as connection:
            assert _arm_in(connection, world, rows) == ["m"]
            stopped = pool.submit(stop, world.database, EVERYTHING, by="anna", reason="r", now=NOON)
            assert _waits(stopped)  # type: ignore[arg-type]
        assert stopped.result(timeout=30).changed


def test_arming_waits_for_the_stop_under_way_and_obeys(world: World) -> None:
    world.put(a_message("m"), customer_id=world.customer())
    rows = world.reserve(MAIL)

    def armed() -> list[str]:
        with world.database.write() as connection:
            return _arm_in(connection, world, rows)

    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as connection:
            connection.exec_driver_sql("UPDATE controls SET stopped = TRUE")
            arming = pool.submit(armed)
            assert _waits(arming)
        assert arming.result(timeout=30) == []
    assert world.state("m") is State.READY


def test_nothing_is_armed_after_the_kill_switch(world: World) -> None:
    """P14. Flipped at random times while four workers arm: what `stop` returned to find is all there is."""
    world.policy = UNCAPPED
    customers = _customers(world, 8)
    for customer, number in product(customers, range(12)):
        world.put(a_message(f"{customer}-{number}", basis=Basis.REPLY), customer_id=customer)
    over, together = Event(), Barrier(5)

    def work(number: int) -> int:
        together.wait(timeout=30)
        return _work(world, f"w{number}", (MAIL,), over)

    def total() -> int:
        with world.database.read() as connection:
            return sum(_armings(connection, customer, OUTWARD) for customer in customers)

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, number) for number in range(4)]
        together.wait(timeout=30)
        for _ in range(6):
            while total() < random.randrange(1 + 96 // 7) and State.READY in world.states().values():
                pass
            assert stop(world.database, EVERYTHING, by="anna", reason="r", now=NOON).changed
            at_the_stop = total()
            for _ in range(random.randrange(1, 8)):
                assert total() == at_the_stop
            assert start(world.database, EVERYTHING, by="anna", reason="r", now=NOON).changed
        over.set()
        assert sum(worker.result(timeout=60) for worker in workers) == 96
    assert len(world.rows("chain")) == 12


def test_flipping_it_twice_is_once(world: World) -> None:
    assert not start(world.database, EVERYTHING, by="anna", reason="r", now=NOON).changed
    assert stop(world.database, EVERYTHING, by="anna", reason="r", now=NOON).changed
    assert not stop(world.database, EVERYTHING, by="bert", reason="s", now=NOON).changed
    (row,) = world.rows("controls")
    assert (row.stopped, row.by) == (True, "anna")


@pytest.mark.parametrize("cap", [1, 3])
def test_the_cap_holds_for_eight_workers(world: World, cap: int) -> None:
    """P13. Two channels, many actions for each of a few customers, all at once."""
    world.policy = replace(POLICY, contact=replace(POLICY.contact, cap=FrequencyCap(contacts=cap, days=7)))
    customers = _customers(world, 5)
    for customer, capability, number in product(customers, (MAIL, SMS), range(4)):
        world.put(a_message(f"{customer}-{capability}-{number}", capability=capability), customer_id=customer)
    over, together = Event(), Barrier(8)
    over.set()

    def work(number: int) -> int:
        together.wait(timeout=30)
        return _work(world, f"w{number}", ((MAIL, SMS), (SMS, MAIL))[number % 2], over)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == cap * len(customers)
    sent = Counter(row.customer_id for row in world.rows("actions") if row.state == State.SENDING)
    assert sent == Counter(dict.fromkeys(customers, cap))
    assert State.CLAIMED not in world.states().values()
