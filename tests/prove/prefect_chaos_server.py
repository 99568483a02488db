"""Campaigns against Prefect's server, its database, its events and its worker."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from finding import Finding
from prefect_chaos_campaign import campaign
from prefect_chaos_stage import Stage, until

from integrations.prefect_events import CRITICAL_ANSWER, as_event

BACK = 30.0
"""Seconds within which a killed server serves again."""

_TRIGGER_SECONDS = 30
"""prefect.yaml: of the events within so long, one asks for a run."""

_ALARMS = {"handrail: a run is late": 600.0, "handrail: no worker is online": 0.0}
"""automations.yaml: what must be said while the worker is away, unless it was said within so many seconds before."""


_TRIES = 5
"""Automations made one after the other until one is looked at."""


def server_killed(stage: Stage, chance: random.Random, *, kills: int) -> Finding:
    """kill -9, again and again, also while it starts; what is due goes out by the schedules that go on."""
    with campaign(stage, "Prefect's server killed -9 again and again while answers arrive") as finding:
        for n in range(kills):
            stage.put(tasks=3, messages=2)
            time.sleep(chance.uniform(0.5, 3.0))
            _kill_server(stage, finding)
            if n % 3 == 2:  # once more before it serves
                time.sleep(chance.uniform(0.2, 2.0))
                _kill_server(stage, finding)
            _back(stage, finding)
    return finding


def database_wiped(stage: Stage, chance: random.Random) -> Finding:
    """The server killed in the middle of a dispatching run, its database gone: jobs are applied and scheduled anew."""
    with campaign(
        stage, "Prefect's database wiped while a run was dispatching; nobody does anything about it"
    ) as finding:
        stage.slow(0.4, "crm")
        stage.put(tasks=200, messages=5)
        run = stage.prefect.custom_run("dispatch-actions")
        until(lambda: stage.prefect.state(run) == "RUNNING", 180, "the run did not begin")
        time.sleep(chance.uniform(0.0, 0.5))
        _kill_server(stage, finding)
        for file in (stage.directory / "prefect").glob("prefect.db*"):
            file.unlink()
        finding.faults["Prefect's database wiped"] += 1
        _back(stage, finding)
        stage.quick()
        stage.put(tasks=3, messages=3)
    return finding


def events_misbehave(stage: Stage, chance: random.Random, *, burst: int) -> Finding:
    """Lost, tripled, late, and a flood: never more runs than the trigger's half minutes allow."""
    with campaign(stage, "Prefect's events lost, tripled, delayed, and a burst of them") as finding:
        begun = time.time()
        _kill_server(stage, finding)
        lost = not stage.prefect.emit(_events(1))
        finding.faults["event lost"] += lost
        _back(stage, finding)
        with _last_event(stage) as seen:
            for _ in range(3):
                same = _events(1)
                for _ in range(3):
                    _emit(stage, finding, same, "event tripled, one id")
            for _ in range(3):
                _emit(stage, finding, _events(3), "event tripled, three ids")
            _emit(stage, finding, _events(5, ago=timedelta(minutes=chance.randrange(5, 60))), "event delayed")
            for _ in range(burst // 20):
                _emit(stage, finding, _events(20), "event of a burst")
            _emit_last(stage)
            until(seen, 180, "the last event was not looked at")
        since = begun - _TRIGGER_SECONDS  # a run that an answer had just asked for is made by these too

        def made_one() -> bool:
            return stage.prefect.made_by_events("survey-escalation", since) > 0

        def made_one_of_another() -> bool:
            _emit(stage, finding, _events(1), "event once more")
            return made_one()

        if not made_one():  # its server died with the run, and the trigger swallows the rest of its half minute
            until(made_one_of_another, 2 * _TRIGGER_SECONDS, "no event made a run")
        runs = stage.prefect.made_by_events("survey-escalation", since)
        allowed = 2 + (time.time() - since) / _TRIGGER_SECONDS
        finding.what += f": {runs} runs were made by them"
        if not 1 <= runs <= allowed:
            finding.violations.append(f"{runs} runs were made by events, not 1 to {allowed:.0f}")
    return finding


def worker_away(stage: Stage, *, seconds: float) -> Finding:
    """Stopped, as far as anybody can tell, for long enough that Prefect itself notices; then it comes back."""
    with campaign(stage, f"Prefect's worker stopped for up to {seconds:g} s and woken") as finding:
        # A pool that an earlier campaign left without a worker would not lose it again.
        until(stage.prefect.pool_is_ready, 120, "the worker was not online")
        begun, worker = time.time(), stage.stack.pid("worker")
        stage.put(tasks=3, messages=2)
        os.kill(worker, signal.SIGSTOP)
        finding.stops += 1
        try:
            for name in _silent(stage, begun, begun + seconds):
                finding.violations.append(f'the automation "{name}" did not fire in {seconds:g} s')
        finally:
            os.kill(worker, signal.SIGCONT)
    return finding


def deaths_while_dispatching(stage: Stage, chance: random.Random, *, rounds: int) -> Finding:
    """The process of a run that is sending, or with it the worker, killed -9; recovery-sweep takes over."""
    with campaign(
        stage,
        "flow runs killed -9 in the middle of dispatching, some with their worker",
        promises=("P25", "P8", "P1", "P3", "P17"),
    ) as finding:
        for n in range(rounds):
            stage.slow(1.0, "crm")
            stage.slow(0.4, "mail")  # also of acknowledgements, which must still leave within a second
            keys = stage.put(tasks=200) if n % 4 < 2 else stage.put(messages=300)
            stage.prefect.custom_run("dispatch-actions")
            until(lambda: bool(set(keys) & set(stage.effects().made)), 180, "nothing was sent")  # noqa: B023
            time.sleep(chance.uniform(0.0, 0.9))
            if n % 2:
                stage.stack.kill("worker")
                finding.deaths += 1
            for pid in stage.flow_processes():
                os.kill(pid, signal.SIGKILL)
                finding.deaths += 1
            stage.quick()
            stage.hurry()  # or the next round's would wait behind what this one left, at a slow vendor
    return finding


def _kill_server(stage: Stage, finding: Finding) -> None:
    stage.stack.kill("prefect")
    finding.deaths += 1


def _back(stage: Stage, finding: Finding) -> None:
    if stage.prefect.healthy_within(BACK) is None:
        finding.violations.append(f"Prefect's server did not serve again within {BACK:g} s")


def _events(count: int, ago: timedelta = timedelta(0)) -> list[dict[str, object]]:
    """Announcements of critical answers, as the gateway makes them, with ids of their own."""
    return [
        as_event(CRITICAL_ANSWER, "case/C-1/1/ticket", {"n": n}, occurred=datetime.now(UTC) - ago) for n in range(count)
    ]


def _emit(stage: Stage, finding: Finding, events: list[dict[str, object]], mode: str) -> None:
    if stage.prefect.emit(events):
        finding.faults[mode] += len(events)


@contextmanager
def _last_event(stage: Stage) -> Iterator[Callable[[], bool]]:
    """`seen()` once triggers have looked at all events so far, and their actions are done: in the order of arrival.

    An automation that is made while a server starts may be missed by the part of it that looks at events: so each is
    tried with an event of its own before it is relied on, and made anew when nobody looks at that.
    """
    name = "chaos: the last event"
    trigger = {"type": "event", "posture": "Reactive", "expect": ["chaos.is.over"], "threshold": 1, "within": 0}
    asked = {"name": name, "trigger": trigger, "actions": [{"type": "do-nothing"}]}

    def seen_since(begun: float) -> bool:
        return "prefect.automation.action.executed" in stage.prefect.fired(name, begun)

    for attempt in range(_TRIES):
        made, begun = stage.prefect.ask("POST", "/automations/", asked), time.time()
        try:
            _emit_last(stage)
            if not _holds_within(partial(seen_since, begun), 20) and attempt < _TRIES - 1:
                continue
            begun = time.time()
            yield partial(seen_since, begun)
            return
        finally:
            stage.prefect.ask("DELETE", f"/automations/{made['id']}")


def _emit_last(stage: Stage) -> None:
    stage.prefect.emit([as_event("chaos.is.over", "chaos", {}, occurred=datetime.now(UTC))])


def _holds_within(claim: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := claim()) and time.monotonic() < deadline:
        time.sleep(0.25)
    return held


def _silent(stage: Stage, begun: float, until: float) -> list[str]:
    """Which alarms nobody was told of until then."""
    silent = dict(_ALARMS)
    while silent and time.time() < until:
        for name, before in list(silent.items()):
            if "prefect.automation.action.executed" in stage.prefect.fired(name, begun - before):
                del silent[name]
        time.sleep(3.0)
    return list(silent)
