"""Prefect's API as its UI's buttons use it (the requests of UI V1 of Prefect 3.8)."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from handrail.prefect_server import POOL

OVER = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})

_STARTS_WITHIN = timedelta(seconds=60)
"""prefect.yaml: how long a run that was taken keeps its slot without a process."""

_STAYS_OVER = 3.0
"""Seconds after which a run that is over, and was asked to run again, will not."""


class Prefect:
    """One server. Each request is repeated while the server is away or busy, for a minute at most."""

    def __init__(self, api: str) -> None:
        self._client = httpx.Client(base_url=api, timeout=20, trust_env=False)

    def healthy_within(self, seconds: float) -> float | None:
        """How many seconds until it serves; None when it takes longer than that."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            try:
                if self._client.get("/health", timeout=2).text == "true":
                    return time.monotonic() - begun
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        return None

    def deployment(self, job: str) -> dict[str, Any]:
        """A job's deployment. Raises LookupError."""
        for found in self.ask("POST", "/deployments/filter", {}):
            if found["name"] == job:
                return dict(found)
        raise LookupError(job)

    def custom_run(self, job: str, **parameters: Any) -> str:
        """The button Quick run, or Custom run with parameters; the run's id."""
        asked = {"state": {"type": "SCHEDULED", "message": "Run from the Prefect UI"}, "parameters": parameters}
        made = self.ask("POST", f"/deployments/{self.deployment(job)['id']}/create_flow_run", asked)
        return str(made["id"])

    def retry(self, run: str) -> str:
        """The button Retry; whether the server accepted."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
        return str(self.ask("POST", f"/flow_runs/{run}/set_state", {"state": state, "force": False})["status"])

    def cancel(self, run: str) -> None:
        """The button Cancel."""
        state = {"type": "CANCELLING", "name": "Cancelling"}
        self.ask("POST", f"/flow_runs/{run}/set_state", {"state": state, "force": True})

    def change_state(self, run: str, state: str) -> None:
        """The button Change state, of a run that is over."""
        self.ask("POST", f"/flow_runs/{run}/set_state", {"state": {"type": state}, "force": True})

    def delete_run(self, run: str) -> None:
        """The button Delete of a run."""
        self.ask("DELETE", f"/flow_runs/{run}")

    def delete_deployment(self, job: str) -> None:
        """The button Delete of a deployment."""
        self.ask("DELETE", f"/deployments/{self.deployment(job)['id']}")

    def schedules(self, *, active: bool) -> None:
        """The switch beside each schedule."""
        for deployment in self.ask("POST", "/deployments/filter", {}):
            for one in deployment["schedules"]:
                self.ask("PATCH", f"/deployments/{deployment['id']}/schedules/{one['id']}", {"active": active})

    def run(self, run: str) -> dict[str, Any] | None:
        """A run as it stands; None when it was deleted, or its database was."""
        found = self.ask("POST", "/flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return dict(found[0]) if found else None

    def being_started(self) -> int:
        """Runs that a worker has just taken and that have no process yet: switching a schedule off does not stop these.

        One that died with its worker before it had a process stays so for ten minutes, and does nothing.
        """
        taken = self.ask("POST", "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["PENDING"]}}}})
        since = datetime.now(UTC) - _STARTS_WITHIN
        return sum(datetime.fromisoformat(run["state"]["timestamp"]) > since for run in taken)

    def pool_is_ready(self) -> bool:
        """True when the server knows of a worker of our pool that is online."""
        return bool(self.ask("GET", f"/work_pools/{POOL}")["status"] == "READY")

    def state(self, run: str) -> str:
        """The type of its state; "gone" when there is no such run."""
        found = self.run(run)
        return str(found["state_type"]) if found else "gone"

    def wait(self, run: str, seconds: float = 180, *, times: int = 1) -> str:
        """Until it is over and has run `times` times, or has been over for some seconds; the last state seen."""
        deadline, over_since = time.monotonic() + seconds, None
        while True:
            found = self.run(run)
            state = str(found["state_type"]) if found else "gone"
            if found is None or (state in OVER and found["run_count"] >= times):
                return state
            over_since = (over_since or time.monotonic()) if state in OVER else None
            if time.monotonic() > min(deadline, (over_since or deadline) + _STAYS_OVER):
                return state
            time.sleep(0.3)

    def made_by_events(self, job: str, since: float) -> int:
        """Runs of a job that an event asked for since then (epoch seconds)."""
        asked = {
            "deployments": {"name": {"any_": [job]}},
            "flow_runs": {"expected_start_time": {"after_": datetime.fromtimestamp(since, UTC).isoformat()}},
        }
        runs = self.ask("POST", "/flow_runs/filter", asked)
        return sum((run["created_by"] or {}).get("type") == "AUTOMATION" for run in runs)

    def emit(self, events: list[dict[str, Any]]) -> bool:
        """Post events once; whether they were accepted. An event is not worth a second try."""
        try:
            return self._client.post("/events", json=events, timeout=5).is_success
        except httpx.TransportError:
            return False

    def fired(self, automation: str, since: float) -> list[str]:
        """What the server's event feed says of an automation since then: triggered, action executed, …"""
        filters = {
            "occurred": {"since": datetime.fromtimestamp(since, UTC).isoformat()},
            "event": {"prefix": ["prefect.automation."]},
            "resource": {"labels": {"prefect.resource.name": automation}},
        }
        told = self.ask("POST", "/events/filter", {"filter": filters, "limit": 50})["events"]
        return [one["event"] for one in told]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer; the server answers 503 when SQLite is busy, and not at all while it starts."""
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = self._client.request(method, path, json=body)
                if answer.status_code != 503:
                    answer.raise_for_status()
                    return answer.json() if answer.content else None
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, f"{method} {path}: the server stays away"
            time.sleep(0.3)
