"""Campaigns with Prefect's own buttons: Retry, Cancel, Delete, Custom run, the schedule's switch."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from finding import Finding
from local_stack import HANDRAIL
from prefect_chaos_campaign import campaign
from prefect_chaos_stage import Stage, until

JOB = "dispatch-actions"
VIA = "mail"
"""Of all sends those by mail: this vendor promises nothing, so whatever was sent twice stands in its record twice."""

SLOW = 0.4
"""Seconds a send takes while a button is pressed; acknowledgements too, which must still leave within a second."""

MANY = 400
"""Messages that take a run some seconds, so that a button is pressed in the middle of them."""

PAUSED = 65.0
"""Seconds without a schedule that would have run each minute."""


def retried(stage: Stage, *hows: str) -> Finding:
    """Retry of runs that finished, that count as failed, that were killed: each looks for what is due, no more."""
    with _campaign(stage, f"Retry of a run that {', that '.join(hows)}") as finding:
        prefect = stage.prefect
        for how in hows:
            keys = stage.put(messages=MANY if how == "crashed" else 5)
            if how == "crashed":
                stage.slow(SLOW, VIA)
            run = prefect.custom_run(JOB, capability=VIA)
            if how == "crashed":
                _until_sent(stage, keys, 1)
                _kill_run(stage, run, finding)
                stage.quick()
            prefect.wait(run)
            if how == "failed":
                prefect.change_state(run, "FAILED")
            stage.put(messages=5)
            finding.faults[f"Retry of a run that {how}"] += 1
            ended = _retry(stage, run, how, finding)
            if ended != "COMPLETED":
                finding.violations.append(f"Retry of a run that {how} ended as {ended}")
        stage.hurry(capability=VIA)
    return finding


def pressed_while_running(stage: Stage, chance: random.Random) -> Finding:
    """Cancel and Delete of a run in the middle of its sends, Delete of one that is over."""
    with _campaign(stage, "Cancel and Delete of a run that is sending, Delete of one that is over") as finding:
        for button in ("Cancel", "Delete"):
            stage.slow(SLOW, VIA)
            keys = stage.put(messages=MANY)
            run = stage.prefect.custom_run(JOB, capability=VIA)
            _until_sent(stage, keys, 1)
            time.sleep(chance.uniform(0.0, 0.5))
            pressed = time.time()
            (stage.prefect.cancel if button == "Cancel" else stage.prefect.delete_run)(run)
            finding.faults[f"{button} of a running run"] += 1
            _until_quiet(stage, keys)
            made = stage.effects().made
            later = sum(made[key][0].timestamp() > pressed for key in keys if key in made)
            left = sum(key not in made for key in keys)
            finding.what += f"; {later} sends after {button}, {left} left to the next run"
            ended = stage.prefect.wait(run)
            if ended not in {"CANCELLED", "COMPLETED", "gone"}:
                finding.violations.append(f"after {button} the run is {ended}")
            stage.quick()
            stage.prefect.delete_run(stage.hurry(capability=VIA))
            finding.faults["Delete of a finished run"] += 1
    return finding


def doubled(stage: Stage) -> Finding:
    """Custom run twice at the same moment: two processes dispatch side by side, each action is claimed by one."""
    with _campaign(stage, "Custom run pressed twice at the same moment") as finding:
        stage.slow(SLOW, VIA)
        stage.put(messages=MANY)
        with ThreadPoolExecutor(2) as fingers:
            runs = list(fingers.map(lambda _: stage.prefect.custom_run(JOB, capability=VIA), range(2)))
        finding.faults["doubled Custom run"] += 1
        for run in runs:
            stage.prefect.wait(run)
        stage.quick()  # at a slow vendor the gateway holds some lease at nearly every moment
        stage.hurry(capability=VIA)
    return finding


def paused(stage: Stage, meanwhile: Callable[[], None]) -> Finding:
    """The schedules switched off: what is due waits, doctor says why; switched on, it goes out once."""
    with _campaign(stage, f"every schedule paused for more than {PAUSED:g} s, and switched on again") as finding:
        try:
            stage.prefect.schedules(active=False)
            until(
                lambda: not (stage.prefect.being_started() or stage.flow_processes()), 180, "runs under way did not end"
            )
            begun = time.monotonic()
            keys = stage.put(tasks=5)
            meanwhile()
            time.sleep(max(0.0, PAUSED - (time.monotonic() - begun)))
            if early := set(keys) & set(stage.effects().made):
                finding.violations.append(f"{len(early)} tasks went out although no schedule was on")
            finding.faults["schedules paused"] += 1
            _doctor_says(stage, finding, "warn", JOB)
        finally:
            stage.prefect.schedules(active=True)
    return finding


def deployment_deleted(stage: Stage) -> Finding:
    """Nothing sends what is not urgent any more; doctor says so, and apply brings it back."""
    with _campaign(stage, f"the deployment {JOB} deleted, applied again by hand") as finding:
        stage.prefect.delete_deployment(JOB)
        finding.faults["deployment deleted"] += 1
        try:
            stage.put(tasks=2, messages=2)
            _doctor_says(stage, finding, "fail", JOB)
        finally:
            applied = _handrail(stage, "prefect", "apply")
        if applied.returncode:
            finding.violations.append(f"handrail prefect apply: {applied.stderr}")
        _doctor_says(stage, finding, "ok", "")
    return finding


def _campaign(stage: Stage, what: str) -> Any:
    return campaign(stage, what, promises=("P25", "P8", "P1", "P3"))


def _retry(stage: Stage, run: str, how: str, finding: Finding) -> str:
    """Click Retry, and impatiently again, until it has run once more; how that ended.

    A killed run is reported as crashed twice, by its runner and by the worker: the second report, half a second
    later, undoes a Retry that was quicker.
    """
    for _ in range(3):
        if stage.prefect.retry(run) != "ACCEPT":
            finding.violations.append(f"Retry of a run that {how} was not accepted")
        stage.prefect.retry(run)
        ended = stage.prefect.wait(run, times=2)
        if ended != "CRASHED":
            break
    return ended


def _kill_run(stage: Stage, run: str, finding: Finding) -> None:
    def pid() -> str | None:
        """The worker reports it only some time after the run has begun."""
        found = stage.prefect.run(run)
        assert found is not None
        reported: str | None = found["infrastructure_pid"]
        return reported

    until(lambda: pid() is not None, 60, "the worker told no process of the run")
    os.kill(int(pid() or ""), signal.SIGKILL)
    finding.deaths += 1


def _until_sent(stage: Stage, keys: list[str], count: int) -> None:
    until(lambda: len(set(keys) & set(stage.effects().made)) >= count, 180, "nothing was sent")


def _until_quiet(stage: Stage, keys: list[str]) -> None:
    """Until nothing more of these arrives: for three times as long as one write takes."""
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < 2.0:
        now = len(set(keys) & set(stage.effects().made))
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.1)


def _doctor_says(stage: Stage, finding: Finding, verdict: str, named: str) -> None:
    checks = json.loads(_handrail(stage, "doctor", "--json").stdout)["checks"]
    said = [(one["verdict"], one["found"], one["do"]) for one in checks if one["check"] == "deployments"]
    if not said or said[0][0] != verdict or named not in said[0][1]:
        finding.violations.append(f"handrail doctor said {said} of the deployments, not {verdict} and {named!r}")


def _handrail(stage: Stage, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*HANDRAIL, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "HANDRAIL_DATA": str(stage.directory)},
        timeout=120,
        check=False,
    )
