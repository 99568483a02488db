"""The ledger in virtual time: what is due is reserved, armed with every re-check and recorded, and nobody is contacted.

In place of a vendor stands one that says yes at once. Many instants are worked through together, each action at its
own: customers are independent of each other, and one customer's actions come one after the other.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain import recheck
from domain.actions import Capability, State
from domain.policy import Policy
from integrations.declaration import integration_name
from services.dispatch import ADDRESS
from services.sending import CannotSay, Sender
from store import virtual
from store.database import Database
from store.integrations import register
from store.ledger.arm import Target, arm
from store.ledger.record import record
from store.ledger.reserve import is_waiting, reserve
from store.ledger.rows import Armed, Reserved, Result, Worker

_log = logging.getLogger("services.dispatch")

RUN = "simulation"
"""Who plans and sends, as the simulation's own database says it."""

_VENDOR = "simulation"
_ROWS = 2_000
"""Reserved and armed together; nobody else waits for this database."""

_LEASE_SECONDS = 3_600.0
_LANES = ("urgent", "normal")


@dataclass(frozen=True, slots=True)
class _Nobody:
    """Where calls would go; they are prepared, and never made."""

    port: Any = None


@dataclass
class VirtualDispatch:
    """Sends for a simulation. `served`: the capabilities that somebody is configured for; the others' actions wait."""

    database: Database
    policy: Policy
    sender: Sender
    served: Collection[Capability]
    put_off: dict[int, list[tuple[datetime, str]]] = field(default_factory=dict)
    """When arming deferred an action, until when and why; by its id, in order."""
    speechless: Counter[str] = field(default_factory=Counter)
    """What could not be put into words, and how often."""

    def __post_init__(self) -> None:
        self._worker = Worker(RUN, RUN)
        self._loop = asyncio.Runner()
        self._outdated = 0
        self._said: dict[tuple[str, Capability, str | None], str | None] = {}
        self._targets = {
            capability: Target(integration_name(capability, _VENDOR), capability, None, ADDRESS.get(capability))
            for capability in self.served
        }

    def open(self, *, now: datetime) -> None:
        """Say who serves what. Once a database."""
        with self.database.write("register") as connection:
            for target in self._targets.values():
                register(connection, target.name, target.capability, _VENDOR, now=now)

    def close(self) -> None:
        """Give back what it holds."""
        self._loop.close()

    def send(self, *, since: datetime, before: datetime) -> int:
        """Perform what is due before an instant, and nothing of it before `since`; how many rows moved."""
        moved = 0
        for target in self._targets.values():
            for lane in _LANES:
                while rows := self._reserved(target, lane, before):
                    moved += len(rows)
                    while rows:
                        rows = self._through(rows, target, since)
        return moved

    def take_outdated(self) -> int:
        """How many actions wait to be planned anew since this was asked last."""
        found, self._outdated = self._outdated, 0
        return found

    def _reserved(self, target: Target, lane: str, before: datetime) -> list[Reserved]:
        now = before - timedelta(microseconds=1)
        with self.database.read() as connection:
            if not is_waiting(connection, capability=target.capability, lane=lane, due_by=now):
                return []
        with self.database.write("reserve") as connection:
            return reserve(
                connection,
                capability=target.capability,
                lane=lane,
                worker=self._worker,
                lease_seconds=_LEASE_SECONDS,
                limit=_ROWS,
                now=now,
            )

    def _through(self, rows: Sequence[Reserved], target: Target, since: datetime) -> list[Reserved]:
        """Arm, prepare and record a window; what is left for the next one."""
        with self.database.write("arm") as connection:
            window = arm(
                connection,
                rows,
                target,
                worker=self._worker,
                lease_seconds=_LEASE_SECONDS,
                policy=self.policy,
                now=since,
                each_when_due=True,
            )
            due = virtual.due(connection, [row.id for row in rows])
            results = [self._sent(action, due[action.id]) for action in window.armed]
            if results:
                record(connection, results, integration=target.name, worker=self._worker, now=since)
            virtual.over_when_due(connection, [row.id for row in rows])
        ids = {row.key: row.id for row in rows}
        self._outdated += sum(isinstance(verdict, recheck.Replan) for _, verdict in window.moved)
        for key, verdict in window.moved:
            if isinstance(verdict, recheck.Defer):
                self.put_off.setdefault(ids[key], []).append((verdict.until, verdict.reason))
        return window.left

    def _sent(self, action: Armed, due_at: datetime) -> Result:
        problem = self._problem(action)
        if problem is None:
            return Result(action.id, action.fence, State.DONE, external_id=action.key)
        self.speechless[problem] += 1
        return Result(action.id, action.fence, State.FAILED, reason=problem, due_at=due_at)

    def _problem(self, action: Armed) -> str | None:
        """What keeps it from being put into words; asked once for all that say the same in one language."""
        language = action.customer.language if action.customer else None
        alike = (str(action.payload), action.capability, language)
        if alike not in self._said:
            try:
                self._loop.run(self._prepared(action))
                self._said[alike] = None
            except CannotSay as problem:
                self._said[alike] = str(problem)
            except Exception as problem:  # as the dispatcher does: one that makes no sense spoils nobody else
                _log.exception("%s: could not be prepared", action.key)
                self._said[alike] = f"could not be prepared: {type(problem).__name__}"
        return self._said[alike]

    async def _prepared(self, action: Armed) -> None:
        await self.sender.prepare(action, _Nobody())
