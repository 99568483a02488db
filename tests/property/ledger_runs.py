"""Histories of one seed on one kind of database; and the databases they run on."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import hypothesis
import psycopg
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from ledger_machine import LedgerMachine
from ledger_tally import Tally
from ledger_world import empty, hasten
from sqlalchemy.engine import make_url

from store.database import Database, sqlite_url

SEEDS = Path(__file__).with_name("seeds.json")
"""Seeds that failed once; `test_ledger_seeds.py` runs them for ever."""


@dataclass(frozen=True, slots=True)
class Seed:
    """Enough to run the same histories again, as long as the rules are the same."""

    database: str
    seed: int
    steps: int
    examples: int
    of: str = "ledger"  # or `journeys`, `reviews`

    def keep(self) -> None:
        """Add it to those that are run for ever."""
        seeds = [*kept_seeds(), self]
        lines = ",\n".join(f"  {json.dumps(asdict(one))}" for one in dict.fromkeys(seeds))
        SEEDS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def kept_seeds() -> list[Seed]:
    """All that failed once."""
    return [Seed(**one) for one in json.loads(SEEDS.read_text(encoding="utf-8"))]


Fresh = Callable[[], Database]


@dataclass(frozen=True, slots=True)
class Place:
    """Where histories run: each from an empty database, which may be forgotten after it."""

    fresh: Fresh
    forget: Callable[[Database], None]


def on_sqlite(template: Path, directory: Path) -> Place:
    """A new file each time, a copy of a migrated one; it is removed after its history."""
    numbers = count()

    def make() -> Database:
        path = directory / f"{next(numbers)}.db"
        path.write_bytes(template.read_bytes())
        return hasten(Database(sqlite_url(path)))

    def forget(database: Database) -> None:
        database.close()
        for file in directory.glob(f"{Path(database.url.database or '').name}*"):
            file.unlink()

    return Place(make, forget)


@contextmanager
def on_postgresql(server: str, template: str) -> Iterator[Place]:
    """One database, emptied before each history."""
    name = f"machine_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    database = Database(make_url(server).set(database=name).render_as_string(hide_password=False))

    def make() -> Database:
        empty(database)
        return database

    yield Place(make, lambda database: None)
    database.close()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True, slots=True)
class Ran:
    """What happened in the histories of one run."""

    histories: int
    steps: int
    tally: Tally


def run_histories(place: Place, *, examples: int, steps: int, seed: int | None = None) -> Ran:
    """Run so many histories. Raises what did not hold, with the shortest history that shows it in its notes."""

    class Machine(LedgerMachine):
        fresh = staticmethod(place.fresh)
        forget = staticmethod(place.forget)
        ran = Ran(0, 0, Tally())

        def ended(self) -> None:
            ran = type(self).ran
            ran.tally.update(self.house.tally)
            type(self).ran = Ran(ran.histories + 1, ran.steps + self.house.steps, ran.tally)

    run_machine(Machine, examples=examples, steps=steps, seed=seed)
    return Machine.ran


def run_machine(machine: type[RuleBasedStateMachine], *, examples: int, steps: int, seed: int | None) -> None:
    """Run a state machine through so many histories of so many steps; the same ones for the same seed."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=seed is None and settings().derandomize,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(machine if seed is None else hypothesis.seed(seed)(machine), settings=chosen)
