"""The proof's crash points: a process dies at each named place, once each; then twice; then for a poisonous row.

One JSON line a campaign and database (`finding.Finding`). `--only 0/arm.committed:3` does one job and shows its log.
"""

import argparse
import gc
import json
import multiprocessing
import random
import re
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))  # ledger_world, when this runs as a script

from crash_points_ground import Databases, Slot, prepared, slots
from crash_points_process import hurried_policy, warm_up
from crash_points_run import Job, Outcome, run, world_in
from crash_points_scenario import ANSWERS, ROTATIONS, TASKS
from finding import Finding

from domain.policy import Policy
from services.settings import ROOT

PART = "crash points"
_KINDS = ("sqlite", "postgresql")
_PROMISES = ["P1", "P2", "P3", "P5", "P6", "P16", "P17", "P21", "P22"]
_CAMPAIGNS = {
    "once": ("one death at each hit of each named place, the write classes in turn", _PROMISES),
    "twice": ("a second death while recovering from the first, a sample", _PROMISES),
    "poison": ("a row that kills whoever sends it, among healthy ones", ["P16", "P17", "P18", "P21", "P22"]),
}
_FORK = multiprocessing.get_context("fork")
_TRIES = 3  # a place may be reached less often in one run than in another: what waits for what is not always the same
_RARE = 2
_TELLING = frozenset(
    {"send.answered", "group.written", "record.written"}
)  # a sample has these: there most may go wrong
_POISONS = (TASKS[1], ANSWERS[1].due[1], ANSWERS[1].due[0])


@dataclass(frozen=True)
class Size:
    """How much is done for each database; seconds, of both together, are when no more is begun."""

    side_by_side: int
    rotations: Sequence[int]
    places: int | None  # None: every one
    pairs: int
    poisons: Sequence[tuple[int, str]]  # rotation, key
    seconds: float


FULL = Size(
    side_by_side=8,
    rotations=range(len(ROTATIONS)),
    places=None,
    pairs=40,
    poisons=[(turn, poison) for turn in range(len(ROTATIONS)) for poison in _POISONS],
    seconds=1500,  # twice what every place needs on two cores that have nothing else to do
)


def quick(seed: int) -> Size:
    """A sample, for every day."""
    turn = seed % len(ROTATIONS)
    poison = (turn % 2 * 3, TASKS[1])  # in a rotation whose vendor of tasks may be asked again and again
    return Size(side_by_side=8, rotations=[turn], places=5, pairs=3, poisons=[poison], seconds=90)


class Crew:
    """Processes that run jobs, each in a slot of its own. They have no threads, so that they may fork."""

    def __init__(self, places: Iterable[Slot], made: Mapping[str, Databases], rules: Policy) -> None:
        self._jobs, self._done = _FORK.SimpleQueue(), _FORK.SimpleQueue()
        self._members = [
            _FORK.Process(target=_member, args=(self._jobs, self._done, slot, made, rules)) for slot in places
        ]
        for member in self._members:
            member.start()

    def run(self, jobs: Iterable[Job], *, until: float) -> Iterator[tuple[Job, Outcome]]:
        """What came of each job, as it is known; nothing is begun after `until`."""
        waiting, under_way = iter(jobs), 0
        while True:
            while under_way < len(self._members) and time.monotonic() < until:
                if (job := next(waiting, None)) is None:
                    break
                self._jobs.put(json.dumps(asdict(job)))
                under_way += 1
            if not under_way:
                return
            told, said = json.loads(self._done.get())
            under_way -= 1
            yield Job(**told), Outcome(**said)

    def end(self) -> None:
        """Send them home."""
        for _ in self._members:
            self._jobs.put(None)
        for member in self._members:
            member.join(10)
            if member.is_alive():
                member.kill()


def _member(jobs: Any, done: Any, slot: Slot, made: Mapping[str, Databases], rules: Policy) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while (told := jobs.get()) is not None:
        job = Job(**json.loads(told))
        try:
            outcome = run(job, slot, made[job.database], rules)
        except Exception as problem:  # a harness that stumbles must not look like a promise kept
            outcome = Outcome(violations=[f"the harness failed: {type(problem).__name__}: {problem}"])
        done.put(json.dumps([asdict(job), asdict(outcome)]))


@dataclass
class Proof:
    """The campaigns, on all databases side by side: most of the time of a run is spent waiting for a lease."""

    crew: Crew
    size: Size
    seed: int
    kinds: Sequence[str]

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._until = time.monotonic() + self.size.seconds
        self._names: dict[str, set[str]] = {kind: set() for kind in self.kinds}  # at which a process died
        self._recovered: dict[Job, dict[str, int]] = {}  # where the process that recovered got to: it may die there
        self._found = {
            (campaign, kind): Finding(part=PART, what=what, promises=promises, seed=self.seed, database=kind)
            for campaign, (what, promises) in _CAMPAIGNS.items()
            for kind in self.kinds
        }

    def findings(self) -> Iterator[Finding]:
        """One for each campaign and database."""
        clean = [Job(kind, turn) for kind in self.kinds for turn in self.size.rotations]
        hits = {job: outcome.hits for job, outcome in self._run(clean, 0.2)}
        poisoned = [Job(kind, turn, poison=key) for kind in self.kinds for turn, key in self.size.poisons]
        self._die([*poisoned, *self._places(hits)], 0.85)
        self._die(self._pairs(), 1.0)
        for (campaign, kind), finding in self._found.items():
            if campaign == "once":
                finding.what += f" ({len(self._names[kind])} names)"
            if (
                campaign == "twice"
                and self.size is FULL
                and (never := sorted(places_in_the_code() - self._names[kind]))
            ):
                finding.not_covered.append(f"names at which nothing died: {', '.join(never)}")
            if missing := finding.points_known - finding.points_covered:
                finding.not_covered.append(f"{missing} places: not reached again, or no time was left")
            yield finding

    def _run(self, jobs: Sequence[Job], share: float) -> Iterator[tuple[Job, Outcome]]:
        """Do them, and count them; none is begun once this share of the time is over."""
        began = time.monotonic()
        for job, outcome in self.crew.run(jobs, until=self._until - self.size.seconds * (1 - share)):
            finding = self._found[job.campaign, job.database]
            _add(finding, job, outcome)
            finding.seconds = round(finding.seconds + time.monotonic() - began, 1)
            began = time.monotonic()
            yield job, outcome

    def _die(self, jobs: Sequence[Job], share: float) -> None:
        """Each job; and again, a few times, those whose place was not reached."""
        for job in jobs:
            self._found[job.campaign, job.database].points_known += job.place is not None
        left = list(jobs)
        for _ in range(_TRIES):
            missed = []
            for job, outcome in self._run(left, share):
                if job.place is not None and outcome.reached:
                    self._found[job.campaign, job.database].points_covered += 1
                    self._recovered[job] = outcome.hits
                    self._names[job.database] |= {_name(place) for place in (job.place, job.second) if place}
                elif not outcome.reached and not outcome.violations:
                    missed.append(job)
            left = missed

    def _places(self, hits: Mapping[Job, Mapping[str, int]]) -> list[Job]:
        """Every hit once, its rotation in turn, what is rare in all of them; or a sample, as many names as may be."""
        turns = len(self.size.rotations)
        jobs = [
            replace(clean, place=f"{name}:{number}")
            for clean, counted in sorted(hits.items(), key=lambda item: item[0].options)
            for name, count in sorted(counted.items())
            for number in range(1, count + 1)
            if turns == 1 or count <= _RARE or number % turns == clean.rotation
        ]
        self._chance.shuffle(jobs)
        if self.size.places is None:
            return jobs
        jobs.sort(key=lambda job: _name(str(job.place)) not in _TELLING)
        return self._sample(jobs, self.size.places, lambda job: job.place)

    def _pairs(self) -> list[Job]:
        """Places that a recovering process got to."""
        jobs = [
            replace(first, second=f"{name}:{self._chance.randint(1, count)}")
            for first, counted in self._recovered.items()
            for name, count in counted.items()
        ]
        self._chance.shuffle(jobs)
        return self._sample(jobs, self.size.pairs, lambda job: job.second)

    def _sample(self, jobs: Iterable[Job], count: int, place_of: Callable[[Job], str | None]) -> list[Job]:
        """So many for each database; no name a second time before every name was taken once."""
        by_name: dict[tuple[str, str], list[Job]] = defaultdict(list)
        for job in jobs:
            by_name[job.database, _name(str(place_of(job)))].append(job)
        rounds = [job for turn in zip_longest(*by_name.values()) for job in turn if job is not None]
        return [job for kind in self.kinds for job in [one for one in rounds if one.database == kind][:count]]


def _name(place: str) -> str:
    return place.partition(":")[0]


def _add(finding: Finding, job: Job, outcome: Outcome) -> None:
    finding.runs += 1
    finding.deaths += outcome.deaths
    finding.faults += Counter(outcome.faults)
    finding.effects_due += outcome.due
    finding.lost += len(outcome.lost)
    finding.doubled += len(outcome.doubled)
    finding.resent += outcome.resent
    finding.uncertain += outcome.opened
    finding.settled += outcome.settled
    finding.left_to_people += outcome.left_to_people
    finding.repeats_changed += outcome.repeats_changed
    finding.longest_recovery_seconds = round(max(finding.longest_recovery_seconds, outcome.recovery_seconds), 2)
    finding.violations += [f"{job.options}: {what}" for what in outcome.violations]


def places_in_the_code() -> set[str]:
    """Every name there is, whether or not the day gets there."""
    names: set[str] = set()
    for package in ("services", "store", "gateway"):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            for reached in re.findall(r"\breached\(([^)]+)\)", text):
                names.update(re.findall(r'"([a-z.-]+)"', reached))
            for transaction in re.findall(r'\.write\("([a-z-]+)"\)', text):
                names |= {f"{transaction}.written", f"{transaction}.committed"}
    return names


@contextmanager
def ground(kinds: Sequence[str], side_by_side: int) -> Iterator[tuple[list[Slot], Mapping[str, Databases], Policy]]:
    """Everything a run needs, and this process warm: whoever is forked from it has nothing to learn."""
    rules = hurried_policy()
    with ExitStack() as held:
        directory = Path(held.enter_context(TemporaryDirectory(prefix="handrail-crash-")))
        made = {kind: held.enter_context(prepared(kind, directory)) for kind in kinds}
        places = held.enter_context(slots(side_by_side, directory))
        for databases in made.values():
            with databases.fresh() as address:
                places[0].begin()
                warm_up(world_in(places[0], address, Job(databases.kind, 0)), rules)
        gc.collect()
        gc.freeze()
        yield places, made, rules


def main() -> int:
    """Run the campaigns; 0 also when they found violations: the report judges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=[*_KINDS, "both"], default="both")
    parser.add_argument("--quick", action="store_true", help="a sample")
    parser.add_argument("--only", metavar="ROTATION/NAME:N/NAME:N", help="one run, with its log")
    parser.add_argument("--poison", metavar="KEY", help="with --only: who sends this dies")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # given up: leave no sandbox and no PostgreSQL behind
    kinds = _KINDS if told.database == "both" else (told.database,)
    size = quick(told.seed) if told.quick else FULL
    with ground(kinds, 1 if told.only else size.side_by_side) as (places, made, rules):
        if told.only:
            rotation, *where = told.only.split("/", 2)
            job = Job(kinds[0], int(rotation), *where, poison=told.poison)
            outcome = run(job, places[0], made[job.database], rules)
            sys.stdout.write(f"{outcome}\n{(places[0].directory / 'log').read_text()}")
            return 0
        crew = Crew(places, made, rules)
        try:
            for finding in Proof(crew, size, told.seed, kinds).findings():
                finding.say()
        finally:
            crew.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
