"""One process that dispatches: orders as a JSON line on stdin, `ready`, a line to begin, its figures as a JSON line."""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from _ready import NOON

from data_contracts.policy import load_policy
from domain.actions import Capability
from handrail.flow_run import prepare
from integrations.registry import Roster, load_roster
from services.settings import Settings
from services.wiring import Handrail
from store.database import Database


def roster(sink: str, batch: int, connections: int) -> Roster:
    """The sink as the mail provider, as fast as it goes."""
    mail: dict[str, Any] = {"vendor": "sandbox", "url": sink, "token": "${TOKEN}", "rate_per_second": None}
    mail |= {"connections": connections} | ({"batch": batch} if batch > 1 else {})
    return load_roster(yaml.safe_dump({"mail": mail}), {"TOKEN": "bench"})


def cpu_seconds() -> float:
    """Of this process and its threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """Most memory this process ever held; where /proc is missing, as the system counts it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


async def _work(orders: dict[str, Any]) -> dict[str, Any]:
    told = {"database_url": orders["database"], "link_secret": orders.get("link_secret", "")}
    settings = Settings.model_validate(told)
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    serving = roster(orders["sink"], orders["batch"], orders["connections"])
    async with Handrail(settings, Database(orders["database"]), policy, serving, clock=lambda: NOON) as handrail:
        _say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        before, cpu, began, sent = peak_mb(), cpu_seconds(), time.monotonic(), 0
        while sent < orders["most"]:
            report = await handrail.dispatcher.run_once(
                capability=Capability.MAIL, run="bench", limit=min(orders["most"] - sent, 5_000)
            )
            assert set(report.counts) <= {"done"}, report.words()
            if not report.taken:
                break
            sent += report.done
        return {
            "sent": sent,
            "seconds": time.monotonic() - began,
            "cpu": cpu_seconds() - cpu,
            "memory_before_mb": before,
            "memory_peak_mb": peak_mb(),
        }


def _say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    prepare()  # as the process of a flow run is
    _say(json.dumps(asyncio.run(_work(json.loads(sys.stdin.readline())))))
