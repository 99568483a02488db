"""Answers that are asked for: fetched once told of, found by polling, never twice and never lost."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.actions import Capability
from integrations.errors import AuthFailed, ContractViolation, NotSent, RateLimited, Rejected, Unavailable
from integrations.fakes import FakeSurveyTool
from services.asking import FIRST, OVERLAP, ask_sources, fetch_announced
from services.intake import Answer, receive_webhook
from services.wiring import Handrail
from store.crash_points import watch
from store.fetches import HOLD

Deliver = Callable[..., Any]
TICKET, ACKNOWLEDGEMENT = "case/C-1/1/ticket", "survey/tool/r-1/acknowledgement"


@pytest.fixture
def tool(handrail: Handrail) -> FakeSurveyTool:
    """A source that tells of answers in ids."""
    made = FakeSurveyTool(handrail.roster.intakes["standard"])
    handrail.roster.intakes = {"tool": made}
    return made


@pytest.fixture
def deliver(handrail: Handrail, signed: Any, as_bytes: Any) -> Deliver:
    """`await deliver(body, webhook_id)`: a signed delivery of the tool's."""

    async def take(body: dict[str, Any], webhook_id: str = "msg_1") -> Answer:
        raw = as_bytes(body)
        return await receive_webhook(handrail, "tool", signed(raw, webhook_id), raw)

    return take


def told_of(response: str = "r-1") -> dict[str, Any]:
    return {"type": FakeSurveyTool.ANNOUNCED, "data": {"survey": "s-1", "response": response}}


def shown(tool: FakeSurveyTool, as_bytes: Any, body: dict[str, Any]) -> None:
    tool.answers[body["data"]["response_id"]] = as_bytes(body)


# -- told of, then fetched ----------------------------------------------------------------------------------------


async def test_an_answer_that_was_told_of_is_durable_first_and_fetched_after(
    handrail: Handrail, tool: FakeSurveyTool, deliver: Deliver, installation: Any, answer: Any, as_bytes: Any
) -> None:
    shown(tool, as_bytes, answer())
    told = await deliver(told_of())
    assert (told.http_status, told.body["status"], told.is_announced) == (202, "accepted", True)
    assert not tool.fetched
    assert not installation.rows("survey_responses")

    came, urgent = await fetch_announced(handrail, run="gateway")

    assert (came, urgent) == (1, {Capability.TICKETING, Capability.MAIL})
    assert installation.states() == {TICKET: "ready", ACKNOWLEDGEMENT: "ready"}
    assert [row.state for row in installation.rows("survey_fetches")] == ["done"]
    assert await fetch_announced(handrail, run="gateway") == (0, frozenset())
    assert tool.fetched == ["r-1"]


async def test_the_same_delivery_again_fetches_nothing_again(
    handrail: Handrail, tool: FakeSurveyTool, deliver: Deliver, installation: Any, answer: Any, as_bytes: Any
) -> None:
    shown(tool, as_bytes, answer())
    await deliver(told_of())
    await fetch_announced(handrail, run="gateway")
    again = await deliver(told_of())
    assert (again.body["duplicate"], again.is_announced) == (True, False)
    assert await fetch_announced(handrail, run="gateway") == (0, frozenset())


async def test_told_of_anew_it_is_fetched_anew_and_its_words_reach_the_ticket(
    handrail: Handrail, tool: FakeSurveyTool, deliver: Deliver, installation: Any, answer: Any, as_bytes: Any
) -> None:
    shown(tool, as_bytes, answer(comment=None))
    await deliver(told_of(), "msg_1")
    await fetch_announced(handrail, run="gateway")
    shown(tool, as_bytes, answer(comment="Już trzeci tydzień."))
    await deliver(told_of(), "msg_2")
    assert await fetch_announced(handrail, run="gateway") == (1, {Capability.TICKETING})
    assert installation.rows("survey_responses")[0].comment == "Już trzeci tydzień."
    assert set(installation.states()) == {TICKET, ACKNOWLEDGEMENT, "case/C-1/1/ticket/tool/r-1/words"}


LOST = [
    Unavailable("survey_intake via fake", "no answer in time", "later"),
    NotSent("survey_intake via fake", "cannot connect", "is it up?"),
    AuthFailed("survey_intake via fake", "refused with 401", "renew TOKEN"),
    ContractViolation("survey_intake via fake", "an answer we do not understand", "later"),
    ZeroDivisionError("Czekam trzeci tydzień."),
]


@pytest.mark.parametrize("problem", LOST, ids=lambda problem: type(problem).__name__)
async def test_it_is_asked_for_until_it_is_here_however_long_that_takes(
    handrail: Handrail,
    tool: FakeSurveyTool,
    deliver: Deliver,
    installation: Any,
    answer: Any,
    as_bytes: Any,
    clock: Any,
    problem: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shown(tool, as_bytes, answer())
    await deliver(told_of())
    tool.script(*[problem] * 40)
    for attempt in range(1, 41):
        assert await fetch_announced(handrail, run="gateway") == (0, frozenset())
        assert len(tool.fetched) == attempt, "once a round: it waits"
        clock.go(seconds=301)
    [row] = installation.rows("survey_fetches")
    assert (row.state, row.attempts) == ("waiting", 40)
    assert row.problem.startswith(("survey_intake via fake: ", "ZeroDivisionError: see the log"))
    assert not installation.rows("quarantine")
    assert "Czekam" not in caplog.text + row.problem
    assert (await fetch_announced(handrail, run="gateway"))[0] == 1
    assert set(installation.states()) == {TICKET, ACKNOWLEDGEMENT}


@pytest.mark.parametrize("asked", [RateLimited, Unavailable], ids=["429", "503"])
async def test_the_tools_own_wait_is_kept(
    handrail: Handrail,
    tool: FakeSurveyTool,
    deliver: Deliver,
    answer: Any,
    as_bytes: Any,
    clock: Any,
    asked: type[RateLimited],
) -> None:
    shown(tool, as_bytes, answer())
    await deliver(told_of())
    tool.script(asked("survey_intake via fake", "not now", "it waits", 1800.0))
    await fetch_announced(handrail, run="gateway")
    clock.go(seconds=1799)
    assert (await fetch_announced(handrail, run="gateway"))[0] == 0
    clock.go(seconds=1)
    assert (await fetch_announced(handrail, run="gateway"))[0] == 1


async def test_what_the_tool_says_it_does_not_have_goes_to_a_person_after_a_while(
    handrail: Handrail, tool: FakeSurveyTool, deliver: Deliver, installation: Any, as_bytes: Any, clock: Any
) -> None:
    await deliver(told_of())
    for _ in range(6):
        assert not installation.rows("quarantine")
        await fetch_announced(handrail, run="gateway")
        clock.go(seconds=301)
    [kept] = installation.rows("quarantine")
    assert (kept.source, kept.origin, kept.body) == ("tool", "r-1", as_bytes(told_of()))
    assert "refused with 404" in kept.problems[0]["problem"]
    assert installation.rows("survey_fetches")[0].state == "quarantined"
    assert await fetch_announced(handrail, run="gateway") == (0, frozenset())


async def test_what_was_fetched_and_breaks_the_contract_waits_for_a_person(
    handrail: Handrail, tool: FakeSurveyTool, deliver: Deliver, installation: Any, answer: Any, as_bytes: Any
) -> None:
    shown(tool, as_bytes, answer(score=42))
    await deliver(told_of())
    await fetch_announced(handrail, run="gateway")
    [kept] = installation.rows("quarantine")
    assert kept.body == tool.answers["r-1"]
    assert kept.problems[0]["path"] == "data.score"
    assert not installation.rows("actions")


async def test_one_that_cannot_be_fetched_leaves_the_others_alone(
    handrail: Handrail, tool: FakeSurveyTool, deliver: Deliver, installation: Any, answer: Any, as_bytes: Any
) -> None:
    for number in range(9):
        if number != 4:
            shown(tool, as_bytes, answer(response_id=f"r-{number}", customer={"ref": f"C-{number}", "email": "a@b.cz"}))
        await deliver(told_of(f"r-{number}"), f"msg_{number}")
    assert (await fetch_announced(handrail, run="gateway"))[0] == 8
    assert len(installation.rows("survey_responses")) == 8


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("place", ["fetch.taken", "fetch.answered", "fetch.taken-in"])
async def test_a_process_that_died_while_fetching_loses_nothing(
    handrail: Handrail,
    tool: FakeSurveyTool,
    deliver: Deliver,
    installation: Any,
    answer: Any,
    as_bytes: Any,
    clock: Any,
    place: str,
) -> None:
    def die(name: str) -> None:
        if name == place:
            raise Died

    shown(tool, as_bytes, answer())
    await deliver(told_of())
    watch(die)
    try:
        with pytest.raises(Died):
            await fetch_announced(handrail, run="gateway")
    finally:
        watch(None)
    assert not installation.rows("survey_responses")
    assert (await fetch_announced(handrail, run="gateway"))[0] == 0, "somebody may still be at it"
    clock.now += HOLD
    assert (await fetch_announced(handrail, run="gateway"))[0] == 1
    assert set(installation.states()) == {TICKET, ACKNOWLEDGEMENT}


# -- polled -------------------------------------------------------------------------------------------------------


async def test_polling_finds_what_no_webhook_told_of(
    handrail: Handrail, tool: FakeSurveyTool, installation: Any, answer: Any, as_bytes: Any, clock: Any
) -> None:
    for number in range(5):  # three pages
        shown(tool, as_bytes, answer(response_id=f"p-{number}", score=9))
    shown(tool, as_bytes, answer())
    tool.answers["odd"] = json.dumps({"type": "survey.deleted"}).encode()

    report = await ask_sources(handrail, run="run-1")

    [asked] = report.asked
    assert (asked.accepted, asked.known, asked.noted, asked.quarantined, asked.problem) == (6, 0, 1, 0, "")
    assert report.urgent == {Capability.TICKETING, Capability.MAIL}
    assert installation.action(TICKET).planned_by == "run-1"
    assert tool.asked == [clock() - FIRST]


async def test_the_next_poll_overlaps_the_last_and_accepts_nothing_twice(
    handrail: Handrail, tool: FakeSurveyTool, installation: Any, answer: Any, as_bytes: Any, clock: Any
) -> None:
    shown(tool, as_bytes, answer())
    first = clock()
    await ask_sources(handrail, run="run-1")
    before = {table: installation.rows(table) for table in ("survey_responses", "actions", "customers", "quarantine")}
    clock.go(minutes=10)
    [asked] = (await ask_sources(handrail, run="run-2")).asked
    assert (asked.accepted, asked.known) == (0, 1)
    assert tool.asked[-1] == first - OVERLAP
    assert {table: installation.rows(table) for table in before} == before


@pytest.mark.parametrize("webhook_first", [True, False])
async def test_the_same_answer_by_webhook_and_by_poll_is_one_ticket(
    handrail: Handrail,
    tool: FakeSurveyTool,
    deliver: Deliver,
    installation: Any,
    answer: Any,
    as_bytes: Any,
    webhook_first: bool,
) -> None:
    shown(tool, as_bytes, answer())
    if webhook_first:
        await deliver(answer())
    await ask_sources(handrail, run="run-1")
    await deliver(answer(), "msg_2")
    await deliver(told_of(), "msg_3")
    await ask_sources(handrail, run="run-2")
    assert set(installation.states()) == {TICKET, ACKNOWLEDGEMENT}
    assert len(installation.rows("survey_responses")) == 1


async def test_a_poll_that_breaks_off_keeps_what_it_has_and_asks_from_the_same_time_again(
    handrail: Handrail, tool: FakeSurveyTool, installation: Any, answer: Any, as_bytes: Any, clock: Any
) -> None:
    for number in range(4):
        shown(tool, as_bytes, answer(response_id=f"r-{number}", score=9))
    tool.script(None, Unavailable("survey_intake via fake", "no answer in time", "later"))
    report = await ask_sources(handrail, run="run-1")
    assert (report.asked[0].accepted, "no answer in time" in report.asked[0].problem) == (2, True)
    assert not installation.rows("survey_polls")
    clock.go(minutes=10)
    report = await ask_sources(handrail, run="run-2")
    assert (report.asked[0].accepted, report.asked[0].known) == (2, 2)
    assert tool.asked == [clock() - timedelta(minutes=10) - FIRST, clock() - FIRST]


async def test_one_tool_that_fails_leaves_the_others_alone(
    handrail: Handrail, tool: FakeSurveyTool, installation: Any, answer: Any, as_bytes: Any
) -> None:
    other = FakeSurveyTool(tool)
    shown(other, as_bytes, answer())
    handrail.roster.intakes = {"tool": tool, "other": other}
    tool.script(Rejected("survey_intake via fake", "refused with 400", "correct it", 400))
    report = await ask_sources(handrail, run="run-1")
    assert [(one.source, one.accepted, bool(one.problem)) for one in report.asked] == [
        ("tool", 0, True),
        ("other", 1, False),
    ]


async def test_what_was_found_broken_is_kept_once_however_often_it_is_found(
    handrail: Handrail, tool: FakeSurveyTool, installation: Any, answer: Any, as_bytes: Any
) -> None:
    shown(tool, as_bytes, answer(score=42))
    shown(tool, as_bytes, answer(response_id="r-2", customer={"ref": "C-9"}))
    tool.answers["odd"] = b'{"type": "survey.responded"}'
    [asked] = (await ask_sources(handrail, run="run-1")).asked
    assert (asked.quarantined, asked.known) == (3, 0)
    [asked] = (await ask_sources(handrail, run="run-2")).asked
    assert (asked.quarantined, asked.known) == (0, 3)
    assert sorted(row.body for row in installation.rows("quarantine")) == sorted(tool.answers.values())


async def test_asked_since_a_time_of_ones_own_the_watermark_stays(
    handrail: Handrail, tool: FakeSurveyTool, installation: Any, answer: Any, as_bytes: Any, clock: Any
) -> None:
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    shown(tool, as_bytes, answer(answered_at="2026-01-02T08:00:00Z"))
    await ask_sources(handrail, run="run-1", since=long_ago)
    assert tool.asked == [long_ago]
    assert not installation.rows("survey_polls")
    assert installation.action(ACKNOWLEDGEMENT).state == "skipped", "two months later a person writes"
    assert installation.action(TICKET).state == "ready"
    with pytest.raises(LookupError, match="lies ahead"):
        await ask_sources(handrail, run="run-1", since=clock() + timedelta(seconds=1))


async def test_a_closed_archive_is_not_asked_and_what_waits_is_told(
    handrail: Handrail, tool: FakeSurveyTool, deliver: Deliver
) -> None:
    tool.is_open = False
    await deliver(told_of())
    tool.script(Unavailable("survey_intake via fake", "no answer in time", "later"))
    report = await ask_sources(handrail, run="run-1")
    assert (report.asked, tool.asked) == ([], [])
    (waiting,) = report.waiting
    assert (waiting.source, waiting.count) == ("tool", 1)
    assert waiting.problem == "survey_intake via fake: no answer in time: later"


async def test_an_event_that_calls_for_nothing_is_written_down(
    handrail: Handrail, tool: FakeSurveyTool, deliver: Deliver, installation: Any
) -> None:
    told = await deliver({"type": "unsubscribe.created"})
    assert (told.http_status, told.body["status"], told.urgent, told.is_announced) == (202, "noted", frozenset(), False)
    assert "unsubscribe.created" in told.body["problems"][0]["problem"]
    again = await deliver({"type": "unsubscribe.created"})
    assert again.body == {**told.body, "duplicate": True}
    assert [row.status for row in installation.rows("inbox")] == ["noted"]
    for table in ("quarantine", "actions", "survey_responses", "survey_fetches"):
        assert not installation.rows(table), table
