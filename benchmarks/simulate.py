"""A simulation of the onboarding journey: 10,000 customers over 30 days, in two processes. One JSON line.

Customers live in four time zones and speak three languages; nine of ten allow mail. They are activated at any minute of
the first days (`--spread-days`), and of each hundred so many do something on the way as `--events` says.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data_contracts.policy import load_policy
from domain.actions import Capability
from services.settings import ROOT
from services.simulated import totals
from services.simulating import simulate
from services.simulation_input import read_customers, read_events
from services.virtual_world import Trial
from templates.journey_files import JOURNEYS, load_journey
from templates.library import load

BEGAN = datetime(2026, 3, 2, 7, tzinfo=UTC)
PLACES = (("pl", "Europe/Warsaw"), ("cs", "Europe/Prague"), ("en", "Europe/London"), ("en", "America/New_York"))
DONE = (("feature.used", "setup"), ("feature.used", "video-guide"), ("goal.reached", "settled-in"))


def main() -> None:
    """Measure what the options ask for."""
    asked = _options()
    path = ROOT / "deployments" / "policy.yaml"
    policy = load_policy(path.read_text(encoding="utf-8"), str(path))
    file = load_journey(JOURNEYS / "onboarding.yaml")
    until = BEGAN + timedelta(days=asked.days)
    with tempfile.TemporaryDirectory() as name:
        people, told = Path(name) / "customers.csv", Path(name) / "events.jsonl"
        _write(people, told, asked)
        begun, before = time.perf_counter(), _cpu()
        entrants = read_customers(people, policy, began=BEGAN)
        feed = read_events(told, entrants.refs)
        served = frozenset({Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH, Capability.CRM})
        trial = Trial(file.journey, file.hash, policy, BEGAN, until, served)
        simulated = simulate(file, load(), trial, entrants.good, feed.good, processes=asked.processes)
        seconds, cpu = time.perf_counter() - begun, _cpu() - before
    assert entrants.refused + feed.refused == 0
    summed = totals(simulated)
    line = {
        "benchmark": "simulate",
        "customers": summed.customers,
        "events": asked.customers * asked.events // 100,
        "days": asked.days,
        "spread_days": asked.spread_days,
        "processes": asked.processes,
        "messages": summed.messages,
        "tasks": summed.tasks,
        "skipped": sum(step.others["skipped"] for step in summed.steps),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "largest_process_mb": max(resource.getrusage(who).ru_maxrss for who in _ALL) // 1024,
    }
    print(json.dumps(line), flush=True)


_ALL = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in _ALL]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _write(people: Path, told: Path, asked: argparse.Namespace) -> None:
    chance = random.Random(7)
    with people.open("w", encoding="utf-8") as rows, told.open("w", encoding="utf-8") as events:
        rows.write("ref,name,email,phone,language,time_zone,tier,consent_onboarding_mail,activated_at\n")
        for number in range(asked.customers):
            language, place = PLACES[number % len(PLACES)]
            at = BEGAN + timedelta(minutes=chance.randrange(max(1, asked.spread_days * 24 * 60)))
            phone = f"+4860{number:07}" if number % 3 else ""
            tier = "vip" if number % 20 == 0 else "core" if number % 4 == 0 else "basic"
            allowed = "no" if number % 10 == 9 else "yes"
            rows.write(
                f"C-{number:06},Customer {number},c{number}@example.com,{phone},{language},{place},{tier},{allowed},"
                f"{at.isoformat()}\n"
            )
            if number % 100 < asked.events:
                word, name = DONE[number % len(DONE)]
                done = at + timedelta(seconds=chance.randrange(10 * 24 * 3600))
                data = {"customer": {"ref": f"C-{number:06}"}, word.partition(".")[0]: name, "at": done.isoformat()}
                events.write(json.dumps({"type": word, "timestamp": done.isoformat(), "data": data}) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--spread-days", type=int, default=20, help="activations come within so many days; 0: at once")
    parser.add_argument("--events", type=int, default=0, metavar="N", help="of each hundred customers, N do something")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
