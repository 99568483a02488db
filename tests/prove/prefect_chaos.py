"""The proof's part about Prefect (P25): whatever becomes of its server, database, events and runs, nothing is lost or
doubled and critical answers stay fast. `--quick` for the cut that runs with the tests; one JSON line a campaign."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[2] / part) for part in ("tests/process", "benchmarks"))

from finding import Finding
from prefect_chaos_buttons import deployment_deleted, doubled, paused, pressed_while_running, retried
from prefect_chaos_campaign import campaign
from prefect_chaos_server import (
    database_wiped,
    deaths_while_dispatching,
    events_misbehave,
    server_killed,
    worker_away,
)
from prefect_chaos_stage import Stage, running, seed_of, stage

JOBS = ("recovery-sweep", "dispatch-actions", "survey-escalation")


def peace(stage: Stage, *, seconds: float) -> Finding:
    """The same work with nothing done to it: what the others are compared with."""
    with campaign(stage, "nothing is done to Prefect") as finding:
        stage.put(tasks=2, messages=2)
        time.sleep(seconds)
    return finding


def everything_again(stage: Stage, *jobs: str) -> Finding:
    """P22: every answer delivered a second time and everything planned again; the record stays as it is."""
    finding = Finding(
        "prefect",
        "everything delivered and planned again" + (", after a restart of the whole stack" if jobs else ""),
        ["P22"],
        stage.seed,
        runs=1,
    )
    stage.rest()
    begun, before = time.time(), stage.effects().counts()
    finding.effects_due = len(before)
    if refused := stage.answers.again():
        finding.violations.append(f"{refused} answers were not accepted the second time")
    stage.put_again()
    for job in jobs:
        ended = stage.run_to_end(job)
        if ended != "COMPLETED":
            finding.violations.append(f"{job} ended as {ended}")
    changed = stage.effects().counts() - before
    finding.repeats_changed = changed.total()
    if changed:
        finding.violations.append(f"done once more: {sorted(changed)[:5]}")
    finding.seconds = round(time.time() - begun, 1)
    return finding


def quick(stage: Stage, chance: random.Random) -> Iterator[Finding]:
    """Those that need no schedule."""
    yield events_misbehave(stage, chance, burst=40)
    yield retried(stage, "crashed")
    stage.answers.stop()
    yield everything_again(stage)


def buttons(stage: Stage, chance: random.Random) -> Iterator[Finding]:
    """All buttons, within the minute and more that the schedule is switched off."""
    pressed: list[Finding] = []

    def press() -> None:
        pressed.append(retried(stage, "finished", "failed", "crashed"))
        pressed.append(pressed_while_running(stage, chance))
        pressed.append(doubled(stage))

    yield paused(stage, meanwhile=press)
    yield from pressed
    yield deployment_deleted(stage)


CAMPAIGNS: Mapping[str, Callable[[Stage, random.Random], Iterable[Finding]]] = {
    "peace": lambda stage, _: [peace(stage, seconds=15)],
    "server": lambda stage, chance: [server_killed(stage, chance, kills=6)],
    "database": lambda stage, chance: [database_wiped(stage, chance)],
    "events": lambda stage, chance: [events_misbehave(stage, chance, burst=200)],
    "worker": lambda stage, _: [worker_away(stage, seconds=125)],
    "deaths": lambda stage, chance: [deaths_while_dispatching(stage, chance, rounds=4)],
    "buttons": buttons,
}


def main() -> None:
    """Run the campaigns; one line each."""
    options = _parser().parse_args()
    seed = seed_of(options.seed)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="handrail-chaos-") as directory:
        with stage(Path(directory) / "stack", seed) as there:
            chosen = [quick] if options.quick else [CAMPAIGNS[name] for name in options.only or CAMPAIGNS]
            for campaign_of in chosen:
                for finding in campaign_of(there, chance):
                    finding.say()
            there.answers.stop()
        if not options.quick:
            with running(there.directory) as restarted:
                there.start_over(restarted)
                everything_again(there, *JOBS).say()
                there.database.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="to see a run again")
    parser.add_argument("--database", default="sqlite", choices=("sqlite", "postgresql", "both"), help="always SQLite")
    parser.add_argument("--only", nargs="+", choices=CAMPAIGNS, help="these campaigns alone, and all again")
    parser.add_argument("--quick", action="store_true", help="the cut that runs with the tests")
    return parser


if __name__ == "__main__":
    main()
