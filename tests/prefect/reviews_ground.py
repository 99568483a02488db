"""A review that waits for people, its run at a Prefect server, and whoever answers or attacks it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pyotp
import pytest
import review_stage as stage
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow_async
from prefect.states import Pending
from prefect_stage import Server
from sqlalchemy import select

from domain.customers import Tier
from domain.review_rules import Way
from domain.reviews import Decision, Reason, Voter
from domain.risk import Ask
from flows.action_review import action_review
from services.review_runs import Deed, reconcile_runs
from services.reviewers import Credentials, add_reviewer, new_credentials
from services.reviews import vote
from services.reviews_settling import seal_gathered
from services.wiring import Handrail
from store.database import Database
from store.ledger.rows import actions, chain, review_asks, review_votes, reviews

EWA, JAN, OLA = "Ewa Lis", "Jan Nowak", "Ola Kot"
"""Two who may decide what is asked here, and one who may not."""


@dataclass
class Ground:
    """An installation with people who may decide, and Prefect beside it."""

    server: Server
    database: Database
    people: dict[str, Credentials] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)

    def add_people(self) -> None:
        """Ewa and Jan are on call; Ola leads nothing that is asked here."""
        for name, role in ((EWA, "on_call"), (JAN, "on_call"), (OLA, "other")):
            made = new_credentials(name)
            add_reviewer(
                self.database, made, [role], known_roles=["on_call", "other"], by="the test", now=datetime.now(UTC)
            )
            self.people[name] = made

    def code(self, name: str, *, steps: int = 0) -> str:
        """What a phone shows; `steps` half minutes from now."""
        at = int(datetime.now(UTC).timestamp()) + 30 * steps
        return pyotp.TOTP(self.people[name].secret).at(at)

    def fresh_code(self, name: str) -> str:
        """One that counts though the one before was used already: of a phone that is slow at first, and fast then."""
        step = self.steps.get(name, -1)
        self.steps[name] = step + 1
        return self.code(name, steps=step)

    def answer(self, name: str, decision: str = "approve", **changes: Any) -> dict[str, Any]:
        """What somebody puts into the form."""
        reason = "as intended" if decision == "approve" else "the wrong people"
        given = {"decision": decision, "reviewer": name, "reason": reason, **changes}
        return given if "code" in given else {**given, "code": self.fresh_code(name)}

    def open_review(self, ask: Ask | None = None, *, run: str = "run-1") -> int:
        """Three welcomes wait for a person; the review's id."""
        now = datetime.now(UTC)
        facts: list[Mapping[str, Any]] = [{}, {"language": "pl", "tier": Tier.VIP}, {"language": "cs-CZ"}]
        with self.database.read() as connection:
            known = len(connection.execute(select(actions.c.id)).all())
        asked = ask or replace(stage.an_ask(), gather_minutes=0)
        ids = stage.people(self.database, *facts, now=now) if not known else [1, 2, 3]
        steps = [stage.a_step(self.database, known + number, now=now, ask=asked) for number in range(1, 4)]
        stage.put(self.database, list(zip(steps, ids, strict=True)), run=run, now=now)
        [review] = seal_gathered(self.database, policy_of(), now=datetime.now(UTC))
        return review

    async def reconcile(self) -> list[Deed]:
        """One round, as a gateway or recovery-sweep does it."""
        async with Handrail.from_environment() as handrail:
            return await reconcile_runs(handrail)

    async def settle(self) -> list[Deed]:
        """Rounds, and what a worker does about their runs, until nothing is left to do; all that was done."""
        told: list[Deed] = []
        for _ in range(6):
            told += (deeds := await self.reconcile())
            coming = self.runs("SCHEDULED", "PENDING")
            for run in coming:
                await self.work(run["id"])
            if not deeds and not coming:
                return told
        raise AssertionError(f"it never comes to rest: {told}")

    async def work(self, run: str) -> str:
        """What a worker and the process it starts do with a run that is due; the state's name then."""
        async with get_client() as client:
            await client.set_flow_run_state(UUID(run), Pending())
            flow_run = await client.read_flow_run(UUID(run))
        with suppress(Pause):
            await run_flow_async(action_review, flow_run=flow_run, parameters=flow_run.parameters, return_type="state")
        return str(self.run(run)["state_name"])

    def run(self, run: str) -> dict[str, Any]:
        """A run as the server has it."""
        return dict(self.server.get(f"/flow_runs/{run}"))

    def runs(self, *types: str, review: int | None = None) -> list[dict[str, Any]]:
        """The runs of reviews in these state types."""
        wanted = {"flows": {"name": {"any_": ["action-review"]}}}
        found = self.server.post("/flow_runs/filter", {**wanted, "flow_runs": {"state": {"type": {"any_": [*types]}}}})
        return [one for one in found if review is None or one["parameters"].get("review") == review]

    def paused(self, review: int | None = None) -> list[dict[str, Any]]:
        """The runs that wait for an answer."""
        return self.runs("PAUSED", review=review)

    async def asked(self, ask: Ask | None = None, **how: Any) -> tuple[int, str]:
        """An open review whose run waits for its answer: both."""
        review = self.open_review(ask, **how)
        await self.settle()
        [run] = self.paused(review)
        return review, run["id"]

    def resume(self, run: str, answer: Any = None) -> dict[str, Any]:
        """Resume as the UI does; what the server says."""
        return dict(self.server.post(f"/flow_runs/{run}/resume", {} if answer is None else {"run_input": answer}))

    def plant(self, run: str, answer: Any, *, suffix: str = "response", raw: str | None = None) -> None:
        """Put an answer beside the run's form, as anybody can who reaches Prefect's API."""
        key = self.run(run)["state"]["state_details"]["run_input_keyset"]["response"].removesuffix("response")
        value = json.dumps(answer) if raw is None else raw
        self.server.post(f"/flow_runs/{run}/input", {"key": f"{key}{suffix}", "value": value})

    def force(self, run: str, kind: str, **more: Any) -> None:
        """Set a run's state past all rules."""
        self.server.post(f"/flow_runs/{run}/set_state", {"state": {"type": kind, **more}, "force": True})

    def inputs(self, run: str) -> dict[str, str]:
        """What Prefect keeps beside a run: key → value."""
        kept = self.server.post(f"/flow_runs/{run}/input/filter", {"prefix": "", "limit": 100})
        return {one["key"]: one["value"] for one in kept}

    def ledger(self) -> Any:
        """All that a decision would change."""
        with self.database.read() as connection:
            return (
                connection.execute(select(actions.c.id, actions.c.state, actions.c.payload_hash)).all(),
                connection.execute(select(reviews.c.id, reviews.c.state, reviews.c.decided_by)).all(),
                connection.execute(select(review_votes.c.id)).all(),
                connection.execute(select(chain.c.id)).all(),
            )

    def review(self, review: int) -> Any:
        """A review as it stands."""
        with self.database.read() as connection:
            return connection.execute(select(reviews).where(reviews.c.id == review)).one()

    def asks(self, review: int) -> list[Any]:
        """How it was asked, time by time."""
        with self.database.read() as connection:
            wanted = select(review_asks).where(review_asks.c.review_id == review).order_by(review_asks.c.number)
            return list(connection.execute(wanted))

    def all_runs(self, review: int | None = None) -> list[dict[str, Any]]:
        """The runs of reviews, wherever they stand."""
        return self.runs(*StateType, review=review)

    def custom_run(self, review: int) -> str:
        """Custom run, as somebody begins it in the UI; its id."""
        deployment = self.server.named("deployments", "action-review")["id"]
        begun = self.server.post(f"/deployments/{deployment}/create_flow_run", {"parameters": {"review": review}})
        return str(begun["id"])

    def pause_again(self, run: str, key: str) -> None:
        """Pause a run under a key by hand, as Prefect's own client does it."""
        keys = {each: f"suspended-{key}-{each}" for each in ("description", "response", "schema")}
        details = {"pause_reschedule": True, "pause_key": key, "run_input_keyset": keys}
        self.force(run, "PAUSED", name="Suspended", state_details=details)

    def artifact(self, run: str, key: str) -> str:
        """What a run shows under a key, the newest."""
        return str(self._artifact(run, key)["data"])

    def artifact_id(self, run: str, key: str) -> str:
        """Its id."""
        return str(self._artifact(run, key)["id"])

    def _artifact(self, run: str, key: str) -> dict[str, Any]:
        wanted = {"artifacts": {"flow_run_id": {"any_": [run]}, "key": {"any_": [key]}}}
        return dict(self.server.post("/artifacts/filter", {**wanted, "sort": "CREATED_DESC"})[0])

    async def decide_elsewhere(self, review: int, name: str) -> None:
        """Somebody says yes on the review page."""
        asked = self.review(review)
        vote(
            self.database,
            policy_of(),
            review,
            reviewer=Voter(name, frozenset({"on_call"})),
            decision=Decision.APPROVE,
            payload_hash=asked.payload_hash,
            reason=Reason.AS_INTENDED,
            way=Way.PAGE,
            now=datetime.now(UTC),
        )


def policy_of() -> Any:
    """The policy that is shipped."""
    from data_contracts.policy import load_policy
    from services.settings import load_settings

    path = load_settings()[0].policy
    return load_policy(path.read_text(encoding="utf-8"), str(path))


@pytest.fixture
def ground(applied: Server, database: Database, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """An installation of its own at the one Prefect server, without runs of those before."""
    monkeypatch.setenv("HANDRAIL_PREFECT_API_URL", applied.api)
    made = Ground(applied, database)
    for run in made.all_runs():  # those of another installation: they bear our keys
        applied.delete(f"/flow_runs/{run['id']}")
    made.add_people()
    return made


def said(ground: Ground, review: int) -> str:
    """What is said in the form that stands now of the answer before."""
    [run] = ground.paused(review)
    return ground.inputs(run["id"])[run["state"]["state_details"]["run_input_keyset"]["description"]]
