"""The highest rate of critical answers that is sustained with Prefect up, and how long an answer takes at half of it.

A rate is sustained when, over its time, nothing is refused, lost or doubled, ticket and mail of 99 in 100 answers are
received within the promised second, and the last of them within a second of the last answer. Beside it, in the same
run: the highest rate of a bare handler that commits one row and makes the same two calls, so what this machine, its
sender and its stand-in for vendors leave at all; and at half of our rate that handler, and one that commits nothing.
And what the ledger's own statements cost an answer when the bare driver runs them, with nothing else of ours. One JSON
line each.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _databases import embedded_postgresql
from _latency import QUIET_SECONDS, WARM_UP, effects_of, line_of, print_line, run_rate, say
from _stack import HERE, Stack, running_floor, running_sink, running_stack

PROMISED_MS = 1000.0
_COMMITTING = "floor with one committed row"
_FINER = 1.12
"""The search ends when the lowest rate that failed is at most so many times the highest that was sustained."""


def main() -> None:
    """Measure what the options ask for."""
    options = _options()
    for database in options.databases:
        for gateways in options.gateways:
            with (
                _address(database) as address,
                running_stack(
                    with_prefect=not options.skip_prefect, database=address, base=None, gateways=gateways
                ) as stack,
            ):
                said = {"prefect": not options.skip_prefect, "database": database, "gateways": gateways}
                half = _search(stack, options.start, options.most, options.seconds, said)
        _least(database, half, options.seconds)


def _search(stack: Stack, start: float, most: float, seconds: float, said: dict[str, Any]) -> float:
    """Measure one stack; half of the highest rate it sustained."""
    run_rate(stack, "handrail", stack.gateway, rate=WARM_UP, seconds=1)
    best = _highest(stack, "handrail", stack.gateway, start, most, seconds, said)
    half = max(1.0, best / 2)
    with tempfile.TemporaryDirectory(prefix="handrail-floor-") as directory, _address(said["database"]) as address:
        commit = address or f"sqlite:///{Path(directory) / 'floor.db'}"
        with running_floor(stack, commit=commit) as floor:
            bare = _highest(stack, _COMMITTING, floor, max(start, best), most, seconds, said)
        for system, row in (("floor", ""), (_COMMITTING, commit)):
            with running_floor(stack, commit=row) as floor:
                line = _measured(stack, system, floor, half, seconds)
            print_line({"benchmark": "survey_rate", "step": "half", **said, **line})
    line = _measured(stack, "handrail", stack.gateway, half, 2 * seconds)
    print_line(
        {"benchmark": "survey_rate", "step": "half", **said, **line}
        | {"highest_sustained_per_second": best, "floor_highest_sustained_per_second": bare}
    )
    return half


def _least(database: str, rate: float, seconds: float) -> None:
    """What an answer costs at this rate in one process by itself, and what the ledger's statements alone cost."""
    with (
        tempfile.TemporaryDirectory(prefix="handrail-least-") as directory,
        _address(database) as one,
        _address(database) as other,
        running_sink() as sink,
    ):
        orders = {
            "rehearsal": one or f"sqlite:///{Path(directory) / 'one.db'}",
            "database": other or f"sqlite:///{Path(directory) / 'other.db'}",
            "data": directory,
            "sink": sink,
            "rate": rate,
            "answers": round(rate * seconds),
        }
        command = [sys.executable, str(HERE / "_survey_least.py")]
        told = subprocess.run(command, input=json.dumps(orders).encode(), stdout=subprocess.PIPE, check=True)
    print_line({"benchmark": "survey_rate", "step": "least", "database": database, **json.loads(told.stdout)})


def _highest(
    stack: Stack, system: str, door: str, start: float, most: float, seconds: float, said: dict[str, Any]
) -> float:
    """The highest rate that was sustained, to within the fineness of the search; 0.0 when none was."""
    best, failed, rate = 0.0, None, start
    while best < most and (failed is None or failed > best * _FINER) and rate >= 1:
        line = _measured(stack, system, door, rate, seconds)
        print_line({"benchmark": "survey_rate", "step": "search", **said, **line})
        if _is_sustained(line):
            best = rate
            rate = min(most, best * 1.5) if failed is None else (best + failed) / 2
        else:
            failed = rate
            rate = (best + failed) / 2 if best else failed / 2
    return best


def _measured(stack: Stack, system: str, door: str, rate: float, seconds: float) -> dict[str, Any]:
    say(f"survey_rate: {system}: {rate:.0f} a second for {seconds:g} s")
    run = run_rate(stack, system.partition(" ")[0], door, rate=rate, seconds=seconds)
    time.sleep(QUIET_SECONDS)
    return {**line_of(run, effects_of(stack)), "system": system}


def _is_sustained(line: dict[str, Any]) -> bool:
    is_whole = line["lost"] == line["doubled"] == line["not_accepted"] == 0
    return bool(is_whole and line["both_effects_p99_ms"] <= PROMISED_MS and line["drained_after_seconds"] <= 1.0)


@contextmanager
def _address(database: str) -> Iterator[str]:
    """Empty for SQLite: a new file of the stack's own."""
    if database == "sqlite":
        yield ""
        return
    with embedded_postgresql() as address:
        yield address


def _options(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each rate lasts (6)")
    parser.add_argument("--start", type=float, default=150.0, help="answers a second to begin with (150)")
    parser.add_argument("--most", type=float, default=2000.0, help="no more than so many (2000)")
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--gateways", type=int, nargs="+", default=[1], help="gateway processes on the port (1)")
    parser.add_argument("--skip-prefect", action="store_true", help="without Prefect")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
