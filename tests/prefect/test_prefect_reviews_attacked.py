"""All that may be done to the runs of reviews in Prefect by whoever has its buttons or its API: it decides nothing.

P9, P10 and P11 as far as Prefect goes. A worker's part is played in this process; the server is a real one.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import review_stage as stage
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect_stage import Server
from reviews_ground import EWA, JAN, OLA, Ground, policy_of, said
from reviews_ground import ground as ground

from domain.review_rules import Risk
from domain.reviews import Stand
from services.review_answers import MOVED, NO_ANSWER, UNREADABLE
from services.reviews_settling import seal_gathered

pytestmark = pytest.mark.prefect


async def test_planted_answers_decide_nothing_and_are_taken_away(ground: Ground) -> None:
    """`POST /flow_runs/{id}/input`: past the form, by anybody who reaches Prefect's API."""
    review, run = await ground.asked()
    before = ground.ledger()
    planted: list[tuple[Any, str | None, str]] = [
        (ground.answer(EWA, code="000000"), None, "wrong"),
        (ground.answer("Nobody Known", code="123456"), None, "wrong"),
        (ground.answer(EWA, code=ground.code(EWA, steps=-40)), None, "wrong"),
        (ground.answer(OLA), None, "role"),
        (ground.answer(EWA, code="123456", decision="false"), None, UNREADABLE),
        (None, "{not json", UNREADABLE),
    ]

    for number, (answer, raw, why) in enumerate(planted, start=1):
        ground.plant(run, answer, raw=raw)
        await ground.settle()
        assert [one["id"] for one in ground.paused(review)] == [run]
        assert why in said(ground, review), (answer, raw)
        assert not [key for key in ground.inputs(run) if key.endswith("response")]
        assert ground.asks(review)[-1].number == number + 1
    assert ground.ledger() == before

    ground.plant(run, ground.answer(EWA))  # who has a reviewer's code is the reviewer, whichever way it comes
    await ground.settle()
    assert ground.review(review).state == Stand.APPROVED


@pytest.mark.parametrize("kind", ["SCHEDULED", "RUNNING", "COMPLETED"])
async def test_a_forced_state_decides_nothing(ground: Ground, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    review, run = await ground.asked()
    before = ground.ledger()

    ground.force(run, kind)
    monkeypatch.setattr("services.review_runs._DEAD_AFTER", timedelta(0))  # a minute later
    await ground.settle()

    assert ground.ledger() == before
    [paused] = ground.paused(review)
    ground.resume(paused["id"], ground.answer(EWA))
    await ground.settle()
    assert ground.review(review).state == Stand.APPROVED


async def test_thirty_bare_resumes_at_once_decide_nothing(ground: Ground) -> None:
    """And so do thirty for a review that is not decided here, whose form takes no answer at all."""
    elsewhere = replace(stage.an_ask(stage.SURVEY, risk=Risk.MEDIUM), gather_minutes=0)
    for ask in (None, elsewhere):
        review, run = await ground.asked(ask)
        before = ground.ledger()

        with ThreadPoolExecutor(30) as crowd:
            answers = list(crowd.map(lambda _, run=run: ground.resume(run), range(30)))
            answers += list(crowd.map(lambda _, run=run: ground.resume(run, {}), range(30)))
        await ground.settle()

        assert {one["status"] for one in answers} == {"REJECT"}
        assert ground.ledger() == before
        assert [one["id"] for one in ground.paused(review)] == [run]


async def test_thirty_proper_answers_at_once_are_one_vote(ground: Ground) -> None:
    review, run = await ground.asked()
    proper = ground.answer(EWA)

    def resume(_: int) -> str:
        try:
            return str(ground.resume(run, proper)["status"])
        except AssertionError:  # two were accepted at once: the second finds the first's answer there
            return "REFUSED"

    with ThreadPoolExecutor(30) as crowd:
        answers = list(crowd.map(resume, range(30)))
    await ground.settle()

    assert "ACCEPT" in answers
    assert ground.review(review).state == Stand.APPROVED
    assert len(ground.ledger()[2]) == 1
    assert not [key for key in ground.inputs(run) if key.endswith("response")]


async def test_a_bare_wake_up_asks_again_and_says_why(ground: Ground) -> None:
    review, run = await ground.asked()
    before = ground.ledger()

    for time in (1, 2):
        ground.force(run, "SCHEDULED", name="Resuming")
        await ground.settle()
        assert NO_ANSWER in said(ground, review)
        assert [ask.number for ask in ground.asks(review)] == list(range(1, time + 2))

    assert ground.ledger() == before


async def test_wake_ups_lost_doubled_and_tripled(ground: Ground) -> None:
    review, run = await ground.asked()
    await ground.decide_elsewhere(review, JAN)

    for _ in range(3):
        await ground.reconcile()
    ground.force(run, "PAUSED", name="Suspended", state_details={"pause_reschedule": True})  # as if nobody had woken it
    await ground.settle()

    assert [one["state_name"] for one in ground.all_runs(review)] == ["Approved"]
    assert f"approved by {JAN}" in ground.run(run)["state"]["message"]
    await asyncio.gather(*(ground.work(run) for _ in range(2)))
    assert ground.run(run)["state_name"] == "Approved"
    assert len(ground.ledger()[2]) == 1


def cancelled(ground: Ground, run: str) -> None:
    ground.force(run, "CANCELLED")


def deleted(ground: Ground, run: str) -> None:
    ground.server.delete(f"/flow_runs/{run}")


def without_form(ground: Ground, run: str) -> None:
    for key in [key for key in ground.inputs(run) if key.endswith("schema")]:
        ground.server.delete(f"/flow_runs/{run}/input/{key}")


def doubled(ground: Ground, run: str) -> None:
    ground.custom_run(ground.run(run)["parameters"]["review"])


def retried(ground: Ground, run: str) -> None:
    ground.force(run, "SCHEDULED", name="AwaitingRetry")


def by_hand_for_another(ground: Ground, run: str) -> None:
    ground.custom_run(9_999)


@pytest.mark.parametrize("attack", [cancelled, deleted, without_form, doubled, retried, by_hand_for_another])
async def test_what_operators_do_to_a_run_neither_decides_nor_loses_it(
    ground: Ground, attack: Callable[[Ground, str], None]
) -> None:
    review, run = await ground.asked()
    before = ground.ledger()

    attack(ground, run)
    await ground.settle()

    assert ground.ledger() == before
    assert [one["parameters"] for one in ground.paused()] == [{"review": review}]
    [paused] = ground.paused()
    ground.resume(paused["id"], ground.answer(EWA))
    await ground.settle()
    assert ground.review(review).state == Stand.APPROVED
    assert ground.paused() == []


def said_in(ground: Ground, run: str) -> str:
    """All that a run's forms say."""
    return str(ground.inputs(run))


async def test_two_paused_runs_of_one_review_become_one(ground: Ground) -> None:
    review, first = await ground.asked()
    ground.force(first, "RUNNING")
    other = ground.custom_run(review)
    await ground.work(other)
    ground.pause_again(first, f"{review}-1")
    assert len(ground.paused(review)) == 2
    before = ground.ledger()
    assert MOVED in said_in(ground, other)

    await ground.settle()

    assert [one["id"] for one in ground.paused(review)] == [other]
    assert ground.ledger() == before


async def test_prefects_variables_and_templates_never_reach_what_we_keep(ground: Ground, applied: Server) -> None:
    review, run = await ground.asked()
    secret = "a-variable-of-prefect-4711"
    applied.post("/variables/", {"name": "secret_of_prefect", "value": secret})
    variable = {"__prefect_kind": "workspace_variable", "variable_name": "secret_of_prefect"}
    template = {"__prefect_kind": "jinja", "template": "{{ 7*7 }}-4711"}
    before = ground.ledger()
    try:
        for field in ("decision", "reviewer", "reason", "code"):
            for trick in (variable, template):
                answered = ground.resume(run, {**ground.answer(EWA, code="123456"), field: trick})
                assert answered["status"] == "REJECT", (field, trick)
        ground.plant(run, {**ground.answer(EWA, code="000000"), "reviewer": secret})
        await ground.settle()
    finally:
        applied.delete("/variables/name/secret_of_prefect")

    assert ground.ledger() == before
    assert ground.asks(review)[-2].is_accepted is False
    assert "4711" not in str(ground.asks(review)) + said(ground, review)


async def test_prefects_database_is_wiped(ground: Ground) -> None:
    """P25: reviews are decided on their pages meanwhile, and those that are open are asked again."""
    is_open, _ = await ground.asked()
    decided, _ = await ground.asked()
    for run in ground.all_runs():
        ground.server.delete(f"/flow_runs/{run['id']}")

    await ground.decide_elsewhere(decided, JAN)
    await ground.settle()

    assert [run["parameters"] for run in ground.paused()] == [{"review": is_open}]
    assert ground.review(decided).state == Stand.APPROVED


async def test_no_code_secret_or_customer_is_left_at_prefect(ground: Ground, applied: Server) -> None:
    """P23: answers that count, that do not, that are planted; then all that Prefect keeps is searched."""
    name, address = "Canaria Kowalska-Nemo", "canary-4711@example.com"
    now = datetime.now(UTC)
    policy = policy_of()
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):
        asked = replace(stage.an_ask(), gather_minutes=0)
        ids = stage.people(ground.database, {"name": name, "email": address, "phone": "+48600471199"}, now=now)
        step = stage.a_step(ground.database, 1, now=now, ask=asked)
        stage.put(ground.database, [(step, ids[0])], now=now)
        [review] = seal_gathered(ground.database, policy, now=datetime.now(UTC))
        await ground.settle()
        [paused] = ground.paused(review)
        run, codes = paused["id"], ["471147", ground.fresh_code(OLA), ground.fresh_code(EWA)]
        ground.resume(run, ground.answer(EWA, code=codes[0]))
        await ground.settle()
        ground.plant(run, ground.answer(OLA, code=codes[1]))
        await ground.settle()
        ground.resume(run, ground.answer(EWA, code=codes[2]))
        await ground.settle()
        await APILogHandler.aflush()
    assert ground.review(review).state == Stand.APPROVED

    told = everything_prefect_keeps(applied)
    assert f"review {review}: 1 message" in told, "or this shows nothing"
    for code in codes:
        assert f'"{code}"' not in told, "a code is left"
    bytes_kept = b"".join(path.read_bytes() for path in (applied.directory / "prefect").glob("prefect.db*"))
    logged = (applied.directory / "prefect.log").read_bytes()
    secrets = [made.secret for made in ground.people.values()]
    secrets += [code for made in ground.people.values() for code in made.recovery_codes]
    for canary in (name, "Canaria", address, "+48600471199", "600471199", *secrets):
        assert canary.encode() not in bytes_kept + logged, canary


def everything_prefect_keeps(server: Server) -> str:
    """All rows of all of its tables. Codes are searched here, not in its file: a row that was deleted leaves its bytes
    there until others take their place, and what they say is spent."""
    with closing(sqlite3.connect(f"file:{server.directory / 'prefect' / 'prefect.db'}?mode=ro", uri=True)) as kept:
        return "\n".join(kept.iterdump()).replace('\\"', '"')
