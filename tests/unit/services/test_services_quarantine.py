"""Quarantine: repaired and replayed by a named person, once, along the way the original would have taken."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domain.gates import DataSet
from integrations.ports import Announced, Noted
from services.importing import Source, import_batch
from services.imports import import_surveys
from services.quarantine import (
    CannotDecide,
    Who,
    as_text,
    check,
    discard,
    list_quarantine,
    read_quarantined,
    repair,
    replay,
    replay_many,
)
from services.replaying import Verdict
from services.wiring import Handrail
from store.quarantine import Chosen

EWA = Who("Ewa Lis", "the score was typed twice; asked the customer")
HEADER = "response_id,kind,score,answered_at,customer_ref,customer_email,comment"


@pytest.fixture
def bad(deliver: Any, answer: Any) -> Callable[..., Any]:
    """`await bad(webhook_id)`: a delivery that breaks its contract; the body it should have had."""

    async def take(webhook_id: str = "msg_1", **data: Any) -> dict[str, Any]:
        right = answer(**data)
        wrong = {**right, "data": {**right["data"], "score": 42}}
        told = await deliver(wrong, webhook_id)
        assert told.body["status"] == "quarantined"
        return dict(right)

    return take


def waiting(handrail: Handrail) -> list[int]:
    return [row["id"] for row in list_quarantine(handrail.database, Chosen()).rows]


def file_of(tmp_path: Path, text: str, name: str = "answers.csv") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


async def test_a_repaired_answer_is_replayed_as_if_it_had_come_in(
    handrail: Handrail, bad: Any, installation: Any
) -> None:
    right = await bad()
    (row_id,) = waiting(handrail)

    assert repair(handrail, row_id, json.dumps(right), EWA) == []
    ended = replay(handrail, row_id, EWA)

    assert (ended.verdict, ended.subject) == (Verdict.ACCEPTED, "survey/standard/r-1")
    assert {str(one) for one in ended.urgent} == {"ticketing", "mail"}
    assert set(installation.states()) == {"case/C-1/1/ticket", "survey/standard/r-1/acknowledgement"}
    assert installation.action("case/C-1/1/ticket").planned_by == f"quarantine/{row_id}"
    item = read_quarantined(handrail.database, row_id)
    assert [(one["what"], one["by"]) for one in item["decisions"]] == [("repaired", "Ewa Lis"), ("replayed", "Ewa Lis")]
    assert item["decisions"][0]["reason"] == EWA.reason
    assert '"score":42' in item["original"], "what came stays as it came"
    assert item["state"] == "replayed"
    assert waiting(handrail) == []


async def test_a_replay_twice_is_once(handrail: Handrail, bad: Any, installation: Any) -> None:
    right = await bad()
    (row_id,) = waiting(handrail)
    repair(handrail, row_id, json.dumps(right), EWA)

    async def press() -> Any:
        try:
            return (await asyncio.to_thread(replay, handrail, row_id, EWA)).verdict
        except CannotDecide as problem:
            return str(problem)

    ends = await asyncio.gather(*(press() for _ in range(8)))

    assert ends.count(Verdict.ACCEPTED) == 1
    assert {end for end in ends if end is not Verdict.ACCEPTED} <= {
        f"{row_id} was replayed already; nothing was changed",
        "Ewa Lis replayed it meanwhile: look at it again",
    }
    assert len(installation.rows("actions")) == 2
    assert len(installation.rows("quarantine_decisions")) == 2


async def test_what_the_sender_sent_anew_meanwhile_is_not_doubled(
    handrail: Handrail, bad: Any, deliver: Any, installation: Any
) -> None:
    right = await bad()
    await deliver(right, "msg_2")
    before = installation.rows("actions")
    (row_id,) = waiting(handrail)
    repair(handrail, row_id, json.dumps(right), EWA)

    ended = replay(handrail, row_id, EWA)

    assert (ended.verdict, ended.outcome) == (Verdict.KNOWN, "known already")
    assert installation.rows("actions") == before


async def test_a_repair_that_is_still_wrong_is_not_kept(handrail: Handrail, bad: Any, installation: Any) -> None:
    right = await bad()
    (row_id,) = waiting(handrail)
    right["data"]["score"] = "many"

    problems = repair(handrail, row_id, json.dumps(right), EWA)

    assert [problem.path for problem in problems] == ["data.score"]
    assert [problem.path for problem in check(handrail, row_id, "{")] != []
    assert read_quarantined(handrail.database, row_id)["decisions"] == []
    assert installation.rows("survey_responses") == []


async def test_a_check_says_what_only_the_books_know_and_leaves_no_trace(
    handrail: Handrail, bad: Any, installation: Any
) -> None:
    right = await bad()
    (row_id,) = waiting(handrail)
    stranger = {**right, "data": {**right["data"], "customer": {"ref": "C-404"}}}

    assert [problem.path for problem in check(handrail, row_id, json.dumps(stranger))] == ["data.customer"]
    assert check(handrail, row_id, json.dumps(right)) == []
    for table in ("customers", "survey_responses", "cases", "actions", "audit", "quarantine_decisions"):
        assert installation.rows(table) == [], table


async def test_a_replay_that_is_refused_says_why_and_keeps_waiting(
    handrail: Handrail, deliver: Any, answer: Any, installation: Any, on_file: Any
) -> None:
    await deliver(answer(customer={"ref": "C-9"}))
    (row_id,) = waiting(handrail)

    ended = replay(handrail, row_id, EWA)

    assert ended.verdict is Verdict.REFUSED
    assert "import the customer first" in ended.outcome
    assert waiting(handrail) == [row_id]
    on_file("C-9", email="c-9@example.com")
    assert replay(handrail, row_id, EWA).verdict is Verdict.ACCEPTED
    assert [one["what"] for one in read_quarantined(handrail.database, row_id)["decisions"]] == ["refused", "replayed"]


async def test_who_and_why_must_be_said(handrail: Handrail, bad: Any) -> None:
    right = await bad()
    (row_id,) = waiting(handrail)
    now = handrail.clock()

    for refused in (
        lambda: repair(handrail, row_id, json.dumps(right), Who("Ewa Lis")),
        lambda: repair(handrail, row_id, json.dumps(right), Who(" ", "why")),
        lambda: discard(handrail.database, row_id, Who("Ewa Lis", " "), now=now),
        lambda: discard(handrail.database, row_id, Who("", "spam"), now=now),
        lambda: replay(handrail, row_id, Who("")),
        lambda: replay_many(handrail, Chosen(ids=[row_id]), Who("")),
    ):
        with pytest.raises(CannotDecide, match=r"who you are|a reason is missing"):
            refused()
    assert read_quarantined(handrail.database, row_id)["decisions"] == []


async def test_what_is_discarded_stays_and_is_over(handrail: Handrail, bad: Any, installation: Any) -> None:
    right = await bad()
    (row_id,) = waiting(handrail)

    discard(handrail.database, row_id, Who("Ewa Lis", "a test of the sender's"), now=handrail.clock())

    item = read_quarantined(handrail.database, row_id)
    assert (item["state"], item["decisions"][0]["reason"]) == ("discarded", "a test of the sender's")
    assert '"score":42' in item["original"]
    for late in (lambda: replay(handrail, row_id, EWA), lambda: repair(handrail, row_id, json.dumps(right), EWA)):
        with pytest.raises(CannotDecide, match="was discarded already"):
            late()
    assert installation.rows("actions") == []


async def test_a_decision_about_what_others_changed_meanwhile_is_refused(handrail: Handrail, bad: Any) -> None:
    right = await bad()
    (row_id,) = waiting(handrail)
    seen = read_quarantined(handrail.database, row_id)["seen"]
    repair(handrail, row_id, json.dumps(right), Who("Jan", "the score"), seen=seen)

    with pytest.raises(CannotDecide, match="Jan repaired it meanwhile"):
        replay(handrail, row_id, EWA, seen=seen)
    with pytest.raises(CannotDecide, match="Jan repaired it meanwhile"):
        discard(handrail.database, row_id, EWA, now=handrail.clock(), seen=seen)
    with pytest.raises(CannotDecide, match="Jan repaired it meanwhile"):
        repair(handrail, row_id, json.dumps(right), EWA, seen=seen)


async def test_an_unknown_one_is_said(handrail: Handrail) -> None:
    for asked in (
        lambda: read_quarantined(handrail.database, 7),
        lambda: replay(handrail, 7, EWA),
        lambda: check(handrail, 7, "{}"),
        lambda: discard(handrail.database, 7, EWA, now=handrail.clock()),
    ):
        with pytest.raises(CannotDecide, match="there is no 7 in quarantine"):
            asked()


async def test_a_row_of_a_csv_is_repaired_by_its_own_columns(
    handrail: Handrail, installation: Any, tmp_path: Path
) -> None:
    file = file_of(tmp_path, f'{HEADER}\nr-1,nps,42,2026-03-04T10:00:00Z,C-1,c-1@example.com,"slow, and rude"\n')
    import_surveys(handrail.database, handrail.policy, file, clock=handrail.clock)
    (row_id,) = waiting(handrail)
    item = read_quarantined(handrail.database, row_id)
    assert (item["contract"], item["columns"][2], item["separator"]) == ("surveys", "score", ",")

    wrong = check(handrail, row_id, "r-1,nps,11,2026-03-04T10:00:00Z,C-1,c-1@example.com,x")
    short = check(handrail, row_id, "r-1,nps,2")
    assert [problem.path for problem in wrong] == ["score"]
    assert "3 cells, and the header has 7 columns" in short[0].problem
    assert repair(handrail, row_id, item["current"].replace(",42,", ",2,"), EWA) == []
    assert replay(handrail, row_id, EWA).subject == "survey/import/r-1"

    assert set(installation.states()) == {"case/C-1/1/ticket", "survey/import/r-1/acknowledgement"}
    assert [row.comment for row in installation.rows("survey_responses")] == ["slow, and rude"]


async def test_a_json_line_and_a_customer_are_replayed_too(
    handrail: Handrail, installation: Any, tmp_path: Path
) -> None:
    line = {"response_id": "r-1", "kind": "nps", "score": 42, "answered_at": "2026-03-04T10:00:00Z"}
    line["customer"] = {"ref": "C-1", "email": "c-1@example.com"}
    answers = file_of(tmp_path, json.dumps(line) + "\n", "answers.jsonl")
    people = file_of(tmp_path, "ref;tier\nC-2;gold\n", "people.csv")
    import_surveys(handrail.database, handrail.policy, answers, clock=handrail.clock)
    import_batch(handrail.database, handrail.policy, Source(people, DataSet.CUSTOMERS), clock=handrail.clock)
    person, survey = waiting(handrail)

    assert repair(handrail, survey, json.dumps({**line, "score": 9}), EWA) == []
    assert repair(handrail, person, "C-2;vip", EWA) == []
    report = replay_many(handrail, Chosen(source="import"), EWA)

    assert [(row.verdict, row.subject) for row in report.rows] == [
        (Verdict.ACCEPTED, "survey/import/r-1"),
        (Verdict.ACCEPTED, "C-2"),
    ]
    assert {(row.ref, row.tier) for row in installation.rows("customers")} == {("C-1", "basic"), ("C-2", "vip")}


async def test_many_are_replayed_the_oldest_first_each_by_itself(
    handrail: Handrail, bad: Any, deliver: Any, answer: Any, installation: Any, on_file: Any
) -> None:
    for number in (1, 2):
        await deliver(answer(response_id=f"r-{number}", customer={"ref": "C-1"}), f"msg_{number}")
    await bad("msg_3", response_id="r-3")
    on_file("C-1", email="c-1@example.com")

    rehearsed = replay_many(handrail, Chosen(source="standard"), EWA, rehearse=True)
    assert rehearsed.words() == "2 accepted, 1 refused"
    assert installation.rows("actions") == installation.rows("quarantine_decisions") == []
    first = replay_many(handrail, Chosen(source="standard"), EWA, limit=1)
    assert (first.words(), first.rows[0].outcome) == (
        "1 accepted, 2 more are left for the next replay",
        "opened case C-1-1: nps 2",
    )
    rest = replay_many(handrail, Chosen(source="standard"), EWA)

    assert rest.words() == "1 accepted, 1 refused"
    assert rest.rows[0].outcome == "joined case C-1-1: nps 2"
    assert replay_many(handrail, Chosen(ids=[999]), EWA).words() == "nothing fits"


async def test_time_source_and_ids_choose(handrail: Handrail, bad: Any, clock: Any) -> None:
    await bad("msg_1", response_id="r-1")
    clock.go(hours=1)
    await bad("msg_2", response_id="r-2")
    newer, older = waiting(handrail)

    def listed(**chosen: Any) -> list[int]:
        return [row["id"] for row in list_quarantine(handrail.database, Chosen(**chosen)).rows]

    assert listed(since=clock()) == [newer]
    assert listed(until=clock()) == [older]
    assert listed(source="standard") == [newer, older]
    assert listed(source="import") == []
    assert listed(ids=[older]) == [older]
    assert listed(before_id=newer) == [older]
    page = list_quarantine(handrail.database, Chosen(), limit=1)
    assert ([row["id"] for row in page.rows], page.total, page.before_id) == ([newer], 2, newer)


async def test_a_source_that_is_gone_is_said(handrail: Handrail, bad: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = await bad()
    (row_id,) = waiting(handrail)
    monkeypatch.setattr(handrail.roster, "intakes", {})

    (problem,) = check(handrail, row_id, json.dumps(right))

    assert 'no survey source "standard" is configured any more' in problem.problem


async def test_what_its_vendor_only_tells_of_is_fetched(
    handrail: Handrail, bad: Any, installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bad()
    (row_id,) = waiting(handrail)
    told = SimpleNamespace(read=lambda body: Announced("s-1", "r-77"))
    monkeypatch.setattr(handrail.roster, "intakes", {"standard": told})

    ended = replay(handrail, row_id, EWA)

    assert (ended.verdict, ended.subject) == (Verdict.ACCEPTED, "survey/standard/r-77")
    assert [(row.source, row.response_id, row.state) for row in installation.rows("survey_fetches")] == [
        ("standard", "r-77", "waiting")
    ]


async def test_what_calls_for_nothing_is_to_be_discarded(
    handrail: Handrail, bad: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bad()
    (row_id,) = waiting(handrail)
    test_event = SimpleNamespace(read=lambda body: Noted("ping", "a test of the connection"))
    monkeypatch.setattr(handrail.roster, "intakes", {"standard": test_event})

    ended = replay(handrail, row_id, EWA)

    assert (ended.verdict, waiting(handrail)) == (Verdict.REFUSED, [row_id])
    assert "discard this" in ended.outcome


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    assert as_text(b"a\xff\x00\x1b[31m\n") == "a\\xff␀␛[31m\n"
