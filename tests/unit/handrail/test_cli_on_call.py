"""`handrail on-call`: who is told, now and in the coming weeks."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from command_line import CommandLine
from sqlalchemy import insert

from store.database import Database
from store.ledger.rows import reviewers


@pytest.fixture
def handrail(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command on a database in which Ewa Lis is a reviewer; the rota is the shipped policy's."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    one = {"name": "Ewa Lis", "roles": ["on_call"], "secret": "X", "added_at": datetime.now(UTC), "added_by": "t"}
    gone = {**one, "name": "Jan Nowak", "removed_at": datetime.now(UTC)}
    with database.write() as connection:
        connection.execute(insert(reviewers), [{**one, "removed_at": None}, gone])
    return CommandLine(monkeypatch, capsys)


def test_who_is_on_call_and_who_comes_next(handrail: CommandLine) -> None:
    told = handrail("on-call", "--at", "2026-03-28T12:00+01:00", "--weeks", "1", "--json").document
    assert (told["now"], told["next"]) == (
        {"who": "Jan Nowak", "is_reviewer": False},
        {"who": "Ewa Lis", "is_reviewer": True},
    )
    assert told["turns"] == [
        {
            "who": "Jan Nowak",
            "is_reviewer": False,
            "starts": "2026-03-23T09:00+01:00",
            "ends": "2026-03-30T09:00+02:00",
            "instead_of": None,
        },
        {
            "who": "Ewa Lis",
            "is_reviewer": True,
            "starts": "2026-03-30T09:00+02:00",
            "ends": "2026-04-06T09:00+02:00",
            "instead_of": None,
        },
    ]


def test_for_people_it_is_a_table_that_marks_who_cannot_decide(handrail: CommandLine) -> None:
    said = handrail("on-call", "--at", "2026-03-28T12:00+01:00")
    assert said.out.startswith("on call: Jan Nowak; next: Ewa Lis\n")
    marked = [line for line in said.out.splitlines() if "no reviewer" in line]
    assert marked
    assert all("Jan Nowak" in line for line in marked)
    assert "told, and cannot decide: Jan Nowak: `handrail reviewers add NAME`" in said.out


@pytest.mark.parametrize(("at", "why"), [("soon", "is no time"), ("2026-03-28T12:00", "has no offset")])
def test_a_time_that_is_none_is_wrong_use(handrail: CommandLine, at: str, why: str) -> None:
    said = handrail("on-call", "--at", at)
    assert (said.status, why in said.err) == (2, True)
