"""What Prefect answers about runs of reviews, in the shapes that 3.8.8 was recorded with; without a server."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

RECORDED: Mapping[str, Any] = json.loads(
    (Path(__file__).parent / "unit" / "integrations" / "recorded_prefect.json").read_text(encoding="utf-8")
)
API = "http://prefect.example/api"


class PrefectDouble(httpx.MockTransport):
    """A server that knows one deployment, keeps runs and their inputs, and writes down what it was asked."""

    def __init__(self) -> None:
        super().__init__(self.answer)
        self.runs: dict[str, dict[str, Any]] = {}
        self.inputs: dict[str, set[str]] = {}
        self.asked: list[str] = []
        self.is_silent = False
        self.is_deployed = True

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Prefect's answer to one request."""
        path, method = request.url.path.removeprefix("/api"), request.method
        self.asked.append(f"{method} {path}")
        if self.is_silent:
            raise httpx.ConnectError("nobody there")
        body = json.loads(request.content) if request.content else {}
        match path.strip("/").split("/"):
            case ["deployments", "name", "action-review", "action-review"] if self.is_deployed:
                return _json(200, RECORDED["deployment"]["answer"])
            case ["deployments", its, "create_flow_run"] if self._knows(its):
                return self._begin(body)
            case ["flow_runs", "filter"]:
                return self._filter(body)
            case ["flow_runs", run, "input", "filter"]:
                return _json(200, [_input(run, key) for key in self.inputs[run] if key.startswith(body["prefix"])])
            case ["flow_runs", run, "input", key] if key in self.inputs.get(run, ()):
                self.inputs[run].discard(key)
                return httpx.Response(204)
            case ["flow_runs", run, "set_state"] if run in self.runs:
                self.put(run, **body["state"])
                return _json(201, {**RECORDED["woken"]["answer"], "state": self.runs[run]["state"]})
        return _json(404, RECORDED["no deployment"]["answer"])

    def add(self, review: Any, kind: str = "PAUSED", *, number: int = 1, **state: Any) -> str:
        """A run of a review, paused with its form unless told otherwise; its id."""
        run = str(uuid4())
        self.runs[run] = {**deepcopy(RECORDED["runs"]["answer"][0]), "id": run, "parameters": {"review": review}}
        keys = {each: f"suspended-{review}-{number}-{each}" for each in ("description", "response", "schema")}
        details = {"run_input_keyset": keys, "pause_key": f"{review}-{number}"} if kind == "PAUSED" else {}
        self.put(run, kind, state_details=details, **state)
        self.inputs[run] = {keys["schema"], keys["description"]} if kind == "PAUSED" else set()
        return run

    def put(self, run: str, type: str, *, since: datetime | None = None, **more: Any) -> None:
        """Set a run's state."""
        at = (since or datetime.now(UTC)).isoformat()
        details = more.pop("state_details", {})
        state = {"type": type, "timestamp": at, "message": None, "name": type.title(), "state_details": details, **more}
        self.runs[run] |= {"state_type": type, "state_name": state["name"], "state": state}

    def state(self, run: str) -> str:
        """Where a run stands."""
        return str(self.runs[run]["state_type"])

    def _knows(self, deployment: str) -> bool:
        return self.is_deployed and deployment == RECORDED["deployment"]["answer"]["id"]

    def _begin(self, body: Mapping[str, Any]) -> httpx.Response:
        for known in self.runs.values():
            if known["idempotency_key"] == body["idempotency_key"]:
                return _json(200, known)
        run = self.add(body["parameters"]["review"], "SCHEDULED")
        self.runs[run] |= {"idempotency_key": body["idempotency_key"], "name": body["name"]}
        return _json(201, self.runs[run])

    def _filter(self, body: Mapping[str, Any]) -> httpx.Response:
        assert body["flows"] == {"name": {"any_": ["action-review"]}}
        if body["limit"] > 200:
            return _json(422, {"detail": "Invalid limit: must be less than or equal to 200."})
        wanted = body["flow_runs"]["state"]["type"]["any_"]
        found = [run for run in reversed(self.runs.values()) if run["state_type"] in wanted]
        return _json(200, found[body["offset"] : body["offset"] + body["limit"]])


def _input(run: str, key: str) -> dict[str, Any]:
    return {**RECORDED["inputs"]["answer"][0], "flow_run_id": run, "key": key}


def _json(status: int, body: Any) -> httpx.Response:
    return httpx.Response(status, json=body)
