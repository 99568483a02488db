"""Messages on the books: sorted by rules or left to a person, escalated like critical answers, once each."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from triage_stage import ACKNOWLEDGEMENT, FURY, GRIEF, NOW
from triage_stage import write as write

from domain.actions import Capability
from domain.triage import Acknowledge, Topic
from integrations.errors import SignatureRefused
from integrations.ports import TicketStatus
from services.following import follow_cases
from services.places import Places
from services.quarantine import Who, list_quarantine, repair, replay
from services.recovery import sweep
from services.replaying import Verdict
from services.tracing import trace
from services.triage import receive_message, sort_message, triage_report, waiting_messages
from services.wiring import Handrail
from store import customers, inbox
from store.quarantine import Chosen

WHO = Who("Ewa Lis", "a field had a typo")


async def test_what_rules_are_sure_of_is_sorted(installation: Any, write: Any) -> None:
    answer = await write("Where is my parcel? The courier never came.")

    [row] = installation.rows("messages")
    assert (answer.http_status, answer.body["status"], answer.urgent) == (202, "accepted", frozenset())
    assert (row.topic, row.state, row.language, row.urgency) == ("delivery", "sorted", "en", "normal")
    assert installation.states() == {}


async def test_what_rules_are_not_sure_of_waits_for_a_person(installation: Any, write: Any) -> None:
    await write("Thank you for everything, have a nice day")

    [waiting] = waiting_messages(installation.database, limit=10)
    assert (waiting["customer"], waiting["rules_say"], waiting["why"]) == (
        "C-1",
        None,
        "rules are not sure: a person sorts",
    )


@pytest.mark.parametrize(("text", "reason"), [(GRIEF, "bereavement"), (FURY, "angry and urgent")])
async def test_distress_and_urgent_anger_open_a_case(installation: Any, write: Any, text: str, reason: str) -> None:
    answer = await write(text)

    [case], [row] = installation.rows("cases"), installation.rows("messages")
    assert (case.reason, row.case_id, row.state) == (reason, case.id, "escalated")
    assert installation.states() == {"case/C-1/1/ticket": "ready", ACKNOWLEDGEMENT: "ready"}
    assert {str(capability) for capability in answer.urgent} == {"ticketing", "mail"}
    assert installation.rows("customers")[0].tact_lock.startswith("bereavement" if text == GRIEF else "case C-1-1")


async def test_a_second_one_joins_the_case(installation: Any, write: Any) -> None:
    await write(GRIEF)
    await write(FURY, "m/2")

    assert len(installation.rows("cases")) == 1
    assert set(installation.states()) == {
        "case/C-1/1/ticket",
        "case/C-1/1/ticket/message/standard/m%2F2",
        ACKNOWLEDGEMENT,
        "message/standard/m%2F2/acknowledgement",
    }


async def test_a_message_joins_the_case_an_answer_opened(installation: Any, write: Any, answered: Any) -> None:
    ticket, _ = answered("C-1")
    await write(GRIEF)

    assert ticket == "case/C-1/1/ticket"
    assert installation.action("case/C-1/1/ticket/message/standard/m-1").after_id == installation.action(ticket).id


async def test_colleagues_get_the_words(installation: Any, handrail: Handrail, write: Any) -> None:
    await write(GRIEF)
    await write(FURY, "m-2")
    for _ in range(2):
        await handrail.dispatcher.run_once(capability=Capability.TICKETING, run="t")

    operations = [operation for operation, _ in installation.effects()]
    assert operations == ["open_ticket", "add_note"]
    told = [effect[2] for effect in installation.ticketing.effects]
    assert GRIEF in told[0].body
    assert FURY in told[1].text
    assert GRIEF not in told[1].text


@pytest.mark.parametrize("webhook_id", ["w-m-1", "w-other"])
async def test_the_same_message_twice_changes_nothing(installation: Any, write: Any, webhook_id: str) -> None:
    await write(GRIEF)
    before = {name: installation.rows(name) for name in ("messages", "cases", "actions", "customers")}

    again = await write(GRIEF, webhook_id=webhook_id)

    assert {name: installation.rows(name) for name in before} == before
    assert again.body["duplicate"] is (webhook_id == "w-m-1")
    assert again.urgent == frozenset()


async def test_the_same_message_at_two_gateways_at_once_is_one(
    installation: Any, handrail: Handrail, signed: Any, on_file: Any
) -> None:
    on_file("C-1")
    body = json.dumps({"message_id": "m-1", "text": GRIEF, "customer_ref": "C-1"}).encode()
    async with installation.handrail() as other:
        answers = await asyncio.gather(
            *(
                receive_message(gateway, "standard", signed(body, f"w-{number}"), body, is_mail=False)
                for number in range(8)
                for gateway in (handrail, other)
            )
        )

    assert {answer.http_status for answer in answers} == {202}
    assert sum(answer.urgent != frozenset() for answer in answers) == 1
    assert len(installation.rows("messages")) == 1
    assert set(installation.states()) == {"case/C-1/1/ticket", ACKNOWLEDGEMENT}


async def test_another_body_under_a_known_id_is_kept_for_a_person(installation: Any, write: Any) -> None:
    await write("Where is my parcel?")
    for _ in range(2):
        await write("My husband passed away", "m-2", webhook_id="w-m-1")

    assert len(installation.rows("messages")) == 1
    assert len(installation.rows("quarantine")) == 1


@pytest.mark.parametrize("who", [{"customer_ref": "C-9"}, {"customer_ref": None, "email": "nobody@example.com"}])
async def test_of_people_we_do_not_know_a_person_sorts(installation: Any, write: Any, who: Any) -> None:
    answer = await write(GRIEF, **who)

    [waiting] = waiting_messages(installation.database, limit=10)
    assert waiting["why"] == "nobody we know wrote it: a person sorts"
    assert (waiting["distress"], waiting["customer"]) == ("bereavement", None)
    assert (installation.states(), installation.rows("cases"), answer.urgent) == ({}, [], frozenset())


async def test_an_address_finds_its_customer_unless_several_share_it(
    installation: Any, write: Any, on_file: Any
) -> None:
    await write(GRIEF, customer_ref=None, email="Anna@example.com")
    on_file("C-2", email="anna@example.com")
    await write(GRIEF, "m-2", customer_ref=None, email="anna@example.com")

    first, second = installation.rows("messages")
    assert (first.state, second.state) == ("escalated", "waiting")
    assert second.outcome == "several customers have this address: a person sorts"


async def test_a_robots_mail_is_filed(installation: Any, handrail: Handrail, signed: Any, write: Any) -> None:
    mail = b"From: anna@example.com\r\nMessage-ID: <1@x>\r\nAuto-Submitted: auto-replied\r\n\r\nI am in hospital."
    await receive_message(handrail, "standard", signed(mail, "w-1"), mail, is_mail=True)

    [row] = installation.rows("messages")
    assert (row.state, row.distress, row.outcome) == ("sorted", None, "written by a robot: filed")


async def test_what_breaks_its_contract_waits_byte_for_byte(installation: Any, handrail: Handrail, signed: Any) -> None:
    answer = await receive_message(handrail, "standard", signed(b"{}", "w-1"), b"{}", is_mail=False)

    assert (answer.http_status, answer.body["status"]) == (202, "quarantined")
    assert [row.body for row in installation.rows("quarantine")] == [b"{}"]


async def test_a_forged_message_leaves_no_trace(installation: Any, handrail: Handrail, signed: Any) -> None:
    with pytest.raises(SignatureRefused):
        await receive_message(handrail, "standard", signed(b"{}", "w-1"), b"{ }", is_mail=False)

    assert installation.rows("inbox") == installation.rows("messages") == []


async def test_the_gravest_waits_first(installation: Any, write: Any) -> None:
    nobody = {"customer_ref": "C-9"}
    await write("hello there", "m-1", **nobody)
    await write("please answer immediately", "m-2", **nobody)
    await write(GRIEF, "m-3", **nobody)

    words = [one["words"] for one in waiting_messages(installation.database, limit=10)]
    assert words == [GRIEF, "please answer immediately", "hello there"]


async def test_what_people_say_is_kept_and_the_report_counts_their_latest_word(installation: Any, write: Any) -> None:
    await write("Where is my parcel? The courier never came.")
    await write("Hello there, have a nice day", "m-2")
    first, second = (row.id for row in installation.rows("messages"))

    sort_message(installation.database, installation.policy, second, Topic.COMPLAINT, by="Ewa", now=NOW)
    sort_message(installation.database, installation.policy, second, Topic.OTHER, by="Jan", now=NOW)
    sort_message(installation.database, installation.policy, first, Topic.DELIVERY, by="Ewa", now=NOW)

    assert waiting_messages(installation.database, limit=10) == []
    assert [(row.topic, row.by) for row in installation.rows("message_sortings")] == [
        ("complaint", "Ewa"),
        ("other", "Jan"),
        ("delivery", "Ewa"),
    ]
    assert [row.topic for row in installation.rows("messages")] == ["delivery", None]
    report = triage_report(installation.database)
    assert (report["messages"], report["sorted_by_people"], report["agreed"]) == ({"sorted": 2}, 2, 1)
    assert {(row["rules"], row["person"], row["count"]) for row in report["confusion"]} == {
        ("delivery", "delivery", 1),
        (None, "other", 1),
    }


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        (GRIEF, "pl", "Chcemy zająć się nią osobiście."),
        (FURY, "en", "We can see that it cannot wait."),
        (FURY, "cs", "Vidíme, že věc nepočká."),
    ],
)
async def test_who_is_signed_in_hears_who_has_it_and_by_when(
    installation: Any, handrail: Handrail, write: Any, on_file: Any, text: str, language: str, words: str
) -> None:
    on_file("C-2", email="c-2@example.com", language=language)
    await write(text, customer_ref="C-2")
    await handrail.dispatcher.run_once(capability=Capability.MAIL, run="t")

    [(_, key, mail)] = installation.mail.effects
    assert key == ACKNOWLEDGEMENT
    told = " ".join(mail.text.split())
    human = installation.policy.human[language]
    assert {part for part in (words, human.phone, human.mail, "C-2-1") if part not in told} == set()
    assert "survey" not in told
    await follow_cases(handrail, run="t")
    [promise], [case] = installation.rows("promises"), installation.rows("cases")
    assert (promise.case_id, promise.answer_by, promise.state) == (case.id, case.answer_by, "open")


async def test_the_promise_to_who_wrote_is_followed_like_any(
    installation: Any, handrail: Handrail, write: Any, followed: Any
) -> None:
    await write(FURY)
    await followed()
    answer_by = installation.rows("cases")[0].answer_by
    installation.clock.go(seconds=(answer_by - installation.clock()).total_seconds() - 600)
    await followed()
    assert any(key.startswith("case/C-1/1/page/promise-at-risk/message/") for key in installation.states())
    installation.clock.go(minutes=20)
    await followed()

    assert [row.state for row in installation.rows("promises")] == ["broken"]


@pytest.mark.parametrize(
    ("acknowledge", "who", "state"),
    [
        (Acknowledge.SIGNED_IN, {"customer_ref": None, "email": "anna@example.com"}, "skipped"),
        (Acknowledge.EVERYBODY, {"customer_ref": None, "email": "anna@example.com"}, "ready"),
        (Acknowledge.EVERYBODY, {}, "ready"),
        (Acknowledge.NOBODY, {}, "skipped"),
    ],
)
async def test_policy_says_whose_message_is_acknowledged(
    installation: Any, handrail: Handrail, write: Any, acknowledge: Acknowledge, who: Any, state: str
) -> None:
    handrail.policy = replace(handrail.policy, triage=replace(handrail.policy.triage, acknowledge=acknowledge))
    await write(FURY, **who)

    action = installation.action(ACKNOWLEDGEMENT)
    assert action.state == state
    assert state == "ready" or action.reason.endswith("a person replies")


async def test_an_acknowledgement_is_planned_anew_when_its_customer_changes(
    installation: Any, handrail: Handrail, write: Any
) -> None:
    await write(GRIEF)
    with installation.database.write() as connection:
        held = customers.locked(connection, "C-1")
        assert held is not None
        customers.save(connection, *held, replace(held[1], language="cs"), now=NOW)
    for _ in range(2):
        await handrail.dispatcher.run_once(capability=Capability.MAIL, run="t")
        await sweep(handrail, run="t")

    [(_, _, mail)] = installation.mail.effects
    assert "Chceme Vám na ni odpovědět osobně." in " ".join(mail.text.split())


async def test_after_words_of_distress_in_a_message_a_person_has_the_last_word(
    installation: Any, write: Any, followed: Any
) -> None:
    await write(GRIEF)
    await followed()
    installation.ticketing.statuses["case/C-1/1/ticket"] = TicketStatus.SOLVED
    installation.clock.go(minutes=5)
    await followed()

    assert installation.rows("cases")[0].state == "open"
    assert "case/C-1/1/last-word/1" in installation.states()


async def test_what_they_wrote_stands_in_their_story(handrail: Handrail, installation: Any, write: Any) -> None:
    await write(GRIEF)
    await write("Where is my parcel? The courier never came.", "m-2")

    by_customer = trace(handrail.database, "C-1", Places())
    by_case = trace(handrail.database, "C-1-1", Places())
    by_itself = trace(handrail.database, "message/standard/m-2", Places())

    assert by_customer is not None
    assert by_case is not None
    assert by_itself is not None
    assert [one["message"] for one in by_customer["messages"]] == ["standard/m-1", "standard/m-2"]
    assert [one["words"] for one in by_case["messages"]] == [GRIEF]
    assert [(one["topic"], one["customer"]) for one in by_itself["messages"]] == [("delivery", "C-1")]


async def test_what_waits_in_quarantine_is_repaired_and_replayed_like_any_message(
    handrail: Handrail, installation: Any, write: Any
) -> None:
    answer = await write(GRIEF, message_id="", webhook_id="w-0")
    assert answer.body["status"] == "quarantined"
    [kept] = list_quarantine(handrail.database, Chosen()).rows
    right = json.dumps({"message_id": "m-1", "text": GRIEF, "customer_ref": "C-1"})

    assert replay(handrail, kept["id"], WHO).verdict is Verdict.REFUSED
    assert repair(handrail, kept["id"], right, WHO) == []
    ended = replay(handrail, kept["id"], WHO)

    assert (ended.verdict, ended.subject) == (Verdict.ACCEPTED, "message/standard/m-1")
    assert "opened case C-1-1" in ended.outcome
    [row] = installation.rows("messages")
    assert row.state == "escalated"
    again = await write(GRIEF)
    assert again.urgent == frozenset()
    assert len(installation.rows("messages")) == 1


async def test_a_mail_in_quarantine_is_read_as_a_mail(handrail: Handrail, signed: Any, installation: Any) -> None:
    body = (
        b"Message-ID: <m-1@example.com>\r\nFrom: anna@example.com\r\nSubject: parcel\r\n\r\n"
        b"Where is my parcel? The courier never came.\r\n"
    )
    with handrail.database.write() as connection:
        inbox.keep(connection, "messages/standard", "w-1", body, [], inbox_id=None, now=NOW)
    [kept] = list_quarantine(handrail.database, Chosen()).rows

    ended = replay(handrail, kept["id"], WHO)

    assert (ended.verdict, ended.subject) == (Verdict.ACCEPTED, "message/standard/<m-1@example.com>")
    assert [row.topic for row in installation.rows("messages")] == ["delivery"]
