"""Runs of `action-review` at Prefect, over HTTP: where reviewers see what waits, and may answer.

Nothing is decided by what is read here: our own table says what is open, and these runs are made to agree with it.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

import httpx

from integrations.prefect_client import prefect_client

FLOW = "action-review"
"""The flow and its deployment, as prefect.yaml names them."""

_SECONDS = 5.0
_PAGE = 200
"""Runs in one answer: Prefect gives no more."""

_OVER = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_LARGEST = 2**63 - 1
"""Of the ids that a database knows; whoever begins a run by hand may ask for any."""
_RUN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class PrefectSilent(Exception):
    """Prefect did not answer, or not as it should; the next round tries again."""


class Phase(StrEnum):
    """What a run that is not over does, as far as we care."""

    PAUSED = "paused"  # waits for an answer; no process belongs to it
    RUNNING = "running"  # a process reads our table
    COMING = "coming"  # waits for a worker, or for its time


_PHASES: Mapping[str, Phase] = {
    "PAUSED": Phase.PAUSED,
    "RUNNING": Phase.RUNNING,
    "CANCELLING": Phase.RUNNING,
    "SCHEDULED": Phase.COMING,
    "PENDING": Phase.COMING,
}
"""Prefect's state types → what they mean to us."""


@dataclass(frozen=True, slots=True)
class ReviewRun:
    """A run that is not over. `key` is what its form is called, of one that is paused with a form."""

    id: str
    review: int | None  # None: whoever began it named none
    phase: Phase
    since: datetime
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """What Prefect keeps of a paused run's form."""

    is_shown: bool  # without it nobody could ever answer
    is_answered: bool  # somebody has put an answer beside it, and the run sleeps on


class ReviewRuns(Protocol):
    """What the reviews need of Prefect. Everything raises PrefectSilent and may be repeated."""

    async def start(self, review: int, key: str) -> bool:
        """Begin a run for a review; False when the run that was begun with this key is over already."""
        ...

    async def under_way(self) -> list[ReviewRun]:
        """All runs that are not over, the newest first."""
        ...

    async def form(self, run: ReviewRun) -> Form:
        """What Prefect keeps of a paused run's form."""
        ...

    async def wake(self, run: str) -> None:
        """Have a paused run begin its body from the top."""
        ...

    async def drop_input(self, run: str, key: str) -> None:
        """Take an answer away from Prefect; one that is not there is gone already."""
        ...

    async def close(self, run: str, words: str, *, died: bool = False) -> None:
        """End a run without running it: cancelled, or as one that died."""
        ...


class PrefectReviewRuns:
    """`ReviewRuns` at one Prefect server. Belongs to one event loop."""

    def __init__(
        self,
        api_url: str,
        *,
        auth: str | None = None,
        seconds: float = _SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`api_url` as in http://127.0.0.1:4200/api; `auth` is Prefect's basic auth, `user:password`."""
        self._client = prefect_client(api_url, auth=auth, seconds=seconds, transport=transport)
        self._deployment: str | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def start(self, review: int, key: str) -> bool:
        """Begin a run for a review; False when the run that was begun with this key is over already."""
        asked = {"parameters": {"review": review}, "idempotency_key": key, "name": f"review {review}"}
        begun = await self._ask("POST", f"/deployments/{await self._deployed()}/create_flow_run", asked)
        with _as_published():
            return begun["state_type"] not in _OVER

    async def under_way(self) -> list[ReviewRun]:
        """All runs that are not over, the newest first."""
        wanted = {
            "flows": {"name": {"any_": [FLOW]}},
            "flow_runs": {"state": {"type": {"any_": sorted(_PHASES)}}},
            "sort": "ID_DESC",
            "limit": _PAGE,
        }
        found: list[ReviewRun] = []
        while True:
            page = await self._ask("POST", "/flow_runs/filter", {**wanted, "offset": len(found)})
            with _as_published():
                found += [_run(one) for one in page]
            if len(page) < _PAGE:
                return found

    async def form(self, run: ReviewRun) -> Form:
        """What Prefect keeps of a paused run's form."""
        if run.key is None:
            return Form(is_shown=False, is_answered=False)
        asked = {"prefix": f"{run.key}-", "limit": 10}
        answer = await self._ask("POST", f"/flow_runs/{run.id}/input/filter", asked)
        with _as_published():
            kept = {each["key"] for each in answer}
        return Form(is_shown=f"{run.key}-schema" in kept, is_answered=f"{run.key}-response" in kept)

    async def wake(self, run: str) -> None:
        """Have a paused run begin its body from the top."""
        now = datetime.now(UTC).isoformat()
        await self._set(run, {"type": "SCHEDULED", "name": "Resuming", "state_details": {"scheduled_time": now}})

    async def drop_input(self, run: str, key: str) -> None:
        """Take an answer away from Prefect; one that is not there is gone already."""
        await self._ask("DELETE", f"/flow_runs/{run}/input/{key}-response", missing_is_fine=True)

    async def close(self, run: str, words: str, *, died: bool = False) -> None:
        """End a run without running it: cancelled, or as one that died."""
        await self._set(run, {"type": "CRASHED" if died else "CANCELLED", "message": words}, force=True)

    async def _set(self, run: str, state: Mapping[str, Any], *, force: bool = False) -> None:
        """Whether Prefect accepts it is seen in the next round, which reads where the run stands."""
        await self._ask("POST", f"/flow_runs/{run}/set_state", {"state": state, "force": force}, missing_is_fine=True)

    async def _deployed(self) -> str:
        if self._deployment is None:
            known = await self._ask("GET", f"/deployments/name/{FLOW}/{FLOW}")
            with _as_published():
                self._deployment = str(known["id"])
        return self._deployment

    async def _ask(self, method: str, path: str, body: Any = None, *, missing_is_fine: bool = False) -> Any:
        try:
            answer = await self._client.request(method, path, json=body)
            if answer.status_code == httpx.codes.NOT_FOUND:
                self._deployment = None  # somebody has deleted it, or wiped everything: look again next time
                if missing_is_fine:
                    return None
            answer.raise_for_status()
            return answer.json() if answer.content else None
        except (httpx.HTTPError, ValueError) as problem:
            told = f"HTTP {problem.response.status_code}" if isinstance(problem, httpx.HTTPStatusError) else ""
            raise PrefectSilent(f"{method} {path.split('?')[0]}: {told or type(problem).__name__}") from problem


@contextmanager
def _as_published() -> Iterator[None]:
    """Reads an answer; whoever answers in another shape is no Prefect that we know."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as problem:
        raise PrefectSilent(f"an answer of another shape ({type(problem).__name__})") from problem


def is_run(name: str) -> bool:
    """Whether this is a run's id; people and others who cause things have names."""
    return _RUN.fullmatch(name) is not None


def run_page(ui: str, run: str) -> str | None:
    """Where Prefect's UI shows a run; None when there is no UI, or that is no run's id."""
    return f"{ui}/runs/flow-run/{run}" if ui and is_run(run) else None


def _run(told: Mapping[str, Any]) -> ReviewRun:
    state = told["state"] or {}
    keys = (state.get("state_details") or {}).get("run_input_keyset") or {}
    review = (told.get("parameters") or {}).get("review")
    return ReviewRun(
        id=told["id"],
        review=review if type(review) is int and 0 < review <= _LARGEST else None,
        phase=_PHASES[told["state_type"]],
        since=datetime.fromisoformat(state["timestamp"]),
        key=str(keys["response"]).removesuffix("-response") if "response" in keys else None,
    )
