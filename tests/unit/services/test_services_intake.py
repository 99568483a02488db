"""What one answer does to the books: whom it is about, what it calls for, in which words and by which channel."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.actions import Capability
from store import customers

Deliver = Callable[..., Any]
AnswerBody = Callable[..., dict[str, Any]]

TICKET, ACKNOWLEDGEMENT = "case/C-1/1/ticket", "survey/standard/r-1/acknowledgement"
BEREAVED = "Mój mąż zmarł w zeszłym tygodniu."
DISTRESS = {
    "bereavement": BEREAVED,
    "hardship": "Wszystko super, ale straciłam pracę i nie mam z czego zapłacić.",
    "legal": "Sprawę przekazuję prawnikowi.",
}


# -- what calls for a case ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "critical", "passive", "promoter"),
    [("nps", (0, 6), (7, 8), (9, 10)), ("csat", (1, 2), (3, 3), (4, 5)), ("ces", (1, 3), (4, 4), (5, 7))],
)
async def test_each_scale_is_cut_where_the_policy_says(
    deliver: Deliver, installation: Any, answer: AnswerBody, kind: str, critical: Any, passive: Any, promoter: Any
) -> None:
    for score in (*critical, *passive, *promoter):
        who = {"ref": f"C-{score}", "email": "anna@example.com"}
        await deliver(answer(kind=kind, score=score, response_id=f"r-{score}", customer=who), f"msg_{score}")
    judged = {row.score: (row.sentiment, row.is_critical) for row in installation.rows("survey_responses")}
    assert [judged[score] for score in critical] == [("detractor", True)] * 2
    assert [judged[score] for score in passive] == [("passive", False)] * 2
    assert [judged[score] for score in promoter] == [("promoter", False)] * 2
    assert len(installation.rows("cases")) == len(set(critical))


@pytest.mark.parametrize("score", [7, 8, 9, 10])
async def test_passives_and_promoters_are_recorded_and_do_nothing(
    deliver: Deliver, installation: Any, answer: AnswerBody, score: int
) -> None:
    told = await deliver(answer(score=score, comment="Wszystko w porządku, dziękuję."))
    assert (told.http_status, told.body["status"], told.urgent) == (202, "accepted", frozenset())
    (row,) = installation.rows("survey_responses")
    assert (row.score, row.case_id, row.distress) == (score, None, None)
    assert "nothing to do" in row.outcome
    for table in ("actions", "cases", "evidence", "quarantine"):
        assert not installation.rows(table), table
    (customer,) = installation.rows("customers")
    assert customer.tact_lock is None


async def test_critical_answer_is_ticketed_and_acknowledged_by_name(
    deliver: Deliver, installation: Any, answer: AnswerBody
) -> None:
    told = await deliver(answer())
    assert told.urgent == {Capability.TICKETING, Capability.MAIL}
    ticket, acknowledgement = installation.action(TICKET), installation.action(ACKNOWLEDGEMENT)
    assert (ticket.basis, ticket.payload["params"]["priority"]) == ("internal", "critical")
    assert ticket.payload["params"]["team"] == "Customer Retention"
    assert (acknowledgement.basis, acknowledgement.capability) == ("reply", "mail")
    assert (acknowledgement.payload["template"], acknowledgement.review_id) == ("acknowledgement", None)
    assert all(row.urgent and row.planned_by == "gateway" for row in (ticket, acknowledgement))
    assert installation.rows("customers")[0].tact_lock == "case C-1-1"


@pytest.mark.parametrize(
    ("score", "category"), [(0, "bereavement"), (7, "bereavement"), (9, "hardship"), (9, "legal"), (10, "hardship")]
)
async def test_words_of_distress_at_any_score_go_to_a_person(
    deliver: Deliver, installation: Any, answer: AnswerBody, score: int, category: str
) -> None:
    await deliver(answer(score=score, comment=DISTRESS[category]))
    assert [case.reason for case in installation.rows("cases")] == [category]
    assert category in installation.rows("customers")[0].tact_lock
    acknowledgement = installation.action(ACKNOWLEDGEMENT)
    assert acknowledgement.payload["template"] == "acknowledgement-distress"
    assert installation.rows("survey_responses")[0].distress == category


async def test_distress_in_a_second_answer_changes_its_own_acknowledgement_only(
    deliver: Deliver, installation: Any, answer: AnswerBody
) -> None:
    await deliver(answer(), "msg_1")
    await deliver(answer(response_id="r-2", score=10, comment=BEREAVED), "msg_2")
    templates = [row.payload["template"] for row in installation.rows("actions") if row.kind == "acknowledgement"]
    assert templates == ["acknowledgement", "acknowledgement-distress"]
    assert len(installation.rows("cases")) == 1
    assert installation.rows("customers")[0].tact_lock == "case C-1-1", "the first reason stays"


# -- who it is about ----------------------------------------------------------------------------------------------


async def test_unknown_customer_with_an_address_is_created(
    deliver: Deliver, installation: Any, answer: AnswerBody
) -> None:
    who = {"ref": "C-9", "name": " Jan Novák ", "phone": "00420 601 123 456", "language": "cs_CZ"}
    await deliver(answer(customer={**who, "time_zone": "Europe/Prague"}))
    (row,) = installation.rows("customers")
    assert (row.ref, row.name, row.phone, row.language) == ("C-9", "Jan Novák", "+420601123456", "cs-CZ")
    assert (row.email, row.time_zone, row.tier) == (None, "Europe/Prague", "basic")


async def test_unknown_customer_without_an_address_is_quarantined_and_not_created(
    deliver: Deliver, installation: Any, answer: AnswerBody
) -> None:
    told = await deliver(answer(customer={"ref": "C-9", "name": "Nobody"}))
    assert (told.http_status, told.body["status"], told.urgent) == (202, "quarantined", frozenset())
    assert told.body["problems"][0]["path"] == "data.customer"
    assert not installation.rows("customers")


async def test_known_customer_needs_no_address_in_the_event(
    deliver: Deliver, installation: Any, answer: AnswerBody, on_file: Any
) -> None:
    on_file("C-1", email="file@example.com")
    assert (await deliver(answer(customer={"ref": "C-1"}))).body["status"] == "accepted"


async def test_what_is_on_file_wins_and_the_event_fills_blanks(
    deliver: Deliver, installation: Any, answer: AnswerBody, on_file: Any
) -> None:
    on_file("C-1", email="file@example.com", language="cs")
    event = {"ref": "C-1", "name": "Jan", "email": "evil@example.com", "phone": "+48601234567", "language": "pl"}
    await deliver(answer(customer=event))
    (row,) = installation.rows("customers")
    assert (row.email, row.language, row.name, row.phone) == ("file@example.com", "cs", "Jan", "+48601234567")
    assert row.version == 2, "messages rest on what was filled in"


async def test_erased_customer_stays_blank_and_only_a_person_is_told(
    deliver: Deliver, installation: Any, answer: AnswerBody, on_file: Any, clock: Any
) -> None:
    customer_id = on_file("C-1", email="file@example.com")
    with installation.database.write() as connection:
        customers.erase(connection, customer_id, now=clock())
    await deliver(answer())
    (row,) = installation.rows("customers")
    assert (row.email, row.name, row.phone) == (None, None, None)
    assert installation.states() == {TICKET: "ready", ACKNOWLEDGEMENT: "skipped"}


async def test_suppressed_address_is_not_written_to(
    deliver: Deliver, installation: Any, answer: AnswerBody, clock: Any
) -> None:
    with installation.database.write() as connection:
        customers.suppress(connection, "mail", "anna@example.com", "bounced", now=clock())
    await deliver(answer())
    skipped = installation.action(ACKNOWLEDGEMENT)
    assert (skipped.state, installation.action(TICKET).state) == ("skipped", "ready")
    assert "suppressed" in skipped.reason


async def test_response_belongs_to_who_gave_it_first(deliver: Deliver, installation: Any, answer: AnswerBody) -> None:
    """Under another customer's ref it is somebody's mistake: a person looks, and nobody is written to."""
    await deliver(answer(score=10), "msg_1")
    other = {"ref": "C-2", "email": "other@example.com"}
    told = await deliver(answer(score=0, customer=other), "msg_2")
    assert told.body["status"] == "quarantined"
    assert told.body["problems"][0]["path"] == "data.customer.ref"
    assert not installation.rows("actions")
    assert [row.ref for row in installation.rows("customers")] == ["C-1"]


# -- a response that is told again --------------------------------------------------------------------------------


async def test_corrected_score_that_is_critical_now_opens_a_case(
    deliver: Deliver, installation: Any, answer: AnswerBody
) -> None:
    await deliver(answer(score=9), "msg_1")
    told = await deliver(answer(score=1), "msg_2")
    assert told.urgent
    assert set(installation.states()) == {TICKET, ACKNOWLEDGEMENT}
    (row,) = installation.rows("survey_responses")
    assert (row.score, row.is_critical) == (1, True)


async def test_corrected_score_of_a_case_plans_nothing_twice(
    deliver: Deliver, installation: Any, answer: AnswerBody
) -> None:
    await deliver(answer(score=1), "msg_1")
    before = installation.states()
    told = await deliver(answer(score=3), "msg_2")
    assert (told.body["status"], told.urgent) == ("accepted", frozenset())
    assert installation.states() == before
    assert installation.rows("survey_responses")[0].score == 3


async def test_words_that_come_after_the_score_reach_the_ticket_once(
    deliver: Deliver, installation: Any, answer: AnswerBody
) -> None:
    """Delighted tells of the score at once, and of the comment when it has been written."""
    await deliver(answer(comment=None), "msg_1")
    told = await deliver(answer(comment="Czekam trzeci tydzień."), "msg_2")
    assert told.urgent == {Capability.TICKETING}
    note = installation.action(f"{TICKET}/standard/r-1/words")
    assert note.payload["params"]["words"] is True
    assert (note.kind, note.basis, note.urgent) == ("ticket_note", "internal", True)
    assert (note.payload["params"]["ticket"], note.after_id) == (TICKET, installation.action(TICKET).id)
    before = installation.states()
    await deliver(answer(comment="Czekam trzeci tydzień."), "msg_3")
    assert installation.states() == before
    assert len(before) == 3


async def test_words_that_a_customer_changes_reach_the_ticket_once_and_as_a_change(
    deliver: Deliver, installation: Any, answer: AnswerBody, handrail: Any
) -> None:
    await deliver(answer(comment="Czekam trzeci tydzień."), "msg_1")
    for number in range(2, 5):
        told = await deliver(answer(comment="Czekam czwarty tydzień."), f"msg_{number}")
        assert told.urgent == ({Capability.TICKETING} if number == 2 else frozenset())
    for _ in range(2):
        await handrail.dispatcher.run_once(capability=Capability.TICKETING, run="t")

    (_, _, ticket), (_, key, note) = installation.ticketing.effects
    assert key.startswith(f"{TICKET}/standard/r-1/changed/")
    assert note.text.startswith("The customer changed an answer of this case. It says now:\nNPS 2")
    assert "Czekam czwarty tydzień." in note.text
    assert ticket.body != note.text
    await deliver(answer(comment=BEREAVED), "msg_5")
    assert installation.rows("survey_responses")[0].distress == "bereavement"
    assert sum("/changed/" in key for key in installation.states()) == 2


async def test_words_that_are_overtaken_by_their_score_are_not_erased(
    deliver: Deliver, installation: Any, answer: AnswerBody
) -> None:
    await deliver(answer(score=9, comment=BEREAVED), "msg_1")
    before = installation.states()
    told = await deliver(answer(score=9, comment=None), "msg_2")
    assert told.urgent == frozenset()
    (row,) = installation.rows("survey_responses")
    assert (row.comment, row.distress) == (BEREAVED, "bereavement")
    assert installation.states() == before


async def test_responses_of_two_sources_do_not_meet(deliver: Deliver, installation: Any, answer: AnswerBody) -> None:
    """Separators in what senders choose cannot forge another's key."""
    for number, response in enumerate(["r-1", "r-1/acknowledgement", "r%2F1", "r/1"]):
        await deliver(
            answer(response_id=response, customer={"ref": f"C/{number}", "email": "a@example.com"}), f"m{number}"
        )
    assert len(installation.states()) == 8


# -- nothing half done --------------------------------------------------------------------------------------------


async def test_what_fails_on_the_way_leaves_nothing_and_the_retry_is_whole(
    deliver: Deliver, installation: Any, answer: AnswerBody, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect after the customer, the answer and the case were written: all of it is taken back."""
    with monkeypatch.context() as broken:
        broken.setattr("services.escalating.plan_ticket", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await deliver(answer())
    for table in ("inbox", "customers", "survey_responses", "cases", "actions"):
        assert not installation.rows(table), table
    assert (await deliver(answer())).body["duplicate"] is False
    assert len(installation.rows("actions")) == 2
