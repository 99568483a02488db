"""The story of a subject: everything that happened, in words, with links to whatever shows more."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from endings_stage import ANNA, COVER, TASK, Endings, a_task
from sqlalchemy import update

from domain.actions import Capability
from domain.messages import Message
from domain.triage import triage
from integrations.registry import Roster
from services.places import Places
from services.tracing import nearest_known, trace
from services.wiring import Handrail
from store import customers, messages
from store.ledger.rows import actions
from store.messages import Fate

RUN = "0f0e1d2c-1111-4222-8333-444455556666"


async def told(handrail: Handrail, subject: str, **places: Any) -> dict[str, Any]:
    """The story, by the installation's own integrations."""
    story = trace(handrail.database, subject, Places(**{"roster": handrail.roster, **places}))
    assert story is not None
    return story


@pytest.mark.parametrize(
    "subject",
    ["C-1", "C-1-1", "case/C-1/1", "case/C-1/1/ticket", "r-1", "standard/r-1", "survey/standard/r-1"],
)
async def test_every_name_of_a_subject_tells_of_its_ticket(
    handrail: Handrail, deliver: Any, answer: Any, subject: str
) -> None:
    await deliver(answer())

    story = await told(handrail, subject)

    assert "case/C-1/1/ticket" in {action["key"] for action in story["actions"]}
    assert [one["case"] for one in story["cases"]] == ["C-1-1"]
    assert [one["ref"] for one in story["customers"]] == ["C-1"]
    assert [one["words"] for one in story["answers"]] == ["Czekam trzeci tydzień."]


OTHERS = ("C-10", "C-2", "c-1")
"""Refs that begin alike, count alike, or differ in case alone."""


@pytest.mark.parametrize(
    "subject",
    ["C-1", "C-1-1", "case/C-1/1", "case/C-1/1/ticket", "r-1", "standard/r-1", "survey/standard/r-1"],
)
async def test_a_story_is_nobody_elses(
    handrail: Handrail, deliver: Any, answer: Any, installation: Any, subject: str
) -> None:
    """P23: what is told of one customer has no other's words, keys or cases in it, however alike their names are."""
    await deliver(answer(), "msg_1")
    for number, ref in enumerate(OTHERS):
        who = {"ref": ref, "email": f"{number}@example.com"}
        await deliver(answer(response_id=f"r-1{number}", comment=f"said by {ref}", customer=who), f"msg_1{number}")
    assert len(installation.rows("cases")) == 4

    story = await told(handrail, subject)

    assert [one["ref"] for one in story["customers"]] == ["C-1"]
    assert [one["case"] for one in story["cases"]] == ["C-1-1"]
    assert [one["response"] for one in story["answers"]] == ["standard/r-1"]
    assert {one["key"] for one in story["actions"]} <= {"case/C-1/1/ticket", "survey/standard/r-1/acknowledgement"}
    assert "said by" not in str(story)


async def test_a_message_is_in_nobody_elses_story(
    handrail: Handrail, on_file: Callable[..., int], installation: Any
) -> None:
    wrote = {ref: on_file(ref, email=f"{number}@example.com") for number, ref in enumerate(("C-1", *OTHERS))}
    with handrail.database.write() as connection:
        for ref, customer in wrote.items():
            message = Message("form", f"m-{ref}", None, f"written by {ref}", handrail.clock(), customer_ref=ref)
            sorted_by_rules = triage(message, handrail.policy.triage, handrail.policy.distress)
            messages.save(connection, message, sorted_by_rules, Fate(customer, "waiting", "waits for a person"))

    for subject in ("C-1", "message/form/m-C-1"):
        story = await told(handrail, subject)
        assert [one["words"] for one in story["messages"]] == ["written by C-1"], subject


async def test_an_ending_is_told_by_where_its_keys_begin(handrail: Handrail, deliver: Any, answer: Any) -> None:
    await deliver(answer())
    with handrail.database.write() as connection:
        connection.execute(update(actions).where(actions.c.kind == "ticket").values(key="expiry/p_7/2026-05-01/task"))

    story = await told(handrail, "expiry/p_7/2026-05-01")

    assert [action["key"] for action in story["actions"]] == ["expiry/p_7/2026-05-01/task"]
    assert trace(handrail.database, "expiry/pX7/2026-05-01", Places()) is None, "_ is no wildcard"
    assert trace(handrail.database, "expiry/p_7/2026-05-0", Places()) is None, "half a word names nothing"


async def test_what_was_sent_is_shown_in_words_with_what_a_lost_answer_would_mean(
    handrail: Handrail, deliver: Any, answer: Any
) -> None:
    await deliver(answer())
    for capability in (Capability.TICKETING, Capability.MAIL):
        await handrail.dispatcher.run_once(capability=capability, run=RUN)

    story = await told(handrail, "C-1", prefect_ui="http://prefect.internal:4200")

    ticket, mail = sorted(story["actions"], key=lambda action: action["key"])
    assert ticket["if_an_answer_is_lost"] == "safe to repeat (one record per key)"
    assert mail["if_an_answer_is_lost"] == "can be neither looked up nor repeated"
    assert ticket["message"] is None
    assert "Numer sprawy: C-1-1" in mail["message"]["text"]
    assert mail["message"]["language"] == "pl"
    assert [move["in_words"] for move in mail["moves"]] == [
        "ready",
        "ready → reserved",
        "reserved → being sent",
        "being sent → done",
    ]
    assert mail["moves"][0]["run"] is None, "the gateway has no page at Prefect"
    assert mail["moves"][-1]["run"] == f"http://prefect.internal:4200/runs/flow-run/{RUN}"


async def test_words_that_were_never_sent_are_told_as_such(
    handrail: Handrail, deliver: Any, answer: Any, clock: Any
) -> None:
    await deliver(answer())
    clock.go(hours=25)
    assert not [one["key"] for one in (await told(handrail, "C-1"))["actions"] if one["never_sent"]]

    await handrail.dispatcher.run_once(capability=Capability.MAIL, run="gateway")

    (expired,) = [one for one in (await told(handrail, "C-1"))["actions"] if one["never_sent"]]
    assert (expired["state"], expired["key"]) == ("expired", "survey/standard/r-1/acknowledgement")


async def test_links_lead_to_the_vendor_that_has_it_and_to_no_other(
    handrail: Handrail, deliver: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deliver(answer())
    await handrail.dispatcher.run_once(capability=Capability.TICKETING, run="gateway")
    desk = handrail.roster.of(Capability.TICKETING)
    assert desk is not None
    monkeypatch.setattr(
        type(desk.port),
        "page_of",
        lambda self, operation, external_id, *, key: f"https://desk.example/{operation}/{external_id}/{key}",
        raising=False,
    )

    (ticket,) = (await told(handrail, "case/C-1/1/ticket"))["actions"]

    assert ticket["vendor_page"] == f"https://desk.example/open_ticket/{ticket['vendor_id']}/case/C-1/1/ticket"
    with handrail.database.write() as connection:
        connection.execute(update(actions).values(integration="ticketing via former"))
    (ticket,) = (await told(handrail, "case/C-1/1/ticket"))["actions"]
    assert (ticket["vendor_page"], ticket["if_an_answer_is_lost"]) == (None, None)
    story = trace(handrail.database, "case/C-1/1/ticket", Places(Roster([])))
    assert story is not None
    assert story["actions"][0]["vendor_id"] == ticket["vendor_id"]


async def test_a_long_story_ends_with_the_newest(
    handrail: Handrail, deliver: Any, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tracing._MOST", 1)
    await deliver(answer())

    story = await told(handrail, "C-1")

    assert (story["older_left_out"], len(story["actions"])) == (True, 1)


async def test_a_customer_without_any_story_is_known(handrail: Handrail, on_file: Callable[..., int]) -> None:
    on_file("C-7", tier="vip")

    story = await told(handrail, "C-7")

    assert story["customers"][0]["tier"] == "vip"
    assert story["actions"] == story["answers"] == []


async def test_an_erased_customers_message_is_not_made_up(
    handrail: Handrail, deliver: Any, answer: Any, on_file: Callable[..., int]
) -> None:
    anna = on_file("C-1", email="anna@example.com")
    await deliver(answer())
    with handrail.database.write() as connection:
        customers.erase(connection, anna, now=handrail.clock())
        connection.execute(update(actions).values(payload={"template_hash": None, "params": {}}))

    story = await told(handrail, "C-1")

    assert story["customers"][0]["erased"]
    assert {action["message"] for action in story["actions"]} == {None}


@pytest.mark.parametrize("subject", ["C-404", "", "/", "case/", "x" * 3000, "%", "C-1-99999999999999999999", "naïve-²"])
async def test_strangers_are_unknown_whatever_they_look_like(handrail: Handrail, subject: str) -> None:
    assert trace(handrail.database, subject, Places()) is None
    assert nearest_known(handrail.database, subject) == []


async def test_the_nearest_known_are_named(handrail: Handrail, deliver: Any, answer: Any) -> None:
    await deliver(answer(response_id="resp-1042"))

    assert nearest_known(handrail.database, "c-2") == ["C-1"]
    assert "resp-1042" in nearest_known(handrail.database, "resp-1024")
    assert "case/C-1/1/ticket" in nearest_known(handrail.database, "case/C-1/2/ticket")


@pytest.mark.parametrize("subject", ["E/1", "C-1", "expiry/E%2F1/2026-03-18", TASK])
async def test_an_ending_is_told_with_what_was_planned_about_it(
    endings: Endings, handrail: Handrail, subject: str
) -> None:
    endings.save(endings.customer())
    endings.put(a_task())
    await handrail.dispatcher.run_once(capability=Capability.CRM, run=RUN)

    story = await told(handrail, subject)

    (ending,) = story["endings"]
    assert {name: ending[name] for name in ("entitlement", "customer", "ends_on", "state", "worth", "actions")} == {
        **{"entitlement": "E/1", "customer": "C-1", "ends_on": "2026-03-18", "state": "active"},
        **{"worth": "1290.00 PLN", "actions": [TASK]},
    }
    assert [(one["key"], one["state"]) for one in story["actions"]] == [(TASK, "done")]
    assert [one["ref"] for one in story["customers"]] == ["C-1"]


async def test_an_ending_is_in_nobody_elses_story(endings: Endings, handrail: Handrail) -> None:
    for ref in ("C-1", *OTHERS):
        mine = replace(COVER, ref=f"E-{ref}", customer_ref=ref, product=f"cover of {ref}")
        endings.save(endings.customer(replace(ANNA, ref=ref)), mine)
    for subject in ("C-1", "E-C-1"):
        story = await told(handrail, subject)
        assert [one["product"] for one in story["endings"]] == ["cover of C-1"], subject
        assert [one["ref"] for one in story["customers"]] == ["C-1"], subject


async def test_a_mistyped_entitlement_is_guessed(endings: Endings, handrail: Handrail) -> None:
    endings.save(endings.customer(), replace(COVER, ref="policy-77"))
    assert "policy-77" in nearest_known(handrail.database, "policy-78")
