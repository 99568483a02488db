"""Detection and planning in a process of its own, so that its memory is its own too; what it did as one JSON line."""

import argparse
import json
import sys
import time
from pathlib import Path

from _endings import NOON

from data_contracts.policy import load_policy
from handrail.flow_run import prepare
from services.expiry import detect, look_at_gates, plan_endings
from services.settings import load_settings
from store.database import Database


def main() -> None:
    """Plan what the database has to plan."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    options = parser.parse_args()
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    database = Database(options.database)
    with database.read() as connection:  # connecting is no part of it
        connection.exec_driver_sql("SELECT 1")
    before, cpu, begun = _memory(), time.process_time(), time.perf_counter()
    gates = look_at_gates(database, policy, now=NOON)
    detection = detect(database, policy, now=NOON)
    detected = time.perf_counter() - begun
    planning = plan_endings(database, policy, detection, gates, run="bench")
    line = {
        "seconds": round(time.perf_counter() - begun, 3),
        "detect_seconds": round(detected, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "found": sum(sum(each.values()) for each in detection.found.values()),
        "actions": planning.planned.total() + planning.skipped.total(),
        "calls": planning.planned["call"],
        "skipped": planning.skipped.total(),
        "transactions": planning.pages,
        "longest_hold_ms": round(planning.longest_hold_seconds * 1000, 1),
        "memory_before_mb": before,
        "memory_peak_mb": _memory(),
        "looks": sorted({look.why for look in detection.looks}),
    }
    database.close()
    sys.stdout.write(json.dumps(line) + "\n")


def _memory() -> float:
    """Most memory this process ever held; what the system counts begins with its parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    prepare()  # as the process of a flow run is
    main()
