"""Planning a journey beside putting its messages into words: one in ten of the enrolments is due now.

In the same run: a minute in which nobody is due; the planner (find, decide, write) and its memory; the same minute
again, with everybody planned still in the air; the planned messages made as the dispatcher makes them, and their words
alone by bare Jinja; then sent through a vendor that takes a hundred at a time. One JSON line each.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from _databases import new_database_of
from _drip import SECRET
from _enrolments import approve, fill_journey, planned, settle
from _stack import HERE, running_sink

from store.database import Database

BATCH = 100
CONNECTIONS = 128
IDLE_RUNS = 20


def main() -> None:
    """Measure what the options ask for."""
    asked = _options()
    for kind in asked.databases:
        with new_database_of(kind) as url:
            about = {"benchmark": "drip", "database": kind, "enrolments": asked.enrolments}
            for line in _measure(url, asked):
                _say({**about, **line, "load_average": round(os.getloadavg()[0], 2)})


def _measure(url: str, asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    database = Database(url)
    begun = time.perf_counter()
    fill_journey(database, asked.enrolments)
    yield {"what": "filled", "seconds": round(time.perf_counter() - begun, 1)}
    yield {"what": "an idle minute", **_run(url, "idle", IDLE_RUNS)}
    plan = _rates(_run(url, "plan"), "planned")
    assert plan["planned"] + plan["skipped"] == planned(database) == plan["due"], "not everybody, or somebody twice"
    approve(database)
    settle(database)
    again = _run(url, "plan")
    assert again["planned"] == again["due"] == 0, "somebody was planned twice"
    rendering = _run(url, "render", asked.rendered)
    ours, bare = (
        _rates({"messages": rendering["messages"], **rendering[which]}, "messages") for which in ("ours", "bare")
    )
    plan["times_as_long_as_rendering"] = round(ours["rows_per_cpu_second"] / plan["rows_per_cpu_second"], 2)
    yield {"what": "find, decide, write", **plan}
    yield {"what": "a minute with all of them in the air", **again}
    yield {"what": "messages made", **ours}
    yield {"what": "their words by bare Jinja", **bare}
    database.close()
    with running_sink() as sink:
        yield {"what": f"sent, {BATCH} a request", **_dispatch(url, sink, plan["planned"])}


def _run(url: str, what: str, count: int = 1) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "_drip.py"), "--database", url, "--what", what, "--count", str(count)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return told


def _rates(line: dict[str, Any], rows: str) -> dict[str, Any]:
    """By the clock, and by the processor time of this side."""
    return {
        **line,
        "rows_per_second": round(line[rows] / max(line["seconds"], 0.001)),
        "rows_per_cpu_second": round(line[rows] / max(line["cpu_seconds"], 0.001)),
    }


def _dispatch(url: str, sink: str, most: int) -> dict[str, Any]:
    orders = {"database": url, "sink": sink, "batch": BATCH, "connections": CONNECTIONS, "most": most}
    done = subprocess.run(
        [sys.executable, str(HERE / "_worker.py")],
        check=True,
        input=json.dumps({**orders, "link_secret": SECRET}) + "\ngo\n",
        stdout=subprocess.PIPE,
        text=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    return {**told, "rows_per_second": round(told["sent"] / told["seconds"])}


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enrolments", type=int, default=1_000_000, help="customers, one in ten due (1000000)")
    parser.add_argument("--rendered", type=int, default=20_000, help="how many messages are made (20000)")
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
