"""Reviews in Prefect: asked there and answered, in time or too late, by who may; nothing but a proper answer decides.

P9, P10 and P11 as far as Prefect goes. A worker's part is played in this process; the server is a real one.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import review_stage as stage
from prefect_stage import Server
from reviews_ground import EWA, JAN, OLA, Ground, policy_of, said
from reviews_ground import ground as ground
from sqlalchemy import update

from domain.review_rules import Risk, Way
from domain.reviews import Stand
from services.review_answers import CHANGED, CUT_OFF
from services.reviews_settling import settle_reviews
from store import review_asks
from store.ledger.rows import reviews

pytestmark = pytest.mark.prefect


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
