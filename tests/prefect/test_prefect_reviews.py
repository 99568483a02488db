"""Reviews in Prefect, and all that may be done to their runs: nothing but a proper answer decides anything.

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
from reviews_ground import EWA, JAN, OLA, Ground, policy_of
from sqlalchemy import update

from domain.review_rules import Risk, Way
from domain.reviews import Stand
from services.review_answers import CHANGED, CUT_OFF, MOVED, NO_ANSWER, UNREADABLE
from services.reviews_settling import seal_gathered, settle_reviews
from store import review_asks
from store.database import Database
from store.ledger.rows import reviews

pytestmark = pytest.mark.prefect


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


async def test_asked_answered_and_done(ground: Ground, applied: Server) -> None:
    origin = applied.post(f"/deployments/{applied.named('deployments', 'onboarding-drip')['id']}/create_flow_run")["id"]
    review, run = await ground.asked(run=origin)

    shown = ground.run(run)
    assert shown["name"].startswith(f"review {review}: 3 messages: step welcome of the journey onboarding, by ")
    assert set(shown["tags"]) == {"handrail", "review"}
    assert shown["idempotency_key"] == f"review-{review}-1"
    artifact = ground.artifact(run, f"review-{review}")
    for words in ("2 basic, 1 vip", "3 mail", "more than 2000 customers", "Example 3", f"/reviews/{review}"):
        assert words in artifact, words
    assert f"/runs/flow-run/{origin}" in artifact
    assert f"/runs/flow-run/{run}" in ground.artifact(origin, f"review-{review}-asked")

    code = ground.fresh_code(EWA)
    assert ground.resume(run, ground.answer(EWA, code=code))["status"] == "ACCEPT"
    assert code in str(ground.inputs(run)), "it waits at Prefect until the run has begun"

    assert await ground.work(run) == "Approved"

    assert code not in str(ground.inputs(run))
    ended = ground.run(run)["state"]
    assert ended["type"] == "COMPLETED"
    assert ended["message"].startswith(f"approved by {EWA}, ")
    assert ended["message"].endswith("(as intended)")
    assert f"Review {review}: approved" in ground.artifact(run, f"review-{review}")
    standing = ground.review(review)
    assert (standing.state, standing.decided_by) == (Stand.APPROVED, EWA)
    [ask] = ground.asks(review)
    assert (ask.flow_run_id, ask.is_accepted, ask.outcome) == (run, True, f"{EWA} said yes.")
    assert await ground.settle() == []


async def test_a_no_is_a_no(ground: Ground) -> None:
    review, run = await ground.asked()

    ground.resume(run, ground.answer(EWA, "reject"))
    assert await ground.work(run) == "Rejected"

    assert ground.review(review).state == Stand.REJECTED
    assert f"rejected by {EWA}" in ground.run(run)["state"]["message"]
    assert "nothing of it is done" in ground.run(run)["state"]["message"]


REFUSED_BY_THE_SERVER: list[Any] = [
    None,
    {},
    {"decision": "approve"},
    {"decision": "approve", "reviewer": EWA, "reason": "as intended"},
    {"decision": "false", "reviewer": EWA, "reason": "as intended", "code": "123456"},
    {"decision": True, "reviewer": EWA, "reason": "as intended", "code": "123456"},
    {"decision": None, "reviewer": None, "reason": None, "code": None},
    {"decision": "approve", "reviewer": "Nobody Known", "reason": "as intended", "code": "123456"},
    {"decision": "approve", "reviewer": OLA, "reason": "as intended", "code": "123456"},
    {"decision": "approve", "reviewer": EWA, "reason": "", "code": "123456"},
    {"decision": "approve", "reviewer": EWA, "reason": "as intended", "code": 123456},
    {"decision": "approve", "reviewer": EWA, "reason": "as intended", "code": "QMFG-3VJA-K7XQ-2ZLD"},
    {"decision": "approve", "reviewer": EWA, "reason": "as intended", "code": "123456", "comment": "words"},
]


async def test_what_is_no_answer_the_server_refuses(ground: Ground) -> None:
    review, run = await ground.asked()
    before = ground.ledger()

    for wrong in REFUSED_BY_THE_SERVER:
        answered = ground.resume(run, wrong)
        assert answered["status"] == "REJECT", wrong
        assert ground.run(run)["state_type"] == "PAUSED"

    assert ground.ledger() == before
    assert [ask.outcome for ask in ground.asks(review)] == [None]
    assert await ground.settle() == []


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


async def test_a_code_counts_once(ground: Ground) -> None:
    first, run = await ground.asked()
    code = ground.code(EWA, steps=1)  # it counts the longest
    ground.resume(run, ground.answer(EWA, code=code))
    await ground.settle()
    assert ground.review(first).state == Stand.APPROVED
    second, run = await ground.asked()
    before = ground.ledger()

    ground.resume(run, ground.answer(EWA, code=code))
    await ground.settle()

    assert ground.ledger() == before
    assert "used already" in said(ground, second)


async def test_who_caused_it_does_not_decide_it(ground: Ground) -> None:
    review, run = await ground.asked(run=EWA)
    before = ground.ledger()
    assert ground.resume(run, ground.answer(EWA, code="123456"))["status"] == "REJECT", "the form does not offer it"

    ground.plant(run, ground.answer(EWA))
    await ground.settle()

    assert ground.ledger() == before
    assert "you have caused it" in said(ground, review)
    ground.resume(run, ground.answer(JAN))
    await ground.settle()
    assert ground.review(review).decided_by == JAN


async def test_two_people_are_two_people(ground: Ground) -> None:
    review, run = await ground.asked(replace(stage.an_ask(reviewers=2), gather_minutes=0))

    ground.resume(run, ground.answer(EWA))
    await ground.settle()
    assert ground.review(review).state == Stand.OPEN
    assert f"{EWA} said yes; 1 more must say yes." in said(ground, review)
    ground.plant(run, ground.answer(EWA))
    await ground.settle()
    assert ground.review(review).state == Stand.OPEN
    assert ground.resume(run, ground.answer(EWA, code="123456"))["status"] == "REJECT"

    ground.resume(run, ground.answer(JAN))
    assert await ground.work(run) == "Approved"
    assert f"approved by {EWA} and {JAN}" in ground.run(run)["state"]["message"]


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


def said_in(ground: Ground, run: str) -> str:
    """All that a run's forms say."""
    return str(ground.inputs(run))


async def test_an_answer_that_its_process_did_not_live_to_record_is_asked_again(ground: Ground) -> None:
    review, run = await ground.asked()
    with ground.database.write() as connection:
        ask = review_asks.last(connection, review)
        assert ask is not None
        review_asks.take(connection, ask, now=datetime.now(UTC))
    before = ground.ledger()

    await ground.settle()

    assert CUT_OFF in said(ground, review)
    assert ground.ledger() == before
    assert [one["id"] for one in ground.paused(review)] == [run]


async def test_an_answer_in_a_run_that_died_counts_in_the_next(ground: Ground) -> None:
    review, run = await ground.asked()
    ground.resume(run, ground.answer(EWA))
    ground.force(run, "CRASHED")  # before its process had begun

    await ground.settle()

    assert ground.review(review).state == Stand.APPROVED
    assert not [key for key in ground.inputs(run) if key.endswith("response")]


async def test_an_answer_to_what_was_changed_meanwhile_does_not_count(ground: Ground) -> None:
    review, run = await ground.asked()
    with ground.database.write() as connection:
        connection.execute(update(reviews).values(payload_hash="of what an edit has made of it", revision=2))
    before = ground.ledger()

    ground.resume(run, ground.answer(EWA))
    await ground.settle()

    assert "changed after you saw it" in said(ground, review)
    assert ground.ledger() == before
    with ground.database.write() as connection:
        connection.execute(update(reviews).values(payload_hash="of another edit", revision=3))
    await ground.settle()
    assert CHANGED in said(ground, review)
    assert ground.asks(review)[-1].payload_hash == "of another edit"


async def test_an_answer_after_the_deadline_does_not_count(ground: Ground) -> None:
    review, run = await ground.asked()
    past = datetime.now(UTC) - timedelta(minutes=1)
    with ground.database.write() as connection:
        connection.execute(update(reviews).values(deadline=past))
    before = ground.ledger()

    ground.resume(run, ground.answer(EWA))
    await ground.work(run)
    assert "its time was over" in said(ground, review)
    assert ground.ledger() == before

    settle_reviews(ground.database, policy_of(), run="sweep", now=datetime.now(UTC))
    await ground.settle()
    assert ground.run(run)["state_name"] == "Expired"
    assert "nobody decided in time" in ground.run(run)["state"]["message"]
    assert ground.paused() == []


async def test_an_answer_after_a_decision_elsewhere_changes_nothing(ground: Ground) -> None:
    review, run = await ground.asked()
    ground.resume(run, ground.answer(EWA, "reject"))
    await ground.decide_elsewhere(review, JAN)
    before = ground.ledger()

    assert await ground.work(run) == "Approved"

    assert ground.ledger() == before
    assert f"approved by {JAN}" in ground.run(run)["state"]["message"]
    assert not [key for key in ground.inputs(run) if key.endswith("response")]


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


async def test_a_review_that_is_decided_elsewhere_says_where(ground: Ground) -> None:
    elsewhere = replace(stage.an_ask(risk=Risk.MEDIUM), gather_minutes=0)
    review, run = await ground.asked(elsewhere)
    before = ground.ledger()
    assert Way.PREFECT not in policy_of().reviews.classes[Risk.MEDIUM].ways

    assert "not here" in said(ground, review)
    for answer in (None, {}, ground.answer(EWA)):
        assert ground.resume(run, answer)["status"] == "REJECT"
    ground.plant(run, ground.answer(EWA))
    await ground.settle()

    assert "not in Prefect" in said(ground, review)
    assert ground.ledger() == before


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


async def test_prefect_is_away(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    review = ground.open_review()
    monkeypatch.setenv("HANDRAIL_PREFECT_API_URL", "http://127.0.0.1:1/api")

    assert await ground.reconcile() == []
    await ground.decide_elsewhere(review, JAN)

    assert ground.review(review).state == Stand.APPROVED


async def test_without_prefect_there_is_nothing_to_reconcile(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.open_review()
    monkeypatch.delenv("HANDRAIL_PREFECT_API_URL")

    assert await ground.reconcile() == []


async def test_a_run_asks_about_no_review_that_is_not_there_or_not_ready(ground: Ground) -> None:
    unknown = ground.custom_run(9_999)
    assert await ground.work(unknown) == "Failed"
    assert "there is no review 9999" in ground.run(unknown)["state"]["message"]

    collecting = ground.open_review()
    with ground.database.write() as connection:
        connection.execute(update(reviews).values(state=Stand.COLLECTING))
    early = ground.custom_run(collecting)
    assert await ground.work(early) == "Waiting"
    assert ground.asks(collecting) == []


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
