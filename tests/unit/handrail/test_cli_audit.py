"""`handrail audit verify`: exit 0 when nothing was touched, 1 when something was, with its table and id."""

from pathlib import Path

import pytest
from command_line import CommandLine
from ledger_world import NOON
from sqlalchemy import update

from domain.controls import EVERYTHING
from services.controls import stop
from store.database import Database
from store.ledger.rows import controls


@pytest.fixture
def handrail(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command on a database whose kill switch was used."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    stop(database, EVERYTHING, by="Ewa Lis", reason="a test", now=NOON)
    return CommandLine(monkeypatch, capsys)


def test_nothing_was_touched(handrail: CommandLine) -> None:
    said = handrail("audit", "verify")
    assert (said.status, said.out) == (
        0,
        "1 entry about 0 reviews, the kill switch and reviewers: nothing was touched\n",
    )
    told = handrail("audit", "verify", "--json").document
    assert len(told.pop("head")) == 64
    assert told == {"ok": True, "entries": 1, "reviews": 0, "touched": []}


def test_a_touched_row_is_named(handrail: CommandLine, database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(controls).values(stopped=False))
    told = handrail("audit", "verify", "--json")
    what = "stopped is False, the chain says True"
    assert (told.status, told.document["touched"]) == (1, [{"table": "controls", "id": "1", "what": what}])
    said = handrail("audit", "verify")
    assert said.status == 1
    assert "stopped is False" in " ".join(said.out.split())
