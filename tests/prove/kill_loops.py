"""kill -9 and SIGSTOP, at random moments, over four workers and the gateway; PostgreSQL crashed and restarted.

`python tests/prove/kill_loops.py [--seed N] [--database sqlite|postgresql|both] [--kills N] [--quick]` prints one
Finding a campaign. Meanwhile answers come in, tasks and messages are planned, customers withdraw, and the kill switch
is flipped. Leases are of a second and the vendor is a little slow, so that deaths fall inside sends.
"""

import argparse
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

sys.path.extend(str(Path(__file__).parents[1] / part) for part in ("", "process"))  # pytest finds these by itself

import httpx
from finding import Finding
from gateway_stack import Program, Sender, Shape, Stack, check_answers, signed
from kill_loops_judge import (
    Halt,
    Judged,
    judge_answers,
    judge_audit,
    judge_halts,
    judge_load,
    judge_unasked,
    standing,
)
from kill_loops_load import Load, count_unfinished, stubbornly
from kill_loops_postgres import PostgresServer, postgres_server
from nursery import Nursery
from oracle import Effects

from data_contracts.policy import load_policy
from domain.controls import EVERYTHING
from services.controls import start, stop
from services.settings import ROOT
from store.database import Database, sqlite_url

WORKERS = 4
LEASE, SWEEP, TIMEOUT, LAG = 1.0, 0.2, 0.45, 0.4
SLOW = 0.06
"""Seconds that every write takes at the vendor."""
CAP = 3
ANSWERS, PLANS = 12.0, 40.0
"""A second."""
NOISE = 3.0
"""Seconds that a busy machine may add to a lease and a sweep before a row counts as stuck."""
PATIENCE = 60.0
"""Seconds without any progress after which what is not over counts as stuck."""
_BREATH = 3.0
"""Seconds that the next trouble waits at most for something to have gone out since the last."""

CLASSES: Mapping[str, Mapping[str, str]] = {
    "B, B, D": {"crm": "B", "ticketing": "B", "mail": "D"},
    "C, A, C": {"crm": "C", "ticketing": "A", "mail": "C"},
    "A, C, A": {"crm": "A", "ticketing": "C", "mail": "A"},
}
"""What the vendors of tasks, tickets and mail promise."""
PROMISES = ["P1", "P2", "P3", "P5", "P6", "P7", "P13", "P14", "P15", "P16", "P17", "P21", "P22"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign."""

    seed: int
    database: str
    classes: str
    deaths: int
    stops: int
    halts: int
    restarts: int
    """Of PostgreSQL: every second one a crash."""


@dataclass
class Campaign:
    """One stage and everything that happens on it."""

    plan: Plan
    stack: Stack
    workers: list[Program]
    load: Load
    sender: Sender
    postgres: PostgresServer | None
    finding: Finding
    halts: list[Halt] = field(default_factory=list)
    outages: list[tuple[datetime, datetime]] = field(default_factory=list)
    """When nothing could be sent, whoever lived."""
    asleep: list[threading.Timer] = field(default_factory=list)
    slowest_start: float = 0.0
    """Seconds; meanwhile there may be nobody who sweeps."""
    _others: list[threading.Thread] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def chance(self) -> random.Random:
        """For the main line of events; threads have their own."""
        return self._chance

    def __post_init__(self) -> None:
        self._chance = random.Random(self.plan.seed)

    def run(self) -> None:
        """From the first answer to rest, and once more from the top."""
        self._begin()
        self._trouble()
        self._over.set()
        self.sender.stop()
        self.load.stop()
        for other in self._others:
            other.join(90)
        for timer in self.asleep:
            timer.join()
        httpx.delete(f"{self.stack.sandbox_url}/faults").raise_for_status()
        self._settle("after the trouble")
        before = Effects.of(self.stack.record).counts()
        self._once_more()
        after = Effects.of(self.stack.record).counts()
        self.finding.repeats_changed = sum((after - before).values())
        self._judge()

    def _begin(self) -> None:
        self.stack.slow(SLOW)
        for worker in self.workers:
            worker.start()
        for work in (self.sender.run, self.load.run, self._withdrawals):
            self._others.append(threading.Thread(target=work, name=work.__qualname__))
            self._others[-1].start()

    def _trouble(self) -> None:
        """Deaths, stops, halts and restarts in random order."""
        plan = self.plan
        incidents: list[Callable[[], None]] = (
            [self._stop_one] * plan.stops + [self._halt] * plan.halts + [self._restart_postgres] * plan.restarts
        )
        while self.finding.deaths < plan.deaths or incidents:
            self._take_breath()
            self._look_for_the_dead()
            to_die = max(0, plan.deaths - self.finding.deaths)
            if self.chance.random() * (len(incidents) + to_die) < len(incidents):
                incidents.pop(self.chance.randrange(len(incidents)))()
            else:
                self._kill()

    def _take_breath(self) -> None:
        """Until something went out, and a random moment longer: trouble is to meet work, also on a slow machine."""
        before, deadline = self.stack.record.stat().st_size, time.monotonic() + _BREATH
        while self.stack.record.stat().st_size == before and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(self.chance.uniform(0.02, 0.5))  # the moment is what is random here

    def _kill(self) -> None:
        dice = self.chance.random()
        if dice < 0.2:
            victims = [self.stack.gateways[0]]
        elif dice < 0.3:
            victims = list(self.workers)
        else:
            victims = self.chance.sample(self.workers, 1 if dice < 0.8 else 2)
        for victim in victims:
            victim.kill()
            self.finding.deaths += 1
        began = time.monotonic()
        for victim in victims:
            victim.start()
        self.slowest_start = max(self.slowest_start, time.monotonic() - began)

    def _stop_one(self) -> None:
        """Past its lease; the others go on meanwhile, and may be killed. Whoever is asleep may die of it, too."""
        sleeper = self.chance.choice([*self.workers, *self.workers, self.stack.gateways[0]])
        sleeper.signal(signal.SIGSTOP)
        self.finding.stops += 1
        timer = threading.Timer(LEASE + self.chance.uniform(0.3, 1.0), sleeper.signal, [signal.SIGCONT])
        timer.start()
        self.asleep.append(timer)

    def _halt(self) -> None:
        """The kill switch on for a while."""
        database, began = self.stack.database, datetime.now(UTC)
        flip = {"by": "on call", "reason": "trouble"}
        stubbornly(lambda: stop(database, EVERYTHING, **flip, now=datetime.now(UTC)))
        armed, under_way, first_audit = stubbornly(lambda: standing(database))
        first_byte = self.stack.record.stat().st_size
        time.sleep(self.chance.uniform(0.3, 1.2))
        last_byte = self.stack.record.stat().st_size
        _, _, last_audit = stubbornly(lambda: standing(database))
        stubbornly(lambda: start(database, EVERYTHING, **flip, now=datetime.now(UTC)))
        self.halts.append(Halt(armed, under_way, first_byte, last_byte, first_audit, last_audit))
        self.outages.append((began, datetime.now(UTC)))
        self.finding.faults["kill switch on"] += 1

    def _restart_postgres(self) -> None:
        """A crash or a stop in order, a while without it, and back; the gateway says 503 and goes on by itself."""
        assert self.postgres is not None
        mode = (
            "immediate"
            if self.finding.faults["PostgreSQL crashed"] <= self.finding.faults["PostgreSQL stopped"]
            else "fast"
        )
        began = datetime.now(UTC)
        self.postgres.stop(mode)
        self.finding.faults["PostgreSQL crashed" if mode == "immediate" else "PostgreSQL stopped"] += 1
        self._knock(expected=503)
        time.sleep(self.chance.uniform(0.1, 1.0))
        self.postgres.start()
        self._knock(expected=202)
        self.outages.append((began, datetime.now(UTC)))

    def _knock(self, *, expected: int) -> None:
        """Deliver something of no consequence until the gateway answers as expected; never a 2xx while it cannot."""
        body, deadline = b'{"type": "nothing of ours"}', time.monotonic() + 60
        heard: list[object] = []
        while time.monotonic() < deadline:
            headers = signed(f"knock-{self.plan.seed}-{time.monotonic_ns()}", body)
            try:
                answer = httpx.post(
                    f"{self.stack.urls[0]}/webhooks/standard", content=body, headers=headers, timeout=10
                )
            except httpx.TransportError as problem:
                heard.append(type(problem).__name__)
            else:
                heard.append(answer.status_code)
                if answer.status_code == expected:
                    break
                if expected == 503 and answer.is_success:
                    self.finding.violations.append("P5: 2xx while PostgreSQL was away")
            if heard[-1] == "ReadTimeout" and not any(timer.is_alive() for timer in self.asleep):
                self.finding.violations.append("the gateway hung while PostgreSQL was away")
            time.sleep(0.05)
        else:
            self.finding.violations.append(f"the gateway did not answer {expected}: {Counter(heard)}")

    def _look_for_the_dead(self) -> None:
        """Nobody may end but by our hand."""
        for program in (*self.workers, *self.stack.gateways):
            if not program.is_running:
                self.finding.violations.append(f"a process ended by itself: {program.said[-600:]}")
                program.start()

    def _withdrawals(self) -> None:
        chance = random.Random(self.plan.seed + 1)
        while not self._over.wait(chance.uniform(0.1, 0.9)):
            self.load.withdraw(chance)
            self.finding.faults["a customer withdrew"] += 1

    def _settle(self, when: str) -> None:
        """Until nothing is left to machines; as long as there is progress."""
        least, deadline = None, time.monotonic() + PATIENCE
        while left := stubbornly(lambda: count_unfinished(self.stack.database)):
            self._look_for_the_dead()
            if least is None or left < least:
                least, deadline = left, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                states = Counter(f"{row.state}/{row.lane}" for row in self.stack.actions())
                self.finding.violations.append(f"P2: {left} rows are stuck {when}: {states}")
                return
            time.sleep(0.1)

    def _once_more(self) -> None:
        """P22: everybody restarted, everything delivered and planned again."""
        everybody = [*self.workers, *self.stack.gateways]
        for program in everybody:
            program.kill()
            self.finding.deaths += 1
        for program in everybody:
            program.start()
        self.sender.repeat_everything()
        self.load.repeat_everything()
        self._settle("after everything was repeated")

    def _judge(self) -> None:
        finding, database = self.finding, self.stack.database
        effects = Effects.of(self.stack.record)
        rows = {row.key: row for row in self.stack.actions()}
        judged: Judged = judge_load(self.load, effects, rows, CAP)
        told = check_answers(effects.made, self.sender, rows)
        judge_answers(told, judged)
        unheard = {key for key in effects.made if self.sender.may_have_asked_for(key)}
        judged.violations += judge_unasked(effects, {*self.load.due, *told.due, *unheard})
        judged.violations += judge_halts(self.halts, self.stack.record, database)
        found, moved, longest = judge_audit(database)
        judged.violations += found + self.sender.complaints
        outage = max(((ends - began).total_seconds() for began, ends in self.outages), default=0.0)
        # A stopped process may hold SQLite's only lock for as long as it is stopped.
        bound = LEASE + SWEEP + (LEASE + 1.0) + outage + self.slowest_start + NOISE
        if longest > bound:
            judged.violations.append(f"P16: a row was `sending` for {longest:.1f} s, {bound:.1f} allowed")
        finding.effects_due = len(self.load.due) + len(told.due)
        finding.lost, finding.doubled = judged.lost, judged.doubled
        finding.resent, finding.left_to_people = judged.resent, judged.left_to_people
        finding.uncertain = sum(count for move, count in moved.items() if move.endswith("→ uncertain"))
        finding.settled = moved["uncertain → ready"] + moved["uncertain → done"]
        finding.longest_recovery_seconds = round(
            max((self._delay(*delay) for delay in told.delays.values()), default=0.0), 2
        )
        finding.faults["stale result refused"] = sum(
            program.said.count("its lease ran out and was refused") for program in (*self.workers, *self.stack.gateways)
        )
        finding.violations += judged.violations

    def _delay(self, heard: datetime, made: datetime) -> float:
        """From the 2xx, or the end of the last outage in between, to the effect; in seconds."""
        ends = [end for began, end in self.outages if began < made and heard < end < made]
        return (made - max([heard, *ends])).total_seconds()


@contextmanager
def staged(plan: Plan) -> Iterator[Campaign]:
    """A campaign ready to run, in a directory of its own; everything ended afterwards, whatever happened."""
    with TemporaryDirectory(prefix="handrail-kills-") as name, _database(plan, Path(name)) as (database, postgres):
        directory, programs = Path(name), list[Program]()
        policy = directory / "policy.yaml"
        policy.write_text(policy_of_these_hours(), encoding="utf-8")
        shape = Shape(LEASE, SWEEP, TIMEOUT, CLASSES[plan.classes], "", LAG, policy)
        nursery = Nursery()
        try:
            stack = Stack.start(directory, database, programs, 1, shape, nursery.program)
            workers = [_worker(nursery, stack, directory, number) for number in range(1, WORKERS + 1)]
            programs += workers
            load = Load(database, load_policy(policy.read_text(encoding="utf-8"), "policy"), plan.seed, PLANS)
            load.begin()
            finding = Finding("kill -9", _words(plan), PROMISES, plan.seed, plan.database, runs=1)
            yield Campaign(plan, stack, workers, load, Sender(stack.urls, plan.seed, ANSWERS), postgres, finding)
        finally:
            for program in programs:
                program.clean_up()
            nursery.close()
            database.close()


@contextmanager
def _database(plan: Plan, directory: Path) -> Iterator[tuple[Database, PostgresServer | None]]:
    if plan.database == "sqlite":
        yield Database(sqlite_url(directory / "handrail.db")), None
        return
    with postgres_server() as server:
        yield Database(server.url), server


def _worker(nursery: Nursery, stack: Stack, directory: Path, number: int) -> Program:
    script = str(Path(__file__).with_name("kill_loops_worker.py"))
    return nursery.program([script, f"worker-{number}"], stack.environment, directory / f"worker-{number}.log")


def policy_of_these_hours() -> str:
    """The shipped policy with its night on the other side of the clock: what is shown here holds at any hour."""
    shipped = (ROOT / "deployments" / "policy.yaml").read_text(encoding="utf-8")
    night = datetime.now(ZoneInfo("Europe/Warsaw")) + timedelta(hours=12)
    changes = {
        "{starts: 20:00, ends: 08:00}": f"{{starts: {night:%H:%M}, ends: {night + timedelta(minutes=1):%H:%M}}}",
        "contacts: 3, days: 7": f"contacts: {CAP}, days: 7",
        "probe_seconds: 5 ": "probe_seconds: 1 ",
        "probe_longest_seconds: 60": "probe_longest_seconds: 2",
        "first_seconds: 2": "first_seconds: 1",
        "longest_seconds: 300": "longest_seconds: 5",
    }
    for old, new in changes.items():
        assert old in shipped, f"the shipped policy does not say {old!r} any more"
        shipped = shipped.replace(old, new)
    return shipped


def _words(plan: Plan) -> str:
    restarts = f", PostgreSQL restarted {plan.restarts} times" if plan.restarts else ""
    return (
        f"four workers and the gateway killed and stopped under load{restarts}; "
        f"tasks, tickets and mail of classes {plan.classes}"
    )


def campaign(plan: Plan) -> Finding:
    """Run one."""
    began = time.monotonic()
    with staged(plan) as running:
        running.run()
        running.finding.seconds = round(time.monotonic() - began, 1)
        return running.finding


def plans(seed: int, databases: list[str], *, quick: bool, kills: int | None) -> list[Plan]:
    """What is run: both configurations on each database; in the quick cut one on each."""
    other = {"sqlite": "C, A, C", "postgresql": "A, C, A"}
    found = []
    for database in databases:
        restarts = 0 if database == "sqlite" else 1 if quick else 4
        for number, classes in enumerate(["B, B, D"] if quick else ["B, B, D", other[database]]):
            deaths = kills if kills is not None else 8 if quick else 40
            found.append(Plan(seed + number, database, classes, deaths, 1 if quick else 6, 1 if quick else 3, restarts))
    return found


def main() -> int:
    """One line a campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--kills", type=int, help="processes to kill in each campaign")
    parser.add_argument("--quick", action="store_true")
    told = parser.parse_args()
    databases = ["sqlite", "postgresql"] if told.database == "both" else [told.database]
    for plan in plans(told.seed, databases, quick=told.quick, kills=told.kills):
        campaign(plan).say()
    return 0


if __name__ == "__main__":
    sys.exit(main())
