"""Endings under fire: four workers detect, plan, send and recover, and die at random and at named crash points.

`python tests/prove/ending_kills.py [--seed N] [--database sqlite|postgresql|both] [--kills N] [--quick]` prints one
Finding a campaign. Meanwhile entitlements come, are renewed, moved, cancelled. Judged by the sandbox's own record: at
most one task an occurrence, all that is due ended or visible, no more calls than the cap, no task left open.
"""

import argparse
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

sys.path.extend(str(Path(__file__).parents[1] / part) for part in ("", "process"))  # pytest finds these by itself

import json

from endings_world import EndingsWorld
from finding import Finding
from gateway_stack import Program, Shape, Stack
from kill_loops import CAP, LAG, LEASE, SWEEP, TIMEOUT, policy_of_these_hours
from kill_loops_load import count_unfinished, stubbornly
from kill_loops_postgres import postgres_server
from ledger_world import check_audit
from nursery import Nursery
from oracle import Effects
from sqlalchemy import Row

from domain.actions import FINAL, State
from domain.customers import Tier
from domain.entitlements import EntitlementKind, occurrence_after, occurrence_of
from store.database import Database, sqlite_url

WORKERS, CUSTOMERS, ENDINGS = 4, 30, 90
SLOW = 0.03
"""Seconds that every write takes at the vendor."""
CHANCE = 0.004
"""With which a worker dies at a crash point."""
PATIENCE = 90.0
"""Seconds without progress after which what is not over counts as stuck."""
ZONES = ("Europe/Warsaw", "Australia/Lord_Howe", "Pacific/Apia", "America/New_York")
KINDS = tuple(EntitlementKind)
LONGEST = {EntitlementKind.SUBSCRIPTION: 30, EntitlementKind.POLICY: 45, EntitlementKind.SUPPLY: 7}
"""Days, as in the shipped policy."""
PROMISES = ["P1", "P2", "P13", "P21", "P22"]
_KEY = re.compile(r"(expiry/[^/]+/[^/]+)/(task|call)")
_ADMITTED = {State.SKIPPED, State.NEEDS_HUMAN, State.FAILED, State.UNCERTAIN, State.READY, State.EXPIRED}
"""Of what stands so people see why; `ready` waits for its hour, or for the cap."""


@dataclass
class Campaign:
    """One stage and everything that happens on it."""

    stack: Stack
    world: EndingsWorld
    workers: list[Program]
    calm: Path
    chance: random.Random
    finding: Finding
    _customers: list[int] = field(default_factory=list)

    def run(self, kills: int) -> None:
        """Trouble until so many have died, then calm, then everything once more."""
        self._begin()
        while self.finding.deaths < kills:
            time.sleep(self.chance.uniform(0.05, 0.5))  # the moment is what is random here
            stubbornly(self._something_happens)
            if self.chance.random() < 0.4:
                victim = self.chance.choice(self.workers)
                victim.kill()
            self._raise_the_dead()
        self.calm.touch()
        self._settle("after the trouble")
        before = Effects.of(self.stack.record).counts()
        for worker in self.workers:
            worker.kill()
            worker.start()
        self.world.forget_marks()
        self._settle("after everything was looked at once more")
        after = Effects.of(self.stack.record).counts()
        self.finding.repeats_changed = sum((after - before).values())
        self._judge()

    def _begin(self) -> None:
        now = datetime.now(ZoneInfo("Europe/Warsaw"))
        awake = {"window_start": f"{now - timedelta(hours=2):%H:%M}", "window_end": f"{now + timedelta(hours=9):%H:%M}"}
        self._now()
        self.world.gate = self.world.pass_gate()
        for number in range(CUSTOMERS):
            made = self.world.customer(f"P-{number}", tier=list(Tier)[number % 3], consents=number % 5 != 0)
            self.world.set_customer(made, **awake)
            self._customers.append(made)
        for _ in range(ENDINGS):
            self._new()
        self.stack.slow(SLOW)
        for worker in self.workers:
            worker.start()

    def _something_happens(self) -> None:
        self._now()
        self.world.pass_gate()
        if self.chance.random() < 0.5:
            self._new()
            return
        row = self.chance.choice(self.world.rows("entitlements"))
        kind, today = EntitlementKind(row.kind), self.world.now.date()
        ends_on = today + timedelta(days=self.chance.choice([0, 2, 10, 400]))
        if kind is EntitlementKind.SUPPLY:
            bought = datetime.fromisoformat(row.occurrence.removeprefix("after-")).date() + timedelta(days=1)
            moved = {"ends_on": ends_on, "occurrence": occurrence_after(bought)}
        else:
            ends_on = max(ends_on, row.ends_on + timedelta(days=1))  # no ending comes back that was over
            moved = {"ends_on": ends_on, "renewed_from": row.ends_on}
        self.world.alter(row.ref, **self.chance.choice([moved, {"state": "cancelled"}, {"product": "Larger box"}]))
        self.finding.faults["an entitlement changed"] += 1

    def _new(self) -> None:
        number, kind = len(self.world.rows("entitlements")), self.chance.choice(KINDS)
        today = self.world.now.date()
        ends_on = today + timedelta(days=self.chance.randint(-1, LONGEST[kind] + 3))
        is_supply = kind is EntitlementKind.SUPPLY
        self.world.entitlement(
            f"E-{number}",
            customer_id=self.chance.choice(self._customers),
            kind=kind,
            ends_on=ends_on,
            time_zone=self.chance.choice(ZONES),
            occurrence=occurrence_after(today - timedelta(days=30)) if is_supply else occurrence_of(ends_on),
            at_risk_minor=self.chance.choice([10, 500, 5_000, 90_000]),
        )

    def _now(self) -> None:
        self.world.now = datetime.now(UTC)

    def _raise_the_dead(self) -> None:
        for worker in self.workers:
            if not worker.is_running:
                self.finding.deaths += 1
                worker.start()

    def _settle(self, when: str) -> None:
        """Until somebody has looked once more and nothing is left to machines; as long as there is progress."""
        since, least, deadline = datetime.now(UTC), -1, time.monotonic() + PATIENCE
        while (left := stubbornly(lambda: self._left(since))) != 0:
            self._raise_the_dead()
            if left != least:
                least, deadline = left, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                states = Counter(f"{row.kind} {row.state}" for row in self.stack.actions())
                self.finding.violations.append(f"P2: {left} rows are stuck {when}: {states}")
                return
            time.sleep(0.2)

    def _left(self, since: datetime) -> int:
        marks = self.world.rows("detection_marks")
        not_looked = sum(mark.looked_at <= since for mark in marks) + len(KINDS) - len(marks)
        return not_looked + count_unfinished(self.stack.database)

    def _judge(self) -> None:
        finding = self.finding
        effects, rows = Effects.of(self.stack.record), self.stack.actions()
        owners = {row.ref: row.customer_id for row in self.world.rows("entitlements")}
        of_ending: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in rows:
            of_ending[start_of(row.key)].append(row)
        told = {start_of(key) for key in effects.made}
        needed = due(self.world)
        finding.effects_due = len(needed)
        for key, count in effects.counts().items():
            if key.endswith("/task") and count > 1:
                finding.doubled += 1
                finding.violations.append(f"P1: {key} was made {count} times")
        for start in sorted(needed - told):
            stands = {row.state for row in of_ending[start]}
            if stands & _ADMITTED:
                finding.left_to_people += 1
            else:
                finding.lost += 1
                finding.violations.append(f"P2: {start} came to nothing: {stands}")
        calls = Counter(owners[key.split("/")[1]] for key in effects.made if "/call/" in key)
        finding.violations += [
            f"P13: customer {who} was called {count} times" for who, count in calls.items() if count > CAP
        ]
        finding.violations += self._open_tasks(effects, {row.key: row for row in rows})
        finding.uncertain = sum(row.state == State.UNCERTAIN for row in rows)
        try:
            check_audit(self.stack.database)
        except AssertionError as problem:
            finding.violations.append(f"P21: {problem}")

    def _open_tasks(self, effects: Effects, rows: dict[str, Row[Any]]) -> list[str]:
        """Tasks in the record about what is not needed any more, that are neither closed there nor admitted."""
        recorded = map(json.loads, self.stack.record.read_text().splitlines())
        closed = {effect["key"] for effect in recorded if effect["effect"] == "closed"}
        admitted = {key.removesuffix("/close") for key, row in rows.items() if row.state not in FINAL}
        over = self._not_needed()
        tasks = {key for key in effects.made if key.endswith("/task") and start_of(key) in over}
        return [f"P2: {key} stays open, though it is needed no more" for key in sorted(tasks - closed - admitted)]

    def _not_needed(self) -> set[str]:
        """Endings that were renewed, moved or cancelled."""
        present = {
            f"expiry/{row.ref}/{row.occurrence}" for row in self.world.rows("entitlements") if row.state == "active"
        }
        return {start_of(row.key) for row in self.stack.actions()} - present


def start_of(key: str) -> str:
    """The ending that an action is about: the beginning of its key."""
    found = _KEY.match(key)
    return found.group(1) if found else key


def due(world: EndingsWorld) -> set[str]:
    """The beginnings of the keys of all that is due now, by the plainest reading of the rules."""
    found = set()
    for row in world.rows("entitlements"):
        left = (row.ends_on - datetime.now(ZoneInfo(row.time_zone)).date()).days
        is_over = left < (-60 if row.kind == EntitlementKind.SUPPLY else 0)
        if row.state == "active" and not is_over and left <= LONGEST[EntitlementKind(row.kind)]:
            found.add(f"expiry/{row.ref}/{row.occurrence}")
    return found


@contextmanager
def staged(seed: int, kind: str) -> Iterator[Campaign]:
    """A campaign ready to run, in a directory of its own; everything ended afterwards, whatever happened."""
    with TemporaryDirectory(prefix="handrail-endings-") as name, _database(kind, Path(name)) as database:
        directory, programs, nursery = Path(name), list[Program](), Nursery()
        policy, calm = directory / "policy.yaml", directory / "calm"
        policy.write_text(policy_of_these_hours(), encoding="utf-8")
        shape = Shape(LEASE, SWEEP, TIMEOUT, {"crm": "C", "voice": ""}, "", LAG, policy)
        try:
            stack = Stack.start(directory, database, programs, 0, shape)
            dying = [str(Path(__file__).with_name("ending_kills_worker.py")), "worker", str(CHANCE), str(calm)]
            logs = [directory / f"worker-{number}.log" for number in range(WORKERS)]
            workers = [nursery.program(dying, stack.environment, log) for log in logs]
            programs += workers
            what = "four workers that detect, plan, send and recover die at crash points and at random"
            finding = Finding("endings", what, PROMISES, seed, kind, runs=1)
            yield Campaign(stack, EndingsWorld(database), workers, calm, random.Random(seed), finding)
        finally:
            for program in programs:
                program.clean_up()
            nursery.close()
            database.close()


@contextmanager
def _database(kind: str, directory: Path) -> Iterator[Database]:
    if kind == "sqlite":
        yield Database(sqlite_url(directory / "handrail.db"))
        return
    with postgres_server() as server:
        yield Database(server.url)


def campaign(seed: int, database: str, kills: int) -> Finding:
    """Run one."""
    began = time.monotonic()
    with staged(seed, database) as running:
        running.run(kills)
        running.finding.seconds = round(time.monotonic() - began, 1)
        return running.finding


def main() -> int:
    """One line a campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--kills", type=int, help="processes that die in each campaign")
    parser.add_argument("--quick", action="store_true")
    told = parser.parse_args()
    for database in ["sqlite", "postgresql"] if told.database == "both" else [told.database]:
        campaign(told.seed, database, told.kills or (10 if told.quick else 60)).say()
    return 0


if __name__ == "__main__":
    sys.exit(main())
