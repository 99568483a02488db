"""The local stack behind `handrail up`: sandbox, gateway, and behind them Prefect's server and a worker."""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_contracts.policy import load_policy
from handrail.addresses import Addresses, answers
from handrail.failures import CommandFailed
from handrail.prefect_server import fork_server_program, knows_nothing, server_program, worker_is_online, worker_program
from handrail.stack_files import SECRET, Lock, ended_badly, forget_standing, keep_standing, keep_variables, secrets_of
from handrail.supervisor import End, Program, Supervisor
from services.content_reviews import Publication
from services.preparing import prepare
from services.settings import Settings, load_settings
from store.database import Database

_log = logging.getLogger("handrail.up")

_PYTHON = (sys.executable, "-P", "-m")
"""-P: nothing in the directory somebody happens to stand in is taken for one of our modules."""

_BEHIND = 10
"""Nice value of Prefect: it schedules and shows, and must not take the gateway's processor time."""

_APPLY = "prefect-apply"
_LOOK_SECONDS = 15.0
"""Between two looks at whether Prefect still knows our jobs: a lost database costs that and an apply."""

_STOP_SECONDS = 25.0
"""Most of it is for the worker on a busy machine; all ends within three seconds on one that is not."""

_PORTS_OF_THE_DEAD = 5.0
"""Seconds that the ports of a killed stack may stay taken."""


class NotStopped(Exception):
    """Asked to stop before everything was up."""


@dataclass(slots=True)
class Stack:
    """One stack on one directory. `run()` returns when it was asked to stop; nothing is left behind."""

    directory: Path
    addresses: Addresses
    variables: Mapping[str, str]
    """The environment of every program of the stack."""
    secret: str
    _supervisor: Supervisor = field(init=False)
    _is_ready: bool = False
    _look_at: float = 0.0
    _is_applying: bool = False
    _is_apply_owed: bool = False
    """Prefect was seen to know nothing, and no apply has ended well since."""

    def __post_init__(self) -> None:
        self._supervisor = Supervisor(changed=self._publish)

    def run(self, ready: Callable[[dict[str, Any]], None]) -> None:
        """Start everything, call `ready` with what up.json says, keep it running. Raises CommandFailed."""
        self._supervisor.open()
        try:
            self._come_up()
            self._is_ready = True
            self._publish()
            ready(self.standing())
            while not self._supervisor.is_stopping:
                self._keep_applied(self._supervisor.step(_LOOK_SECONDS))
        except NotStopped:
            _log.info("stopped before everything was up")
        finally:
            self._supervisor.stop(_STOP_SECONDS)
            self._supervisor.close()
            forget_standing(self.directory)

    def standing(self) -> dict[str, Any]:
        """The addresses and process ids, as of now."""
        return {
            "gateway": self.addresses.gateway,
            "prefect": self.addresses.prefect,
            "sandbox": self.addresses.sandbox,
            "webhook_secret": self.secret,
            "pids": self._supervisor.pids,
        }

    def _come_up(self) -> None:
        tell = ("--tell", f"{self.addresses.gateway}/webhooks/standard")
        sandbox_words = ("handrail.sandbox", "--port", str(self.addresses.base + 1), "--record", "sandbox.jsonl", *tell)
        # Its directory is ours, so that no path of ours stands on its command line.
        self._start("sandbox", (*_PYTHON, *sandbox_words), directory=self.directory)
        self._prepare_database()
        for number in range(1, load_settings(self.variables)[0].gateway_processes + 1):
            self._start("gateway" if number == 1 else f"gateway-{number}", (*_PYTHON, "gateway"))
        self._wait("sandbox", lambda: answers(self.addresses.sandbox, "/faults"), seconds=60)
        self._wait("gateway", lambda: answers(self.addresses.gateway, "/readyz"), seconds=60)
        if self.addresses.prefect is not None:
            self._bring_up_prefect(self.addresses.prefect)

    def _bring_up_prefect(self, address: str) -> None:
        api = self.addresses.prefect_api
        command, variables = server_program(self.directory, self.addresses.base + 2)
        self._start("prefect", command, variables, nice=_BEHIND)
        if sys.platform == "linux":
            # It is ready before the worker is, and ends after it, or it would take the worker's runs with it.
            self._start("flow-runs", *fork_server_program(self.directory, api))
        self._wait("prefect", lambda: answers(address, "/api/health"), seconds=180, every=0.2)
        self._apply()
        self._wait_for_end(_APPLY, seconds=180)
        command, variables = worker_program(self.directory, api)
        # Not behind: a run that waits for the processor with SQLite's lock in its hand stops the gateway for seconds.
        self._start("worker", command, variables)
        self._wait("worker", lambda: worker_is_online(api), seconds=120, every=0.5)

    def _apply(self) -> None:
        _, variables = worker_program(self.directory, self.addresses.prefect_api)
        self._start(_APPLY, (*_PYTHON, "handrail.cli", "prefect", "apply"), variables, nice=_BEHIND, is_once=True)

    def _keep_applied(self, ends: Sequence[End]) -> None:
        """Tell Prefect our jobs again when its database was lost: else nothing would be scheduled any more."""
        for end in ends:
            if end.name == _APPLY:
                self._is_applying, self._is_apply_owed = False, end.status != 0
        if self.addresses.prefect is None or self._is_applying or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_SECONDS
        if self._is_apply_owed or knows_nothing(self.addresses.prefect_api):
            _log.warning("prefect does not know our jobs (was its database lost?): applying them again")
            self._is_applying = self._is_apply_owed = True
            self._apply()

    def _prepare_database(self) -> None:
        settings, _ = load_settings(self.variables)
        policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
        database = Database(settings.database)
        try:
            prepare(database, now=datetime.now(UTC), asks=Publication(policy, "handrail up"))
        finally:
            database.close()

    def _start(
        self,
        name: str,
        command: tuple[str, ...],
        variables: Mapping[str, str] | None = None,
        *,
        directory: Path | None = None,
        nice: int = 0,
        is_once: bool = False,
    ) -> None:
        environment = {**self.variables, **(variables or {})}
        self._supervisor.start(Program(name, command, environment, self._log_of(name), directory, nice, is_once))

    def _wait(self, name: str, is_up: Callable[[], bool], *, seconds: float, every: float = 0.05) -> None:
        """Raises CommandFailed when the program ends by itself before it is up, or takes too long."""
        deadline = time.monotonic() + seconds
        while not is_up():
            ends = self._supervisor.step(every)
            if self._supervisor.is_stopping:
                raise NotStopped
            if any(end.name == name and end.status >= 0 for end in ends):
                raise CommandFailed(f"the {name} did not come up: {self._last_words(name)}")
            if time.monotonic() > deadline:
                raise CommandFailed(f"the {name} did not come up in {seconds:g} s: {self._last_words(name)}")
        _log.info("%s is up", name)

    def _wait_for_end(self, name: str, *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            for end in self._supervisor.step(0.1):
                if end.name == name and end.status == 0:
                    return
                if end.name == name:
                    raise CommandFailed(f"{name} failed: {self._last_words(name)}")
            if self._supervisor.is_stopping:
                raise NotStopped
            if time.monotonic() > deadline:
                raise CommandFailed(f"{name} took more than {seconds:g} s: {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        log = self._log_of(name)
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
        return f"{lines[-1].strip()[:300] if lines else 'it said nothing'}\nits log: {log}"

    def _log_of(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def _publish(self) -> None:
        if self._is_ready:
            keep_standing(self.directory, self.standing())


def run_stack(directory: Path, base: int, *, with_prefect: bool, ready: Callable[[dict[str, Any]], None]) -> None:
    """Run a stack on `directory` until SIGTERM or SIGINT. Raises CommandFailed when it cannot come up."""
    directory = directory.resolve()
    addresses = Addresses(base, with_prefect)
    lock = Lock(directory)
    try:
        addresses.check_free(patience=_PORTS_OF_THE_DEAD if ended_badly(directory) else 0.0)
        given = dict(os.environ)  # handed on to the programs of the stack, not read here
        own = own_variables(directory, addresses, given)
        keep_variables(directory, own)
        Stack(directory, addresses, {**given, **own, "PYTHONUNBUFFERED": "1"}, own[SECRET]).run(ready)
    finally:
        lock.release()


def own_variables(directory: Path, addresses: Addresses, given: Mapping[str, str]) -> dict[str, str]:
    """What is kept in stack.env: the stack's addresses and secrets, and the settings somebody gave, which win."""
    names = [f"HANDRAIL_{name.upper()}" for name in Settings.model_fields]
    chosen = {name: given[name] for name in names if given.get(name)}
    for name in ("HANDRAIL_POLICY", "HANDRAIL_INTEGRATIONS", "HANDRAIL_OPERATORS"):  # as seen from where it was started
        if name in chosen:
            chosen[name] = str(Path(chosen[name]).resolve())
    return {
        "HANDRAIL_GATEWAY_URL": addresses.gateway,
        "HANDRAIL_SANDBOX_URL": given.get("HANDRAIL_SANDBOX_URL") or addresses.sandbox,
        **secrets_of(directory, given),
        **chosen,
        # The options of `up` say these:
        "HANDRAIL_DATA": str(directory),
        "HANDRAIL_GATEWAY_PORT": str(addresses.base),
        "HANDRAIL_PREFECT_API_URL": addresses.prefect_api,
    }
