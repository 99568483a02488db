"""One rate of critical answers at one door, and what became of them: shared by the benchmarks of answers."""

import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from _stack import Stack, get, send

LISTS = ("tickets", "mail")
"""The two effects of a critical answer."""

WARM_UP = 20
"""Answers sent before anything is measured: the first of a process pay for what is cached afterwards."""

_DRAIN_SECONDS = 300.0
QUIET_SECONDS = 3.0
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


def run_rate(stack: Stack, system: str, door: str, *, rate: float, seconds: float) -> Run:
    """Send at a rate, and wait until every effect is there."""
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
            say("effects are missing")
            return
        time.sleep(0.2)


def _received(stack: Stack) -> dict[str, int]:
    return {kind: int(get(f"{stack.sandbox}/{kind}?latest=1")[0]["X-Total-Count"]) for kind in LISTS}


def effects_of(stack: Stack) -> dict[str, dict[str, list[float]]]:
    """List → customer → when each of their effects was received (epoch seconds, cut to milliseconds)."""
    effects: dict[str, dict[str, list[float]]] = {kind: {} for kind in LISTS}
    for kind in LISTS:
        for item in json.loads(get(f"{stack.sandbox}/{kind}")[1]):
            at = datetime.fromisoformat(item["received_at"]).timestamp()
            effects[kind].setdefault(item["customer_ref"], []).append(at)
    return effects


def line_of(run: Run, effects: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
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


def print_line(line: dict[str, Any]) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def say(what: str) -> None:
    """To whoever watches."""
    sys.stderr.write(f"{what}\n")
