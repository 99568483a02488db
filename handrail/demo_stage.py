"""The stage of the demo: a fresh stack, a survey tool that signs, and the command as people type it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from handrail.demo_night import night_zone
from handrail.demo_outside import Outside
from handrail.demo_prefect import Prefect
from handrail.demo_reviews_data import play_policy
from handrail.demo_story import Delivery
from handrail.failures import CommandFailed
from handrail.speech import warn
from handrail.stack_files import UP_FILE, Lock
from handrail.supervisor import dies_with
from integrations.standard_webhooks import signature_headers
from services.settings import ROOT

EXAMPLES = ROOT / "examples"
SOURCE = "standard"
NIGHT_OWL = "1006"
"""The example customer who lives where it is night now."""

_MARK = ".handrail-demo"
"""In a directory that a demo made, and may empty."""

_HANDRAIL = (sys.executable, "-P", "-m", "handrail.cli")


class Stage:
    """A running stack, seen from outside: only its addresses and the source's secret are known here."""

    def __init__(
        self,
        directory: Path,
        standing: Mapping[str, Any],
        process: subprocess.Popen[str],
        environment: Mapping[str, str],
        night: ZoneInfo,
    ) -> None:
        self.directory = directory
        self.night = night
        self.gateway: str = standing["gateway"]
        self.outside = Outside(standing["sandbox"], directory / "sandbox.jsonl")
        self.prefect = Prefect(standing["prefect"])
        self._secret: str = standing["webhook_secret"]
        self._process = process
        self._environment = environment
        self._http = httpx.Client(base_url=self.gateway, trust_env=False, timeout=10.0)
        files = (EXAMPLES / "surveys.jsonl", EXAMPLES / "scenes.jsonl")
        lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        self._answers = {answer["response_id"]: answer for answer in map(json.loads, lines)}

    def answer(self, response: str, *, secret: str = "") -> Delivery:
        """Deliver one of the examples as the survey tool does, as if it was given two minutes ago."""
        now = datetime.now(UTC)
        answer = {**self._answers[response], "answered_at": _iso(now - timedelta(minutes=2))}
        body = json.dumps({"type": "survey.responded", "timestamp": _iso(now), "data": answer}, ensure_ascii=False)
        return self._deliver(Delivery(answer, body.encode(), now, 0, {}), secret or self._secret)

    def deliver_again(self, delivery: Delivery) -> Delivery:
        """The same body under the same id, as survey tools do when they are in doubt."""
        return self._deliver(delivery, self._secret)

    def event(self, what: str, data: Mapping[str, Any]) -> int:
        """Deliver an event as the shop's or the telephone's system does; the gateway's status code."""
        told = {"type": what, "timestamp": _iso(datetime.now(UTC)), "data": data}
        return self._post(f"/webhooks/{SOURCE}", told)

    def message(self, written: Mapping[str, Any]) -> int:
        """Deliver what a customer wrote, as the web form does; the gateway's status code."""
        return self._post(f"/messages/{SOURCE}", written)

    def _post(self, path: str, told: Mapping[str, Any]) -> int:
        now, body = datetime.now(UTC), json.dumps(told, ensure_ascii=False).encode()
        headers = signature_headers(self._secret, f"demo-{now:%H%M%S%f}", int(now.timestamp()), body)
        headers["content-type"] = "application/json"
        return self._http.post(path, content=body, headers=headers).status_code

    def page(self, path: str) -> str:
        """What one of the gateway's pages shows. Raises CommandFailed."""
        answered = self._http.get(path)
        if not answered.is_success:
            raise CommandFailed(f"{self.gateway}{path} was answered {answered.status_code}")
        return answered.text

    def handrail(self, *words: str) -> Any:
        """What the command answers to a person at a shell. Raises CommandFailed."""
        return _handrail(self._environment, *words)

    def told(self, *words: str) -> tuple[int, Any]:
        """The exit code of a command that may fail, and what it says."""
        asked = _asked(self._environment, *words)
        return asked.returncode, json.loads(asked.stdout) if asked.stdout.strip() else {}

    def kill(self, program: str) -> None:
        """kill -9 of one program of the stack."""
        standing = json.loads((self.directory / UP_FILE).read_text(encoding="utf-8"))
        os.kill(standing["pids"][program], signal.SIGKILL)

    def wait_until_stopped(self) -> None:
        """Until Ctrl-C, or until the stack ends."""
        self._process.wait()

    def _deliver(self, delivery: Delivery, secret: str) -> Delivery:
        now = datetime.now(UTC)
        headers = signature_headers(secret, f"demo-{delivery.response}", int(now.timestamp()), delivery.body)
        answered = self._http.post(f"/webhooks/{SOURCE}", content=delivery.body, headers=headers)
        return replace(delivery, sent_at=now, http=answered.status_code, said=answered.json())


@contextmanager
def staged(directory: Path, base: int) -> Iterator[Stage]:
    """A fresh stack with the example customers loaded; ended when this is left. Raises CommandFailed."""
    _clear(directory)
    signal.signal(signal.SIGTERM, _leave)
    # A demo has nothing to do with the installation that somebody's environment names.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HANDRAIL_")}
    environment["HANDRAIL_DATA"] = str(directory.resolve())
    environment["HANDRAIL_POLICY"] = str(play_policy(directory.resolve()))
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
        standing = json.loads(line) if line else {"error": "see above"}
        if "error" in standing:
            raise CommandFailed(f"the stack did not come up: {standing['error']}")
        night = night_zone(datetime.now(UTC))
        _load_customers(environment, _customers(directory, night))
        yield Stage(directory, standing, process, environment, ZoneInfo(night))
    finally:
        process.terminate()
        process.wait()


def _customers(directory: Path, night: str) -> Path:
    """The example customers, one of them where it is night now."""
    file = directory / "customers.csv"
    with (EXAMPLES / "customers.csv").open(encoding="utf-8", newline="") as read:
        rows = list(csv.DictReader(read))
    with file.open("w", encoding="utf-8", newline="") as written:
        writer = csv.DictWriter(written, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "time_zone": night} if row["ref"] == NIGHT_OWL else row for row in rows)
    return file


def _load_customers(environment: Mapping[str, str], file: Path) -> None:
    warn("… loading customers")
    loaded = _handrail(environment, "import", "customers", str(file))
    if loaded["quarantined"]:
        raise CommandFailed(f"the example customers could not be loaded: {loaded}")


def _handrail(environment: Mapping[str, str], *words: str) -> Any:
    """What the command answers. Raises CommandFailed."""
    asked = _asked(environment, *words)
    if asked.returncode:
        raise CommandFailed(f"handrail {' '.join(words)}: {asked.stdout.strip() or 'it failed, see above'}")
    return json.loads(asked.stdout)


def _asked(environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        (*_HANDRAIL, *words, "--json"), env=dict(environment), stdout=subprocess.PIPE, text=True, check=False
    )


def _clear(directory: Path) -> None:
    """Empty the directory of an earlier demo. Raises CommandFailed for one that is anything else, or in use."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARK).exists():
            raise CommandFailed(f"{directory} is not empty and no demo made it: name another directory with --data")
        Lock(directory).release()
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _MARK).touch()


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)
