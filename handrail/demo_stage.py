"""The stage of the demo: a fresh stack, a survey tool that signs, and a look at what the outside received."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx

from domain.actions import acknowledgement_key
from handrail.demo_story import Delivery, Found
from handrail.failures import CommandFailed
from handrail.signing import signature_headers
from handrail.speech import warn
from handrail.stack_files import Lock
from handrail.supervisor import dies_with
from services.settings import ROOT

if TYPE_CHECKING:
    from handrail.prefect_runs import Started

T = TypeVar("T")

EXAMPLES = ROOT / "examples"
_MARK = ".handrail-demo"
"""In a directory that a demo made, and may empty."""

_HANDRAIL = (sys.executable, "-P", "-m", "handrail.cli")
_ONE_OF = {"tickets": "ticket", "mail": "mail", "sms": "sms"}
"""List → the word of its items in the sandbox's links."""

_RUN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run that Prefect was asked for, and how it ended."""

    job: str
    address: str
    state: str
    message: str

    @property
    def ok(self) -> bool:
        """It ended well and leaves nothing to people."""
        return self.state == "Completed"

    def as_json(self) -> dict[str, Any]:
        """For the document at the end."""
        return {"ok": self.ok, "run": self.address, "state": self.state, "message": self.message}


class Stage:
    """A running stack, seen from outside: only its addresses and the source's secret are known here."""

    def __init__(self, standing: dict[str, Any], process: subprocess.Popen[str]) -> None:
        self.gateway: str = standing["gateway"]
        self.sandbox: str = standing["sandbox"]
        self.prefect: str = standing["prefect"]
        self._secret: str = standing["webhook_secret"]
        self._process = process
        self._http = httpx.Client(trust_env=False, timeout=10.0)
        lines = (EXAMPLES / "surveys.jsonl").read_text(encoding="utf-8").splitlines()
        self._answers = {answer["response_id"]: answer for answer in map(json.loads, lines)}

    def example(self, response: str) -> dict[str, Any]:
        """One of examples/surveys.jsonl, answered two minutes ago."""
        return {**self._answers[response], "answered_at": _iso(datetime.now(UTC) - timedelta(minutes=2))}

    def deliver(self, answer: dict[str, Any], *, webhook_id: str = "", secret: str = "") -> Delivery:
        """Deliver an answer as the survey tool does."""
        now = datetime.now(UTC)
        event = {"type": "survey.responded", "timestamp": _iso(now), "data": answer}
        body = json.dumps(event, ensure_ascii=False).encode()
        name = webhook_id or f"demo-{answer['response_id']}"
        headers = signature_headers(secret or self._secret, name, int(now.timestamp()), body)
        sent_at = datetime.now(UTC)
        answered = self._http.post(f"{self.gateway}/webhooks/standard", content=body, headers=headers)
        return Delivery(answer, sent_at, answered.status_code, answered.json())

    def find(self, listed: str, key: str, seconds: float) -> Found | None:
        """The item with this key, as soon as the sandbox has it; None when it does not get it in time."""
        return _poll(lambda: self._find(listed, key), seconds)

    def find_acknowledgement(self, delivery: Delivery, seconds: float) -> Found | None:
        """The message that acknowledges an answer, by whichever channel it went."""
        key = acknowledgement_key("standard", delivery.response)
        return _poll(lambda: self._find("mail", key) or self._find("sms", key), seconds)

    def find_note(self, ticket: str, key: str, seconds: float) -> Found | None:
        """The note with this key on a ticket."""

        def find() -> Found | None:
            found = self._find("tickets", ticket)
            notes = [] if found is None else [note for note in found.item["notes"] if note["key"] == key]
            if found is None or not notes:
                return None
            item = {**notes[0], "customer_ref": found.item["customer_ref"]}
            return Found(key, datetime.fromisoformat(notes[0]["at"]), found.link, item)

        return _poll(find, seconds)

    def break_vendor(self, capability: str, mode: str, *, count: int) -> None:
        """The next writes of a capability misbehave."""
        fault = {"capability": capability, "mode": mode, "count": count}
        self._http.post(f"{self.sandbox}/faults", json=fault).raise_for_status()

    def is_broken(self) -> bool:
        """True while a vendor is still to misbehave."""
        return bool(self._get("/faults"))

    def surprises(self, expected: list[str]) -> list[str]:
        """What the outside received and no story accounts for, or received more than once."""
        tickets = self._get("/tickets")
        received = Counter(note["key"] for ticket in tickets for note in ticket["notes"])
        received.update(item["key"] for item in tickets)
        for listed in ("mail", "sms", "calls", "tasks", "alerts"):
            received.update(item["key"] for item in self._get(f"/{listed}"))
        wanted = Counter(expected)
        return [f"{key}, {count} times" for key, count in sorted((received - wanted).items())]

    def run_jobs(self, *jobs: str) -> list[JobRun]:
        """Ask Prefect for a run of each job, side by side, and wait for their ends."""
        started = [(job, self._start(job)) for job in jobs]
        return [self._ended(job, run) for job, run in started]

    def wait_until_stopped(self) -> None:
        """Until Ctrl-C, or until the stack ends."""
        self._process.wait()

    def _start(self, job: str) -> "Started":
        from handrail.prefect_runs import start_run  # Prefect's client takes a second or two

        return start_run(f"{self.prefect}/api", job)

    def _ended(self, job: str, run: "Started") -> JobRun:
        def end() -> JobRun | None:
            nonlocal run
            state = self._http.get(f"{self.prefect}/api/flow_runs/{run.id}").json()["state"]
            if state["type"] == "CANCELLED":  # a third one beside the schedule's and an event's is not let in
                run = self._start(job)
            if state["type"] not in {"COMPLETED", "FAILED", "CRASHED"}:
                return None
            return JobRun(job, run.address, state["name"], state["message"] or "")

        ended = _poll(end, _RUN_SECONDS, every=0.5)
        return ended or JobRun(job, run.address, "Unfinished", f"not over after {_RUN_SECONDS:g} s")

    def _find(self, listed: str, key: str) -> Found | None:
        for item in self._get(f"/{listed}", key=key):
            link = f"{self.sandbox}/#{_ONE_OF[listed]}={quote(key, safe='/')}"
            return Found(key, datetime.fromisoformat(item["received_at"]), link, item)
        return None

    def _get(self, path: str, **query: str) -> list[dict[str, Any]]:
        answered = self._http.get(f"{self.sandbox}{path}", params=query)
        answered.raise_for_status()
        items: list[dict[str, Any]] = answered.json()
        return items


@contextmanager
def staged(directory: Path, base: int) -> Iterator[Stage]:
    """A fresh stack with the example customers loaded; ended when this is left. Raises CommandFailed."""
    _clear(directory)
    signal.signal(signal.SIGTERM, _leave)
    # A demo has nothing to do with the installation that somebody's environment names.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HANDRAIL_")}
    environment["HANDRAIL_DATA"] = str(directory.resolve())
    process = subprocess.Popen(  # noqa: S603
        (*_HANDRAIL, "up", "--data", str(directory), "--ports", str(base), "--json"),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=dies_with(os.getpid()),
    )
    try:
        warn(f"… starting everything, afresh, in {directory} (half a minute, most of it Prefect)")
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        line = process.stdout.readline()
        if not line:
            raise CommandFailed("the stack did not come up: see above")
        _load_customers(environment)
        yield Stage(json.loads(line), process)
    finally:
        process.terminate()
        process.wait()


def _load_customers(environment: dict[str, str]) -> None:
    warn("… loading customers")
    command = (*_HANDRAIL, "import", "customers", str(EXAMPLES / "customers.csv"), "--json")
    loading = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if loading.returncode or json.loads(loading.stdout)["quarantined"]:
        raise CommandFailed(f"the example customers could not be loaded: {loading.stdout.strip() or 'see above'}")


def _clear(directory: Path) -> None:
    """Empty the directory of an earlier demo. Raises CommandFailed for one that is anything else, or in use."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARK).exists():
            raise CommandFailed(f"{directory} is not empty and no demo made it: name another directory with --data")
        Lock(directory).release()
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _MARK).touch()


def _poll(look: Callable[[], T | None], seconds: float, *, every: float = 0.05) -> T | None:
    deadline = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(every)
    return found


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)
