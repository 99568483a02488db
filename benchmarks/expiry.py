"""Detection and planning of endings beside bare SQL that writes the same rows: actions, their evidence, their audit.

One in a hundred of the entitlements is about to end. In the same run: the bare insert-select and the bare look; a rerun
that finds nothing new, by its marks and over the whole window; memory; and, on SQLite, which has one writer at a time,
how long small writes of another process take meanwhile. One JSON line each.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from _databases import new_database_of
from _endings import bare_look, bare_plan, empty, fill, forget, settle
from _small_writes import small_writes
from _stack import HERE

from store.database import Database


def main() -> None:
    """Measure what the options ask for."""
    asked = _options()
    for kind in asked.databases:
        with new_database_of(kind) as url:
            database = Database(url)
            begun = time.perf_counter()
            fill(database, asked.rows)
            about = {"benchmark": "expiry", "database": kind, "rows": asked.rows}
            _say({**about, "what": "filled", "seconds": round(time.perf_counter() - begun, 1)})
            for line in _measure(database, url, asked.repeats):
                _say({**about, **line})
            database.close()


def _measure(database: Database, url: str, repeats: int) -> Iterator[dict[str, Any]]:
    bare, ours = [], []
    for _ in range(repeats):
        empty(database)
        bare.append(_timed(lambda: _bare_plan(database)))
        empty(database)
        ours.append(_planned(url))
    assert all(one["actions"] == bare[0]["rows_written"] for one in ours), "not the same rows"
    yield {"what": "bare insert-select", **_best(bare)}
    best = _best(ours)
    yield {"what": "detect and plan", **best, **_ratios(best, _best(bare))}
    settle(database)
    looks = [_timed(lambda: _bare_look(database)) for _ in range(repeats)]
    yield {"what": "bare look", **_best(looks)}
    for what, by_marks in (("rerun by its marks", True), ("rerun over the whole window", False)):
        reruns = []
        for _ in range(repeats):
            if not by_marks:
                forget(database)
            reruns.append(_planned(url))
        assert all(one["actions"] == 0 for one in reruns), "something was planned twice"
        yield {"what": what, **_best(reruns), **_ratios(_best(reruns), _best(looks))}
    if database.is_sqlite:
        empty(database)
        with small_writes(url) as told:
            time.sleep(5)
        yield {"what": "small writes alone", **told()}
        with small_writes(url) as told:
            _planned(url)
        yield {"what": "small writes meanwhile", **told()}


def _bare_plan(database: Database) -> dict[str, Any]:
    with database.write("bare") as connection:
        return {"rows_written": bare_plan(connection)}


def _bare_look(database: Database) -> dict[str, Any]:
    with database.read() as connection:
        return {"unplanned": bare_look(connection)}


def _timed(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    cpu, begun = time.process_time(), time.perf_counter()
    told = work()
    seconds = time.perf_counter() - begun
    return {"seconds": round(seconds, 3), "cpu_seconds": round(time.process_time() - cpu, 3), **told}


def _planned(url: str) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "_planner.py"), "--database", url]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def _best(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The one that the machine disturbed least, and how far the others were from it."""
    best = min(runs, key=lambda run: run["seconds"])
    return {**best, "seconds_of_all": [run["seconds"] for run in runs]}


def _ratios(ours: dict[str, Any], bare: dict[str, Any]) -> dict[str, Any]:
    """By the clock; and by the processor time of this side, which on SQLite is all there is."""
    return {
        "ratio": round(ours["seconds"] / bare["seconds"], 2),
        "cpu_ratio": round(ours["cpu_seconds"] / max(bare["cpu_seconds"], 0.001), 2),
    }


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="entitlements, one in a hundred due (10000000)")
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--repeats", type=int, default=3, help="times each is measured; the best counts (3)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
