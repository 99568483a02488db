"""Simulations: what a journey would do to customers, without contacting anyone; many of them in two processes."""

import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

from data_contracts.journeys import JourneyFile
from services.publishing import publish_journeys, publish_templates
from services.simulated import Simulated, merged
from services.simulation_input import Entrant, Fed
from services.virtual_world import Trial, World
from store.database import Database, sqlite_url
from store.migrate import upgrade
from templates.library import Template

_FEW = 500
"""Customers for whom a second process does not pay."""


def simulate(
    file: JourneyFile,
    templates: Sequence[Template],
    trial: Trial,
    entrants: Sequence[Entrant],
    feed: Sequence[Fed],
    *,
    processes: int = 2,
) -> Simulated:
    """What the journey would do to these customers, of whom each is activated at their time.

    Customers are independent of each other: with many, each process has its share of them and a database of its own.
    """
    parts = processes if len(entrants) > _FEW else 1
    people: list[list[Entrant]] = [[] for _ in range(parts)]
    told: list[list[Fed]] = [[] for _ in range(parts)]
    for entrant in entrants:
        people[_share(entrant.ref, parts)].append(entrant)
    for fed in feed:
        told[_share(fed.ref, parts)].append(fed)
    with tempfile.TemporaryDirectory(prefix="handrail-simulation-") as name:
        directory = Path(name)
        _prepare(directory / "first.db", file, templates, trial)
        paths = [directory / f"part-{number}.db" for number in range(parts)]
        for path in paths:
            shutil.copyfile(directory / "first.db", path)
        if parts == 1:
            return _part(trial, people[0], told[0], paths[0])
        with ProcessPoolExecutor(parts, mp_context=get_context("spawn")) as pool:
            return merged(list(pool.map(_part, [trial] * parts, people, told, paths)))


def _share(ref: str, parts: int) -> int:
    return crc32(ref.encode()) % parts


def _prepare(path: Path, file: JourneyFile, templates: Sequence[Template], trial: Trial) -> None:
    """An empty database that knows this journey alone, and the wordings."""
    database = Database(sqlite_url(path), is_kept=False)
    try:
        upgrade(database)
        publish_templates(database, templates, now=trial.began)
        publish_journeys(database, [file], now=trial.began)
    finally:
        database.close()


def _part(trial: Trial, entrants: Sequence[Entrant], feed: Sequence[Fed], path: Path) -> Simulated:
    world = World(trial, Database(sqlite_url(path), is_kept=False), path.parent)
    try:
        world.let_in(entrants)
        world.run([*(entrant.activation() for entrant in entrants), *feed])
        return world.told(entrants)
    finally:
        world.close()
