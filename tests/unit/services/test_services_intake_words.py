"""In which words an answer is acknowledged, and what they promise."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from services.publishing import publish_templates
from store.tables import metadata
from templates.library import load

Deliver = Callable[..., Any]
AnswerBody = Callable[..., dict[str, Any]]

TICKET, ACKNOWLEDGEMENT = "case/C-1/1/ticket", "survey/standard/r-1/acknowledgement"
BEREAVED = "Mój mąż zmarł w zeszłym tygodniu."
DISTRESS = {
    "bereavement": BEREAVED,
    "hardship": "Wszystko super, ale straciłam pracę i nie mam z czego zapłacić.",
    "legal": "Sprawę przekazuję prawnikowi.",
}


@pytest.mark.parametrize(
    ("on_record", "in_answer", "written"),
    [
        ("cs", "pl", "cs"),
        (None, "cs-CZ", "cs"),
        ("de", "cs", "cs"),
        (None, None, "en"),
        ("de", "fr", "en"),
        ("PL", None, "pl"),
    ],
)
async def test_language_is_the_customers_then_the_answers_then_the_default(
    deliver: Deliver, installation: Any, answer: AnswerBody, on_record: Any, in_answer: Any, written: str
) -> None:
    who = {"ref": "C-1", "email": "anna@example.com"} | ({"language": on_record} if on_record else {})
    told = {"language": in_answer} if in_answer else {}
    await deliver(answer(customer=who, **told))
    assert installation.action(ACKNOWLEDGEMENT).payload["params"]["language"] == written


async def test_language_that_nobody_has_worded_yet_is_answered_in_the_default(
    deliver: Deliver, installation: Any, answer: AnswerBody, handrail: Any
) -> None:
    """Somebody adds a language to the policy before its templates are there: a ticket and words all the same."""
    policy = installation.policy
    handrail.policy = replace(
        policy, languages=(*policy.languages, "de"), human={**policy.human, "de": policy.human["en"]}
    )
    await deliver(answer(customer={"ref": "C-1", "email": "a@example.com", "language": "de"}))
    assert installation.action(TICKET).state == "ready"
    assert installation.action(ACKNOWLEDGEMENT).payload["params"]["language"] == "en"


async def test_changed_wording_waits_and_the_approved_one_goes_out(
    deliver: Deliver, installation: Any, answer: AnswerBody, clock: Any
) -> None:
    clock.go(hours=1)
    changed = [replace(one, parts={**one.parts, "mail.txt": "SELL SELL SELL"}) for one in load()]
    assert publish_templates(installation.database, changed, now=clock()) == len(changed)
    await deliver(answer())
    approved = {(one.name, one.language): one.hash for one in load()}
    assert installation.action(ACKNOWLEDGEMENT).payload["template_hash"] == approved["acknowledgement", "pl"]
    with installation.database.write() as connection:
        connection.execute(
            update(metadata.tables["templates"]).where(metadata.tables["templates"].c.approved_at.is_(None)).values(
                approved_at=clock(), approved_by="anna"
            )
        )  # fmt: skip
    await deliver(answer(response_id="r-2"), "msg_2")
    later = installation.action("survey/standard/r-2/acknowledgement").payload["template_hash"]
    assert later == {(one.name, one.language): one.hash for one in changed}["acknowledgement", "pl"]


async def test_answer_time_is_the_cases_while_it_lies_ahead(
    deliver: Deliver, installation: Any, answer: AnswerBody, clock: Any
) -> None:
    """Promised once: a second answer is told the same time, and a new one only when that has passed."""
    await deliver(answer(), "msg_1")
    clock.go(minutes=30)
    await deliver(answer(response_id="r-2"), "msg_2")
    clock.go(days=1)
    await deliver(answer(response_id="r-3"), "msg_3")
    promised = [
        installation.action(f"survey/standard/r-{number}/acknowledgement").payload["params"]["answer_by"]
        for number in (1, 2, 3)
    ]
    assert promised[0] == promised[1] == "2026-03-04T15:00:00Z"  # noon in Warsaw and four staffed hours
    assert promised[2] > f"{clock():%Y-%m-%dT%H:%M:%SZ}"


async def test_late_evening_answer_promises_a_staffed_hour(
    deliver: Deliver, installation: Any, answer: AnswerBody, clock: Any
) -> None:
    clock.go(days=2, hours=9)  # Friday, 21:00 in Warsaw
    await deliver(answer())
    promised = installation.action(ACKNOWLEDGEMENT).payload["params"]["answer_by"]
    assert promised == "2026-03-09T11:00:00Z"  # Monday, 08:00 and four hours


async def test_text_message_at_night_is_planned_for_the_morning(
    deliver: Deliver, installation: Any, answer: AnswerBody, clock: Any
) -> None:
    clock.go(hours=14)  # 02:00 in Warsaw
    await deliver(answer(customer={"ref": "C-1", "phone": "+48601234567"}))
    waiting = installation.action(ACKNOWLEDGEMENT)
    assert (waiting.capability, waiting.due_at) == ("sms", clock() + timedelta(hours=6))
    assert installation.action(TICKET).due_at == clock()
    assert waiting.payload["params"]["answer_by"] > f"{waiting.due_at:%Y-%m-%dT%H:%M:%SZ}", "it must be true when sent"


async def test_acknowledgement_is_pointless_a_day_later(
    deliver: Deliver, installation: Any, answer: AnswerBody, clock: Any
) -> None:
    await deliver(answer())
    assert installation.action(ACKNOWLEDGEMENT).not_after == clock() + timedelta(hours=24)
