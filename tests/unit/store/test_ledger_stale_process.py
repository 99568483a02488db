"""P15 with a real process: stopped past its lease and continued, it cannot write its result."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection as Pipe
from time import monotonic

import pytest
from ledger_world import ADDRESS, NOON, POLICY, World, a_plan, check_audit

from domain.actions import Capability, State
from store.database import Database
from store.ledger.arm import Target, arm
from store.ledger.record import record
from store.ledger.reserve import reserve
from store.ledger.rows import Result, Worker

CRM = Capability.CRM


def _other_process(url: str, pipe: Pipe) -> None:
    """Arm with a lease of a second, say so, and record `done` when told to; how many results were refused."""
    database, me = Database(url), Worker("the stopped one", "run-1")
    with database.write() as connection:
        rows = reserve(connection, capability=CRM, lane="normal", worker=me, lease_seconds=1, limit=9, now=NOON)
    target = Target("crm via fake", CRM, None, ADDRESS.get(CRM))
    with database.write() as connection:
        window = arm(connection, rows, target, worker=me, lease_seconds=1, policy=POLICY, now=NOON)
    pipe.send([armed.fence for armed in window.armed])
    pipe.recv()
    results = [Result(armed.id, armed.fence, State.DONE, external_id="stale") for armed in window.armed]
    with database.write() as connection:
        pipe.send(len(record(connection, results, integration=target.name, worker=me, now=NOON).refused))
    database.close()


@pytest.mark.process
@pytest.mark.slow
def test_a_process_stopped_past_its_lease_cannot_write_its_result(world: World) -> None:
    world.put(a_plan("a"), a_plan("b"))
    ours, theirs = multiprocessing.Pipe()
    url = world.database.url.render_as_string(hide_password=False)
    process = multiprocessing.get_context("spawn").Process(target=_other_process, args=(url, theirs))
    process.start()
    assert process.pid is not None
    try:
        assert ours.poll(30)
        assert ours.recv() == [1, 1]
        os.kill(process.pid, signal.SIGSTOP)
        swept, until = 0, monotonic() + 30
        while swept < 2 and monotonic() < until:
            swept += len(world.sweep())  # by the database's clock: not before the lease is over
        assert set(world.states().values()) == {State.UNCERTAIN}
        world.change("b", state=State.READY, lane="normal")
        (again,) = world.take(worker=Worker("the next one", "run-2"))
        before = world.states()
        os.kill(process.pid, signal.SIGCONT)
        ours.send("go on")
        assert ours.poll(30)
        assert ours.recv() == 2
        assert world.states() == before == {"a": State.UNCERTAIN, "b": State.SENDING}
        assert world.record(Result(again.id, again.fence, State.DONE, external_id="x")) == []
        assert [receipt.external_id for receipt in world.rows("receipts")] == ["x"]
        check_audit(world.database)
        process.join(30)
        assert process.exitcode == 0
    finally:
        process.kill()
