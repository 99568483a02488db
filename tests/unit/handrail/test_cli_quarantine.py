"""`handrail quarantine` and `handrail operators`: the same decisions as on the pages, at a shell."""

from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from services.operators import read_hashes

HEADER = "response_id,kind,score,answered_at,customer_ref,customer_email\n"
ROW = "r-1,nps,{score},2026-03-04T10:00:00Z,C-1,c-1@example.com\n"


@pytest.fixture
def handrail(
    installation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command on the installation."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", installation.url)
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    monkeypatch.setenv("HANDRAIL_SANDBOX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HANDRAIL_SANDBOX_TOKEN", "9")
    monkeypatch.setenv("HANDRAIL_WEBHOOK_SECRET", "whsec_" + "QUJD" * 11)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def bad(handrail: CommandLine, tmp_path: Path) -> int:
    """A row whose score is none; its id in quarantine."""
    file = tmp_path / "answers.csv"
    file.write_text(HEADER + ROW.format(score=42), encoding="utf-8")
    assert handrail("import", "surveys", str(file)).status == 0
    [row] = handrail("quarantine", "--json").document
    return int(row["id"])


def test_what_waits_is_listed_with_why(handrail: CommandLine, bad: int) -> None:
    assert "score: is 42, which is not on the scale" in handrail("quarantine").out
    assert "nothing is discarded" in handrail("quarantine", "--state", "discarded").out
    assert handrail("quarantine", "--source", "standard", "--json").document == []
    shown = handrail("quarantine", "show", str(bad)).out
    assert HEADER.strip() in shown
    assert ROW.format(score=42).strip() in shown
    said = handrail("quarantine", "--state", "wating")
    assert (said.status, 'did you mean "waiting"' in said.err) == (2, True)


def test_repaired_replayed_and_traced(handrail: CommandLine, bad: int, tmp_path: Path, installation: Any) -> None:
    file = tmp_path / "row.csv"
    file.write_text(ROW.format(score=11), encoding="utf-8")
    refused = handrail("quarantine", "repair", str(bad), str(file), "--reason", "asked", "--by", "Ewa Lis")
    assert (refused.status, "not kept; this is still wrong" in refused.err) == (1, True)

    file.write_text(ROW.format(score=2), encoding="utf-8")
    assert handrail("quarantine", "repair", str(bad), str(file), "--reason", "asked", "--by", "Ewa Lis").status == 0
    rehearsed = handrail("quarantine", "replay", str(bad), "--dry-run", "--json").document
    assert rehearsed["rows"][0]["verdict"] == "accepted"
    assert installation.rows("actions") == []
    told = handrail("quarantine", "replay", str(bad), "--by", "Ewa Lis", "--json").document
    assert told["rows"][0]["subject"] == "survey/import/r-1"
    assert "nothing fits" in handrail("quarantine", "replay", str(bad)).out

    story = handrail("trace", "survey/import/r-1").out
    assert f"(by quarantine/{bad})" in story
    assert [row.by for row in installation.rows("quarantine_decisions")] == ["Ewa Lis", "Ewa Lis"]


def test_replaying_asks_for_something_to_replay(handrail: CommandLine, bad: int) -> None:
    said = handrail("quarantine", "replay")

    assert (said.status, "say which: ids, a source, or a time" in said.err) == (1, True)
    assert "1 refused" in handrail("quarantine", "replay", "--since", "2020-01-01").out
    assert "nothing fits" in handrail("quarantine", "replay", "--until", "2020-01-01T00:00+01:00").out


def test_discarded_with_a_reason(handrail: CommandLine, bad: int, installation: Any) -> None:
    assert handrail("quarantine", "discard", str(bad)).status == 2
    assert handrail("quarantine", "discard", str(bad), "--reason", " ", "--by", "ann").status == 1
    assert handrail("quarantine", "discard", str(bad), "--reason", "a test", "--by", "ann").status == 0
    said = handrail("quarantine", "discard", str(bad), "--reason", "a test", "--by", "ann")
    assert (said.status, "was discarded already" in said.err) == (1, True)
    assert [(row.what, row.by) for row in installation.rows("quarantine_decisions")] == [("discarded", "ann")]


def test_an_unknown_subject_is_answered_with_the_nearest(handrail: CommandLine, bad: int, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("ref\nC-1042\n", encoding="utf-8")
    assert handrail("import", "customers", str(file)).status == 0

    said = handrail("trace", "C-1024")

    assert (said.status, "the nearest known: C-1042" in said.err) == (1, True)


def test_operators_come_and_go(handrail: CommandLine, tmp_path: Path) -> None:
    assert "none" in handrail("operators").out
    short = handrail("operators", "add", "Ewa Lis", "--password", "short")
    assert (short.status, "12 to 1000 characters" in short.err) == (2, True)

    added = handrail("operators", "add", " Ewa  Lis ", "--password", "correct horse battery")
    assert added.status == 0
    assert "horse" not in added.out + added.err
    file = tmp_path / "operators.yaml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(read_hashes(file)) == ["Ewa Lis"]
    assert "horse" not in file.read_text(encoding="utf-8")
    assert handrail("operators", "--json").document["operators"] == ["Ewa Lis"]
    said = handrail("operators", "remove", "Ewa Liss")
    assert (said.status, 'did you mean "Ewa Lis"' in said.err) == (1, True)
    assert handrail("operators", "remove", "Ewa Lis").status == 0
    assert read_hashes(file) == {}
