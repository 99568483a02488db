"""One process of the installation: a gateway with its urgent loop, and what the flows do beside it.

It is the only thing that reads HANDRAIL_CRASH_AT ("arm.committed:3": dies the third time it gets there).
"""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

import httpx
from crash_points_outside import EVENTS, SECRET, Outside, World
from crash_points_scenario import CAPABILITIES, ROTATIONS, SOURCE
from ledger_world import hasten
from sqlalchemy import select

from data_contracts.policy import load_policy
from domain.actions import FINAL, Capability, State
from domain.policy import Policy
from gateway.app import create_app
from integrations.ports import WRITES
from integrations.registry import Configured, Roster, load_roster
from services.recovery import sweep
from services.settings import ROOT, Settings
from services.wiring import Handrail
from store import crash_points
from store.database import Database
from store.ledger.rows import actions

VARIABLE = "HANDRAIL_CRASH_AT"
LEASE, SWEEP, TIMEOUT = 1.0, 0.2, 0.4
AT_REST, NOT_AT_REST, POISONED = 0, 3, 9
"""How a process ends that is not killed."""

_LONGEST = 90.0  # seconds that one process may need until nothing is left to do
_LAST_MOMENT = 0.1
"""Seconds that a process goes on with one of its threads held before a commit: whoever believes too early is heard."""
_PEOPLE = (State.NEEDS_HUMAN, State.FAILED)
_POLICY_FILE = ROOT / "deployments" / "policy.yaml"


class CrashAt:
    """Counts every place the process gets to, and kills it at one of them."""

    def __init__(self, place: str | None) -> None:
        name, _, number = (place or "").rpartition(":")
        self._name, self._number = name, int(number or 0)
        self._gate = Lock()
        self.hits: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        with self._gate:
            self.hits[name] += 1
            is_the_end = name == self._name and self.hits[name] == self._number
        if is_the_end:
            if name.endswith(".written"):
                time.sleep(_LAST_MOMENT)
            os.kill(os.getpid(), signal.SIGKILL)


def hurried_policy() -> Policy:
    """The policy as shipped, with the shortest waits that it allows."""
    shipped = load_policy(_POLICY_FILE.read_text(encoding="utf-8"), str(_POLICY_FILE))
    return replace(
        shipped,
        breaker=replace(shipped.breaker, open_after_failures=2, probe_seconds=1, probe_longest_seconds=1),
        retry=replace(shipped.retry, first_seconds=1, longest_seconds=1),
    )


def fork(world: World, events: str, rules: Policy, place: str | None = None, hits: Path | None = None) -> int:
    """Begin a process that lives through `events`; its process id. With `place`, it dies there.

    The caller must have no threads. `hits` is where it writes how often it got to each place, once at rest.
    """
    child = os.fork()
    if child:
        return child
    if place is not None:
        os.environ[VARIABLE] = place
    _live(world, events, rules, hits)


def _live(world: World, events: str, rules: Policy, hits: Path | None) -> NoReturn:
    end = NOT_AT_REST
    try:
        log = os.open(world.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)
        crash_at = CrashAt(os.environ.get(VARIABLE))
        crash_points.watch(crash_at)
        end = asyncio.run(_work(world, events, rules))
        if hits is not None:
            hits.write_text(json.dumps(crash_at.hits))
    except BaseException:
        logging.exception("the process ended")
    finally:
        os._exit(end)


def warm_up(world: World, rules: Policy) -> None:
    """A day in this very process, for what it learns by it; it ends with no threads and no event loop."""
    logging.disable()
    asyncio.run(_work(world, "the day", rules))
    logging.disable(logging.NOTSET)


async def _work(world: World, events: str, rules: Policy) -> int:
    """Live through the events, and on until nothing is left to do."""
    handrail = _handrail(world, rules)
    app = create_app(lambda: handrail)
    async with asyncio.timeout(_LONGEST), app.router.lifespan_context(app):
        flows = asyncio.create_task(_flows(world, handrail))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            await EVENTS[events](Outside(world, handrail, client))
        while not await asyncio.to_thread(is_at_rest, handrail.database):
            await asyncio.sleep(0.1)
        flows.cancel()
    return AT_REST


async def _flows(world: World, handrail: Handrail) -> None:
    """What `recovery-sweep` and `dispatch-actions` do, run after run."""
    while True:
        try:
            began = world.now()
            await sweep(handrail, run="recovery-sweep")
            with world.sweeps.open("a") as sweeps:
                sweeps.write(f"{began.isoformat()} {world.now().isoformat()}\n")
            for capability in CAPABILITIES:
                await handrail.dispatcher.run_once(capability=capability, run="dispatch-actions")
        except Exception:
            logging.exception("a run of the flows failed; the next one goes on")
        await asyncio.sleep(SWEEP)


def is_at_rest(database: Database) -> bool:
    """True when nothing is left to do but by people; what waits for an action that people have, waits for them too."""
    with database.read() as connection:
        rows = connection.execute(select(actions.c.id, actions.c.state, actions.c.after_id)).all()
    return not {row.id for row in rows if row.state not in FINAL} - with_people(rows)


def with_people(rows: Iterable[Any]) -> set[int]:
    """The ids of the actions that people have, and of what must come after those."""
    held = {row.id for row in rows if row.state in _PEOPLE}
    while more := {row.id for row in rows if row.state == State.READY and row.after_id in held} - held:
        held |= more
    return held


def _handrail(world: World, rules: Policy) -> Handrail:
    settings = Settings.model_validate(
        {
            "data": _data(world),
            "database_url": world.database,
            "lease_seconds": LEASE,
            "sweep_seconds": SWEEP,
            "urgent_windows": 2,
        }
    )
    roster = load_roster(_roster(world), {"TOKEN": "sandbox", "SECRET": SECRET}, lease_seconds=LEASE)
    if world.poison is not None:
        roster = Roster([_poisoned(configured, world.poison) for configured in roster], roster.intakes)
    return Handrail(settings, hasten(Database(world.database)), rules, roster, clock=world.now)


def _roster(world: World) -> str:
    sections = [
        f"{capability}: {{vendor: sandbox, url: '{world.sandbox}', token: '${{TOKEN}}', write_class: {write_class}, "
        f"timeout_seconds: {TIMEOUT}, search_lag_seconds: 0.2, connections: 8, batch: {_batch(capability, world)}}}"
        for capability, write_class in ROTATIONS[world.rotation].items()
    ]
    return "\n".join([*sections, f"survey_intake: {{{SOURCE}: {{vendor: standard, secrets: ['${{SECRET}}']}}}}"])


def _data(world: World) -> Path:
    """Where deaths are proven; in half of the rotations as on machines that share none, and the lease must run out."""
    return world.data if world.rotation < len(ROTATIONS) // 2 else world.data / str(os.getpid())


def _batch(capability: Capability, world: World) -> int:
    """In every other rotation, vendors that take batches get them."""
    return 10 if world.rotation % 2 and capability is not Capability.TICKETING else 1


class _Poisoned:
    """A port that kills its process when it is to write one key."""

    def __init__(self, port: Any, writes: Iterable[str], poison: str) -> None:
        self._port, self._writes, self._poison = port, frozenset(writes), poison

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._port, name)

        async def write(value: Any, *, key: str) -> Any:
            if key == self._poison:
                os._exit(POISONED)
            return await operation(value, key=key)

        async def write_batch(of: str, items: Sequence[tuple[str, Any]]) -> Any:
            if any(key == self._poison for key, _ in items):
                os._exit(POISONED)
            return await operation(of, items)

        return write_batch if name == "write_batch" else write if name in self._writes else operation


def _poisoned(configured: Configured, poison: str) -> Configured:
    return replace(configured, port=_Poisoned(configured.port, WRITES[configured.capability], poison))
