"""What a sender is told: the happy answers and the repeated ones, word for word."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import Webhook

Answer = Callable[..., dict[str, Any]]


async def test_critical_answer_is_accepted_and_leaves_a_ticket_and_an_acknowledgement(
    door: Any, installation: Any, answer: Answer
) -> None:
    response = await door.deliver(answer())
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "event_id": f"evt_{installation.rows('inbox')[0].id}",
        "duplicate": False,
        "status": "accepted",
        "problems": [],
    }
    await installation.settled()
    assert installation.effects() == [
        ("send_mail", "survey/standard/r-1/acknowledgement"),
        ("open_ticket", "case/C-1/1/ticket"),
    ]
    assert {row.dispatched_by for row in installation.rows("actions")} == {"gateway"}


async def test_an_independent_signer_is_understood(small_door: Any, answer: Answer, clock: Any, secrets: Any) -> None:
    body = json.dumps(answer())
    headers = {
        "webhook-id": "msg_independent",
        "webhook-timestamp": str(int(clock().timestamp())),
        "webhook-signature": Webhook(secrets[0]).sign("msg_independent", clock(), body),
    }
    assert (await small_door.post(body.encode(), headers)).json()["status"] == "accepted"


async def test_what_breaks_its_contract_is_kept_and_answered_with_reasons(
    door: Any, installation: Any, answer: Answer
) -> None:
    response = await door.deliver(answer(score=11))
    assert response.status_code == 202
    assert response.json() == {
        "event_id": f"evt_{installation.rows('inbox')[0].id}",
        "duplicate": False,
        "status": "quarantined",
        "problems": [
            {
                "path": "data.score",
                "problem": "is 11, which is not on the scale",
                "fix": "nps scores are whole numbers from 0 to 10",
            }
        ],
    }
    assert not installation.rows("actions")
    assert not installation.rows("customers")


GOOD, BROKEN, NOT_JSON = "good", "broken", "not json"


@pytest.mark.parametrize("first", [GOOD, BROKEN, NOT_JSON])
async def test_repeated_delivery_is_answered_as_the_first_was(
    door: Any, installation: Any, answer: Answer, clock: Any, first: str
) -> None:
    body = {GOOD: answer(), BROKEN: answer(score=11), NOT_JSON: b'{"type": NaN}'}[first]
    before = await door.deliver(body)
    clock.go(seconds=60)  # a retry is signed anew
    again = await door.deliver(body)
    assert before.json()["duplicate"] is False
    assert again.status_code == before.status_code == (400 if first == NOT_JSON else 202)
    assert again.content == before.content.replace(b'"duplicate":false', b'"duplicate":true')
    assert again.content != before.content
    await installation.settled()
    assert len(installation.rows("inbox")) == 1
    assert len(installation.rows("quarantine")) == (0 if first == GOOD else 1)
    assert len(installation.effects()) == (2 if first == GOOD else 0)


async def test_another_body_under_a_known_id_is_answered_as_the_first_and_kept(
    door: Any, installation: Any, answer: Answer
) -> None:
    first = await door.deliver(answer(), "msg_1")
    other = json.dumps(answer(score=0, response_id="r-2", customer={"ref": "C-2", "phone": "+48601234567"})).encode()
    second = await door.deliver(other, "msg_1")
    assert second.json() == {**first.json(), "duplicate": True}
    kept = installation.rows("quarantine")
    assert [(row.body, row.source, row.origin, row.state) for row in kept] == [(other, "standard", "msg_1", "waiting")]
    assert kept[0].problems[0]["path"] == "webhook-id"
    assert {row.ref for row in installation.rows("customers")} == {"C-1"}
    await door.deliver(other, "msg_1")
    assert len(installation.rows("quarantine")) == 1, "the same body again is nothing new to a person"


async def test_two_ids_of_one_response_are_two_events_and_one_case(
    door: Any, installation: Any, answer: Answer
) -> None:
    first = await door.deliver(answer(), "msg_1")
    second = await door.deliver(answer(), "msg_2")
    assert first.json()["event_id"] != second.json()["event_id"]
    assert second.json()["duplicate"] is False, "another delivery, though of the same answer"
    await installation.settled()
    assert len(installation.rows("survey_responses")) == 1
    assert len(installation.effects()) == 2


async def test_the_same_id_at_another_source_is_another_event(
    small_door: Any, on_sqlite: Any, answer: Answer, signed: Any
) -> None:
    """Ids are a source's own; here two names of one intake."""
    handrail = small_door.client._transport.app.state.handrail
    handrail.roster.intakes = {**handrail.roster.intakes, "other": handrail.roster.intakes["standard"]}
    body = json.dumps(answer()).encode()
    told = [(await small_door.post(body, signed(body), source)).json() for source in ("standard", "other")]
    assert [one["duplicate"] for one in told] == [False, False]
    assert len(on_sqlite.rows("survey_responses")) == 2


async def test_unknown_source_names_the_nearest_and_all(small_door: Any, on_sqlite: Any, signed: Any) -> None:
    response = await small_door.post(b"{}", signed(b"{}"), "standart")
    assert response.status_code == 404
    assert response.json() == {
        "status": "refused",
        "problems": [
            {
                "path": "",
                "problem": 'no source "standart" (did you mean "standard"?)',
                "fix": "configured: standard",
            }
        ],
    }
    assert not on_sqlite.rows("inbox")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_only_post_delivers(small_door: Any, method: str) -> None:
    response = await small_door.client.request(method, "/webhooks/standard")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
