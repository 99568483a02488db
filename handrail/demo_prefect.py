"""Prefect during the demo: runs asked for, waited for and retried, and what they show, over its API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from handrail.demo_outside import poll
from handrail.failures import CommandFailed, PrefectUnreachable
from handrail.prefect_runs import Started, start_run

_RUN_SECONDS = 180.0
"""A run takes some ten seconds, most of them its cold start; a machine may be busy."""

_AWAY_SECONDS = 60.0
"""A server that was killed serves again within a few seconds, and is busy for some more."""

_OVER = frozenset({"COMPLETED", "FAILED", "CRASHED"})


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run that Prefect was asked for, and how it ended."""

    job: str
    id: str
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


class Prefect:
    """One server, as its UI's buttons use it. Every request is repeated while it is away or busy."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._http = httpx.Client(base_url=f"{address}/api", trust_env=False, timeout=10.0)

    def run(self, job: str) -> JobRun:
        """The button Quick run, and how that run ended. A third one beside two others is not let in: then again."""
        while True:
            started = self._start(job)
            ended = self._ended(JobRun(job, started.id, started.address, "Scheduled", ""), times=1)
            if ended.state != "Cancelled":
                return ended

    def retry(self, run: JobRun) -> JobRun:
        """The button Retry, of a run that is over, and how it ended this time."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
        times = int(self._ask("GET", f"/flow_runs/{run.id}")["run_count"]) + 1
        while True:
            told = self._ask("POST", f"/flow_runs/{run.id}/set_state", {"state": state, "force": False})
            if told["status"] != "ACCEPT":
                raise CommandFailed(f"Prefect did not accept Retry of {run.address}: {told}")
            ended = self._ended(run, times)
            if ended.state != "Cancelled":
                return ended

    def shown(self, run: JobRun) -> dict[str, str]:
        """Action key → its state, in the newest table that a run of survey-escalation has put up."""
        of_run = {"flow_run_id": {"any_": [run.id]}, "key": {"any_": [run.job]}}
        tables = self._ask("POST", "/artifacts/filter", {"artifacts": of_run, "sort": "CREATED_DESC", "limit": 1})
        return {row["action"]: row["state"] for table in tables for row in json.loads(table["data"])}

    def suspended(self, review: int, seconds: float) -> str | None:
        """The page of the suspended run that asks a review, as soon as there is one."""
        found = poll(lambda: self._asking(review, "PAUSED"), seconds, every=0.5)
        return None if found is None else f"{self.address}/runs/flow-run/{found['id']}"

    def resume(self, review: int, said: Mapping[str, str]) -> str:
        """The form of the suspended run, sent off; Prefect's own word about it. Raises CommandFailed."""
        asking = self._asking(review, "PAUSED")
        if asking is None:
            raise CommandFailed(f"no suspended run asks review {review}")
        told = self._ask("POST", f"/flow_runs/{asking['id']}/resume", {"run_input": dict(said)})
        return str(told["status"])

    def ended_review(self, review: int, seconds: float) -> str | None:
        """What the run that asked a review says at its end, as soon as it has one."""
        ended = poll(lambda: self._asking(review, "COMPLETED"), seconds, every=0.5)
        return None if ended is None else str(ended["state"]["message"])

    def _asking(self, review: int, state: str) -> dict[str, Any] | None:
        asked: dict[str, Any] = {
            "flows": {"name": {"any_": ["action-review"]}},
            "flow_runs": {"state": {"type": {"any_": [state]}}},
        }
        runs: list[dict[str, Any]] = self._ask(
            "POST", "/flow_runs/filter", {**asked, "sort": "EXPECTED_START_TIME_DESC"}
        )
        return next((run for run in runs if run["parameters"].get("review") == review), None)

    def is_up(self) -> bool:
        """True when it serves, now."""
        try:
            return self._http.get("/health", timeout=1.0).is_success
        except httpx.TransportError:
            return False

    def _start(self, job: str) -> Started:
        started = poll(lambda: self._try_to_start(job), _AWAY_SECONDS, every=0.5)
        return started or start_run(str(self._http.base_url), job)  # which says what is wrong

    def _try_to_start(self, job: str) -> Started | None:
        try:
            return start_run(str(self._http.base_url), job)
        except PrefectUnreachable:
            return None

    def _ended(self, run: JobRun, times: int) -> JobRun:
        """When it has run so many times and is over, or was not let in."""

        def end() -> JobRun | None:
            found = self._ask("GET", f"/flow_runs/{run.id}")
            state = found["state"]
            is_over = state["type"] in _OVER and found["run_count"] >= times
            if not is_over and state["type"] != "CANCELLED":
                return None
            return JobRun(run.job, run.id, run.address, state["name"], state["message"] or "")

        ended = poll(end, _RUN_SECONDS, every=0.5)
        return ended or JobRun(run.job, run.id, run.address, "Unfinished", f"not over after {_RUN_SECONDS:g} s")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        def answer() -> httpx.Response | None:
            try:
                answered = self._http.request(method, path, json=body)
            except httpx.TransportError:
                return None
            return None if answered.is_server_error else answered

        answered = poll(answer, _AWAY_SECONDS, every=0.3)
        if answered is None:
            raise CommandFailed(f"{self.address} has not answered for {_AWAY_SECONDS:g} s")
        answered.raise_for_status()
        return answered.json()
