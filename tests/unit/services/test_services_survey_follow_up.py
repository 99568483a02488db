"""What a run of survey-escalation shows of critical answers: everything counted, what is worth a look shown."""

from typing import Any

import pytest
from ledger_world import NOON, World, a_plan, later
from sqlalchemy import event

from domain.actions import Kind, State
from services import survey_follow_up
from services.survey_follow_up import SurveyFollowUp
from store import overview
from store.database import Database

SINCE = later(hours=-24)


def _follow(world: World, now: Any = NOON) -> SurveyFollowUp:
    return survey_follow_up._follow(world.database, SINCE, now)


@pytest.fixture
def world(database: Database) -> World:
    """An empty ledger."""
    return World(database)


@pytest.fixture
def busy(world: World) -> World:
    """Six cases with a ticket and a note each; of the first three both are over."""
    for number in range(1, 7):
        ref = f"C-{number}"
        case = world.case(world.customer(ref))
        ticket = a_plan(f"{ref}/ticket", kind=Kind.TICKET)
        world.put(ticket, a_plan(f"{ref}/note", kind=Kind.TICKET_NOTE), case_id=case)
    for number in (1, 2, 3):
        world.force(f"C-{number}/ticket", State.DONE)
        world.force(f"C-{number}/note", State.SKIPPED if number == 1 else State.DONE)
    world.force("C-4/ticket", State.NEEDS_HUMAN)
    return world


def test_all_that_is_not_over_is_shown_and_then_what_was_not_done(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey_follow_up, "_OVER_SHOWN", 2)
    followed = _follow(busy)
    assert [row["action"] for row in followed.rows] == [
        *("C-1/note", "C-3/note", "C-4/ticket", "C-4/note"),
        *("C-5/ticket", "C-5/note", "C-6/ticket", "C-6/note"),
    ]
    assert followed.counts == {"done": 5, "skipped": 1, "needs_human": 1, "ready": 5}
    assert followed.waiting_for_people == 1
    assert followed.open_keys == ["C-4/note", "C-5/ticket", "C-5/note", "C-6/ticket", "C-6/note"]


def test_a_ticket_that_is_not_at_the_desk_in_time_is_late_shown_or_not(
    busy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_follow_up, "_OVER_SHOWN", 0)
    busy.force("C-5/ticket", State.CANCELLED)
    promised = max(row.answer_by for row in busy.rows("cases"))
    assert _follow(busy, promised).late == 0
    assert _follow(busy, later(days=30)).late == 3


def test_however_many_cases_there_are_a_statement_has_as_many_parameters(busy: World) -> None:
    """SQLite takes 32,766, PostgreSQL 65,535: a case each is too many on a bad day."""
    asked: list[int] = []

    @event.listens_for(busy.database.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, _statement: str, parameters: Any, *_: Any) -> None:
        asked.append(len(parameters))

    _follow(busy)
    before = max(asked)
    for number in range(10, 40):
        busy.put(a_plan(f"C-{number}/ticket", kind=Kind.TICKET), case_id=busy.case(busy.customer(f"C-{number}")))
    asked.clear()
    assert _follow(busy).counts["ready"] == 35
    assert max(asked) == before


def test_what_a_vendor_said_last_is_shown(busy: World) -> None:
    for external_id, hours in (("T-1", 1), ("T-2", 2)):
        receipt = {"integration": "desk", "external_id": external_id, "detail": {}, "adopted": False}
        busy.add("receipts", action_id=busy.row("C-2/ticket").id, at=later(hours=hours), **receipt)
    with busy.database.read() as connection:
        rows = {row.key: row for row in overview.fates_of_cases(connection, SINCE, most_over=200)}
    assert (rows["C-2/ticket"].external_id, rows["C-2/ticket"].done_at) == ("T-2", later(hours=2))
    assert (rows["C-3/ticket"].external_id, rows["C-3/ticket"].done_at) == (None, None)
