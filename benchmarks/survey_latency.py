"""From a critical answer to its ticket and its mail: how long, at 5, 50 and 200 a second, with Prefect up and down.

The whole stack runs on this machine, started here in a temporary directory. Beside each rate the same answers go to a
bare handler which makes the same two calls and records nothing: the floor. One JSON line each.
"""

import argparse
import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from _stack import Stack, get, running_floor, running_stack, send

LISTS = ("tickets", "mail")
"""The two effects of a critical answer."""

WARM_UP = 20
"""Answers sent before anything is measured: the first of a process pay for what is cached afterwards."""

_DRAIN_SECONDS = 300.0
_QUIET_SECONDS = 3.0
"""Longer than the gateway's sweep: whoever sends twice has done so by then."""


@dataclass(frozen=True, slots=True)
class Run:
    """One rate at one door."""

    system: str  # handrail | floor
    name: str  # begins every customer's ref of the run
    rate: float
    deliveries: list[dict[str, Any]]
    ended: float
    """Epoch seconds of the last planned delivery."""
    load: float
    """The machine's load average when the run began: what else was going on."""


def main() -> None:
    """Measure what the options ask for."""
    options = _options()
    for with_prefect in (False,) if options.skip_prefect else (True, False):
        with running_stack(with_prefect=with_prefect, database=options.database, base=options.ports) as stack:
            runs = _measure(stack, options.rates, options.seconds)
            effects = _effects(stack)
        for run in runs:
            kind = options.database.partition(":")[0].partition("+")[0] or "sqlite"
            line = {"benchmark": "survey_latency", "prefect": with_prefect, "database": kind, **_line(run, effects)}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def _measure(stack: Stack, rates: Sequence[float], seconds: float) -> list[Run]:
    """Every rate: first the floor, then Handrail."""
    runs = []
    with running_floor(stack) as floor:
        for system, door in (("floor", floor), ("handrail", stack.gateway)):
            _run(stack, system, door, rate=WARM_UP, seconds=1)
        for rate in rates:
            for system, door in (("floor", floor), ("handrail", stack.gateway)):
                _say(f"{system}: {rate:g} a second for {seconds:g} s")
                runs.append(_run(stack, system, door, rate=rate, seconds=seconds))
        time.sleep(_QUIET_SECONDS)
    return runs


def _run(stack: Stack, system: str, door: str, *, rate: float, seconds: float) -> Run:
    name = f"{system}-{uuid.uuid4().hex[:12]}"
    before, load = _received(stack), os.getloadavg()[0]
    orders = {"run": name, "url": f"{door}/webhooks/standard", "secret": stack.webhook_secret}
    deliveries = send({**orders, "rate": rate, "seconds": seconds})
    _drain(stack, {kind: count + len(deliveries) for kind, count in before.items()})
    return Run(system, name, rate, deliveries, max(delivery["planned"] for delivery in deliveries), load)


def _drain(stack: Stack, expected: dict[str, int]) -> None:
    """Wait until every effect is there; what is missing after minutes counts as lost."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while any(_received(stack)[kind] < expected[kind] for kind in LISTS):
        if time.monotonic() > deadline:
            _say("effects are missing")
            return
        time.sleep(0.2)


def _received(stack: Stack) -> dict[str, int]:
    return {kind: int(get(f"{stack.sandbox}/{kind}?latest=1")[0]["X-Total-Count"]) for kind in LISTS}


def _effects(stack: Stack) -> dict[str, dict[str, list[float]]]:
    """List → customer → when each of their effects was received (epoch seconds, cut to milliseconds)."""
    effects: dict[str, dict[str, list[float]]] = {kind: {} for kind in LISTS}
    for kind in LISTS:
        for item in json.loads(get(f"{stack.sandbox}/{kind}")[1]):
            at = datetime.fromisoformat(item["received_at"]).timestamp()
            effects[kind].setdefault(item["customer_ref"], []).append(at)
    return effects


def _line(run: Run, effects: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    both, last = [], run.ended
    counts: Counter[str] = Counter()
    for delivery in run.deliveries:
        received = [effects[kind].get(delivery["customer_ref"], []) for kind in LISTS]
        counts["not_accepted"] += delivery["status"] != 202
        counts["lost"] += sum(not at for at in received)
        counts["doubled"] += sum(len(at) - 1 for at in received if at)
        if all(received):
            done = max(at[0] for at in received)
            both.append(done - delivery["planned"])
            last = max(last, done)
    answered = [delivery["answered"] for delivery in run.deliveries if delivery["answered"] is not None]
    return {
        "system": run.system,
        "rate_per_second": run.rate,
        "answers": len(run.deliveries),
        **_milliseconds("both_effects", both, {"p50": 50, "p95": 95, "p99": 99, "max": 100}),
        **_milliseconds("answered", answered, {"p50": 50, "p99": 99}),
        **{name: counts[name] for name in ("lost", "doubled", "not_accepted")},
        "drained_after_seconds": round(last - run.ended, 3),
        **_milliseconds("sender_late", [delivery["late"] for delivery in run.deliveries], {"p99": 99}),
        "load_average": round(run.load, 2),
        "cores": os.cpu_count(),
    }


def _milliseconds(name: str, seconds: Iterable[float], percents: dict[str, int]) -> dict[str, float | None]:
    """Percentiles by nearest rank; None when there is nothing to rank."""
    ranked = sorted(seconds)
    return {
        f"{name}_{word}_ms": round(1000 * ranked[max(0, -(-percent * len(ranked) // 100) - 1)], 1) if ranked else None
        for word, percent in percents.items()
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=_positive, default=20.0, help="how long each rate lasts (20)")
    parser.add_argument("--rates", type=_positive, nargs="+", default=[5.0, 50.0, 200.0], help="answers a second")
    parser.add_argument("--skip-prefect", action="store_true", help="only without Prefect")
    parser.add_argument("--database", default="", metavar="URL", help="a PostgreSQL database; else a new SQLite file")
    parser.add_argument("--ports", type=int, metavar="BASE", help="the first of three ports; else free ones")
    return parser.parse_args()


def _positive(told: str) -> float:
    number = float(told)
    if not 0 < number <= 10_000:
        raise argparse.ArgumentTypeError(f"{told} is not more than 0 and at most 10000")
    return number


def _say(what: str) -> None:
    sys.stderr.write(f"survey_latency: {what}\n")


if __name__ == "__main__":
    main()
