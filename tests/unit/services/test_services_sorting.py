"""Messages that a person sorts: whose they are, which case they get, and the journey their writer leaves."""

import asyncio
from typing import Any

import pytest
from journey_stage import ONBOARDING, activated, publish
from triage_stage import ACKNOWLEDGEMENT, FURY, GRIEF, NOW
from triage_stage import write as write

from domain.triage import Topic
from services.triage import (
    SomebodyElses,
    UnknownMessage,
    UnknownWriter,
    receive_message,
    sort_message,
    waiting_messages,
)
from services.wiring import Handrail


def test_a_message_nobody_has_cannot_be_sorted(installation: Any) -> None:
    with pytest.raises(UnknownMessage):
        sort_message(installation.database, installation.policy, 7, Topic.OTHER, by="Ewa", now=NOW)

    assert installation.rows("message_sortings") == []


STRANGER = {"customer_ref": None, "email": "nobody@example.com"}


@pytest.mark.parametrize("text", [GRIEF, FURY])
async def test_who_sorts_says_whose_it_is_and_a_critical_one_gets_its_case(
    installation: Any, write: Any, text: str
) -> None:
    await write(text, **STRANGER)
    [waiting] = installation.rows("messages")

    for _ in range(2):  # a second word changes the topic alone
        done = sort_message(
            installation.database, installation.policy, waiting.id, Topic.OTHER, by="Ewa", now=NOW, customer_ref="C-1"
        )

    [row], [case] = installation.rows("messages"), installation.rows("cases")
    assert (row.state, row.case_id, row.customer_id) == ("escalated", case.id, case.customer_id)
    assert "opened case C-1-1" in done["outcome"]
    assert "C-1 wrote it, says Ewa" in row.outcome
    assert installation.states() == {"case/C-1/1/ticket": "ready", ACKNOWLEDGEMENT: "skipped"}
    assert installation.rows("customers")[0].tact_lock is not None
    assert waiting_messages(installation.database, limit=10) == []


async def test_an_ordinary_one_only_finds_its_writer(installation: Any, write: Any) -> None:
    await write("Where is my parcel?", **STRANGER)
    [waiting] = installation.rows("messages")

    sort_message(
        installation.database, installation.policy, waiting.id, Topic.DELIVERY, by="Ewa", now=NOW, customer_ref="C-1"
    )

    [row] = installation.rows("messages")
    assert (row.state, row.customer_id, row.case_id) == ("sorted", installation.rows("customers")[0].id, None)
    assert (installation.rows("cases"), installation.states()) == ([], {})


async def test_a_robots_words_open_no_case_whoever_they_are_given_to(
    installation: Any, handrail: Handrail, signed: Any, write: Any
) -> None:
    mail = f"From: x@example.com\r\nMessage-ID: <1@x>\r\nAuto-Submitted: auto-replied\r\n\r\n{FURY}".encode()
    await receive_message(handrail, "standard", signed(mail, "w-1"), mail, is_mail=True)
    [row] = installation.rows("messages")

    sort_message(installation.database, installation.policy, row.id, Topic.OTHER, by="Ewa", now=NOW, customer_ref="C-1")

    assert installation.rows("cases") == []


async def test_a_writer_nobody_knows_and_somebody_elses_case_are_refused(
    installation: Any, write: Any, on_file: Any
) -> None:
    on_file("C-2")
    await write(GRIEF)
    [row] = installation.rows("messages")
    before = {name: installation.rows(name) for name in ("messages", "message_sortings", "cases", "actions")}

    for ref, refusal in (("C-9", UnknownWriter), ("C-2", SomebodyElses)):
        with pytest.raises(refusal):
            sort_message(
                installation.database, installation.policy, row.id, Topic.OTHER, by="Ewa", now=NOW, customer_ref=ref
            )

    assert {name: installation.rows(name) for name in before} == before


async def test_two_who_sort_at_once_open_one_case(installation: Any, write: Any, on_file: Any) -> None:
    on_file("C-2")
    await write(GRIEF, **STRANGER)
    [row] = installation.rows("messages")

    def sort(ref: str) -> str:
        try:
            sort_message(
                installation.database, installation.policy, row.id, Topic.OTHER, by="Ewa", now=NOW, customer_ref=ref
            )
        except SomebodyElses:
            return "refused"
        return "done"

    ends = await asyncio.gather(*(asyncio.to_thread(sort, ref) for ref in ("C-1", "C-2")))

    assert sorted(ends) == ["done", "refused"]
    assert len(installation.rows("cases")) == 1


# -- journeys -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def in_journey(installation: Any, write: Any, deliver: Any) -> None:
    """C-1 is in a journey that a reply ends."""
    publish(installation.database, ONBOARDING)
    await deliver(activated(), "activated")


@pytest.mark.usefixtures("in_journey")
async def test_who_writes_to_us_is_in_a_persons_hands_and_leaves_the_journey(installation: Any, write: Any) -> None:
    await write("Where is my parcel? The courier never came.")
    await write("Where is my parcel? The courier never came.", webhook_id="again")
    assert [(row.state, row.reason) for row in installation.rows("enrolments")] == [("left", "customer.replied")]
    assert [it.times for it in installation.rows("behaviour") if it.event == "customer.replied"] == [1]


@pytest.mark.usefixtures("in_journey")
async def test_a_robots_words_are_no_reply(installation: Any, handrail: Handrail, signed: Any) -> None:
    mail = b"From: anna@example.com\r\nMessage-ID: <1@x>\r\nAuto-Submitted: auto-replied\r\n\r\nI am away."
    await receive_message(handrail, "standard", signed(mail, "w-1"), mail, is_mail=True)
    assert len(installation.rows("messages")) == 1
    assert [row.state for row in installation.rows("enrolments")] == ["active"]


@pytest.mark.usefixtures("in_journey")
async def test_whose_message_a_person_finds_out_has_replied_once(installation: Any, write: Any) -> None:
    await write("Where is my parcel?", **STRANGER)
    [waiting] = installation.rows("messages")
    assert [row.state for row in installation.rows("enrolments")] == ["active"]
    for by in ("Ewa", "Jan"):
        sort_message(
            installation.database, installation.policy, waiting.id, Topic.OTHER, by=by, now=NOW, customer_ref="C-1"
        )
    assert [row.state for row in installation.rows("enrolments")] == ["left"]
    assert [it.times for it in installation.rows("behaviour") if it.event == "customer.replied"] == [1]
