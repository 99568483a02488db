"""Any history of the ledger, a journey or reviews keeps the promises: Hypothesis, seed after seed, on a virtual clock.

What fails is printed with its seed and the shortest history that shows it, and the seed is kept in
tests/property/seeds.json, which `tests/property/test_ledger_seeds.py` runs for ever.
"""

import argparse
import logging
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from finding import Finding
from hypothesis.errors import HypothesisWarning

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "property")]

from embedded_postgres import embedded_server  # noqa: E402 - a script finds them only now
from journey_runs import USUAL, run_journeys  # noqa: E402
from ledger_runs import Place, Seed, on_postgresql, on_sqlite, run_histories  # noqa: E402
from ledger_tally import Tally  # noqa: E402
from review_runs import USUAL as USUAL_OF_REVIEWS  # noqa: E402
from review_runs import run_reviews  # noqa: E402

from store.database import Database, sqlite_url  # noqa: E402
from store.migrate import upgrade  # noqa: E402

PROMISES = ["P1", "P2", "P3", "P4", "P6", "P7", "P12", "P13", "P14", "P15", "P16", "P17", "P19", "P21", "P22", "P27"]
JOURNEY_PROMISES = ["P3", "P4", "P7", "P13", "P14", "P16", "P17", "P21", "P26"]
REVIEW_PROMISES = ["P9", "P10", "P11", "P12", "P14", "P16", "P17", "P21"]
EXAMPLES, STEPS = 25, 50
"""Histories a seed, and steps a history at most: half a minute on a busy machine, a minute to shrink what fails."""
QUICK_EXAMPLES, QUICK_STEPS = 6, 40


@contextmanager
def place_on(database: str) -> Iterator[Place]:
    """Where histories run."""
    if database == "sqlite":
        with TemporaryDirectory(prefix="handrail-histories-", ignore_cleanup_errors=True) as directory:
            template = Path(directory) / "template.db"
            _migrate(sqlite_url(template))
            yield on_sqlite(template, Path(directory))
        return
    with embedded_server() as server:
        _migrate(server.get_uri())
        with on_postgresql(server.get_uri(), "postgres") as place:
            yield place


def _migrate(address: str) -> None:
    opened = Database(address)
    upgrade(opened)
    if opened.is_sqlite:
        with opened.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    opened.close()


def search(database: str, *, seed: int, seconds: float, examples: int, steps: int) -> Finding:
    """Seed after seed until the time is over, one at least; what failed goes on being looked for elsewhere."""
    what = f"any order of what people, vendors, processes and clocks do, {steps} steps at most, from an empty ledger"
    finding = Finding("histories", what, PROMISES, seed, database)
    began, tally = time.monotonic(), Tally()
    with place_on(database) as place:
        while True:
            try:
                with redirect_stdout(sys.stderr):  # what Hypothesis prints is for people
                    ran = run_histories(place, examples=examples, steps=steps, seed=seed)
                finding.runs += ran.histories
                finding.steps += ran.steps
                tally.update(ran.tally)
            except Exception as problem:
                traceback.print_exc()
                Seed(database, seed, steps, examples).keep()
                finding.violations.append(f"seed {seed} on {database}: {type(problem).__name__}: {problem}"[:600])
            seed += 1
            if time.monotonic() - began >= seconds:
                break
    finding.did = tally.in_order()
    finding.deaths, finding.stops = tally["died holding something"], tally["slept past its lease"]
    finding.not_covered = [f"never happened: {kind}" for kind in tally.never()]
    finding.seconds = round(time.monotonic() - began, 1)
    return finding


def search_journeys(database: str, *, seed: int, seconds: float, examples: int, steps: int) -> Finding:
    """The same for what customers go through in a journey."""
    what = f"any order of events, clocks, planners and workers, {steps} steps at most, for four customers of a journey"
    finding = Finding("histories", what, JOURNEY_PROMISES, seed, database)
    return _search_of("journeys", run_journeys, USUAL, finding, seconds=seconds, examples=examples, steps=steps)


def search_reviews(database: str, *, seed: int, seconds: float, examples: int, steps: int) -> Finding:
    """The same for what people decide."""
    what = f"any order of plans, words, deaths, vendors and clocks, {steps} steps at most, for nine customers' letters"
    finding = Finding("histories", what, REVIEW_PROMISES, seed, database)
    usual = USUAL_OF_REVIEWS
    return _search_of("reviews", run_reviews, usual, finding, seconds=seconds, examples=examples, steps=steps)


def _search_of(
    of: str,
    run: Callable[..., Any],
    usual: frozenset[str],
    finding: Finding,
    *,
    seconds: float,
    examples: int,
    steps: int,
) -> Finding:
    database, seed = finding.database, finding.seed
    began, did = time.monotonic(), Counter[str]()
    with place_on(database) as place:
        while True:
            try:
                with redirect_stdout(sys.stderr):
                    ran = run(place, examples=examples, steps=steps, seed=seed)
                finding.runs += ran.histories
                finding.steps += ran.steps
                did.update(ran.did)
            except Exception as problem:
                traceback.print_exc()
                Seed(database, seed, steps, examples, of).keep()
                finding.violations.append(f"{of}, seed {seed} on {database}: {type(problem).__name__}: {problem}"[:600])
            seed += 1
            if time.monotonic() - began >= seconds:
                break
    finding.did = dict(sorted(did.items()))
    finding.deaths = did["died holding something"]
    finding.not_covered = [f"never happened: {kind}" for kind in sorted(usual - did.keys())]
    finding.seconds = round(time.monotonic() - began, 1)
    return finding


SEARCHES = {"ledger": search, "journeys": search_journeys, "reviews": search_reviews}


def main(arguments: Sequence[str] | None = None) -> None:
    """Search for as long as asked and print what was found, a line a database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5, help="how long in all (5)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--of", choices=(*SEARCHES, "all"), default="ledger", help="whose (ledger)")
    parser.add_argument("--quick", action="store_true", help="one seed of a few histories on each database")
    asked = parser.parse_args(arguments)
    logging.disable(logging.WARNING)  # every death and every lost answer warns, as it should
    warnings.simplefilter("ignore", HypothesisWarning)  # about the length of what it might print
    databases = ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]
    searches = list(SEARCHES.values()) if asked.of == "all" else [SEARCHES[asked.of]]
    for database, find in product(databases, searches):
        if asked.quick:
            find(database, seed=asked.seed, seconds=0, examples=QUICK_EXAMPLES, steps=QUICK_STEPS).say()
        else:
            seconds = asked.minutes * 60 / len(databases) / len(searches)
            find(database, seed=asked.seed, seconds=seconds, examples=EXAMPLES, steps=STEPS).say()


if __name__ == "__main__":
    main()
