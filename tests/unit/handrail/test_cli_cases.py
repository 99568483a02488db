"""`handrail cases`: the list, the differences, and a person's word, kept with the name."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from sqlalchemy import insert

from store.promises import promises

CASE = "C-1-1"


@pytest.fixture
def handrail(
    installation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command on the installation, whose one customer gave a bad answer."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", installation.url)
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    for name in ("SANDBOX_URL", "SANDBOX_TOKEN", "GATEWAY_PORT"):
        monkeypatch.setenv(f"HANDRAIL_{name}", {"SANDBOX_URL": "http://127.0.0.1:9"}.get(name, "9"))
    monkeypatch.setenv("HANDRAIL_WEBHOOK_SECRET", "whsec_" + "QUJD" * 11)
    command = CommandLine(monkeypatch, capsys)
    file = tmp_path / "answers.csv"
    file.write_text(
        "response_id,kind,score,answered_at,customer_ref,customer_email\n"
        "r-1,nps,1,2026-03-04T10:00:00Z,C-1,c-1@example.com\n",
        encoding="utf-8",
    )
    assert command("import", "surveys", str(file)).status == 0
    return command


@pytest.fixture
def promised(installation: Any) -> Callable[..., None]:
    """`promised("broken", by)`: a promise of the case that ended so."""

    def put(state: str, by: datetime) -> None:
        acknowledgement = next(row for row in installation.rows("actions") if row.kind == "acknowledgement")
        made = datetime(2026, 3, 4, 10, tzinfo=UTC)
        told = {"action_id": acknowledgement.id, "case_id": acknowledgement.case_id, "made_at": made}
        with installation.database.write() as connection:
            connection.execute(insert(promises).values(**told, answer_by=by, state=state))

    return put


def test_open_cases_are_listed(handrail: CommandLine) -> None:
    (row,) = handrail("cases", "--json").document
    assert (row["case"], row["state"], row["owner"], row["ticket"]) == (CASE, "open", None, None)
    assert "C-1-1" in handrail("cases").out
    assert "c-1@example.com" not in handrail("cases", "--all").out


def test_differences_are_listed_or_none(handrail: CommandLine) -> None:
    assert "agree" in handrail("cases", "differences").out
    assert handrail("cases", "differences", "--json").document == []


def test_a_last_word_is_kept_with_its_name(handrail: CommandLine, installation: Any) -> None:
    said = handrail("cases", "last-word", CASE, "--by", "Ewa Lis", "--json").document
    assert said == {"case": CASE, "last_word_by": "Ewa Lis", "ticket": "not read yet"}
    (case,) = installation.rows("cases")
    assert (case.last_word_by, case.last_word_at, case.version) == ("Ewa Lis", case.answered_at, 2)


def test_an_answer_outside_the_desk_keeps_what_counted_as_broken(
    handrail: CommandLine, installation: Any, promised: Callable[..., None]
) -> None:
    promised("broken", datetime(2026, 3, 4, 11, tzinfo=UTC))
    late = handrail("cases", "answered", CASE, "--by", "Ewa", "--at", "2026-03-04T12:30+01:00", "--json").document
    assert late["kept_after_all"] == 0
    in_time = handrail("cases", "answered", CASE, "--by", "Ewa", "--at", "2026-03-04T11:30+01:00", "--json").document
    assert in_time["kept_after_all"] == 1
    (promise,), (case,) = installation.rows("promises"), installation.rows("cases")
    assert (promise.state, promise.settled_by) == ("kept", "Ewa")
    assert case.answered_at == datetime(2026, 3, 4, 11, 30, tzinfo=UTC), "the later of the two"


def test_an_excuse_is_kept_with_name_and_reason(
    handrail: CommandLine, installation: Any, promised: Callable[..., None]
) -> None:
    promised("open", datetime(2026, 3, 4, 11, tzinfo=UTC))
    said = handrail("cases", "excuse", CASE, "--by", "Ewa", "--reason", "she released us", "--json").document
    assert said["excused"] == 1
    (promise,) = installation.rows("promises")
    assert (promise.state, promise.settled_by, promise.reason) == ("excused", "Ewa", "she released us")


@pytest.mark.parametrize(
    ("words", "status", "problem"),
    [
        (("last-word", "C-9-1", "--by", "Ewa"), 1, 'no case is called "C-9-1"'),
        (("last-word", CASE, "--by", " "), 2, "--by must say something"),
        (("excuse", CASE, "--by", "Ewa", "--reason", ""), 2, "--reason must say something"),
        (("answered", CASE, "--by", "Ewa", "--at", "noon"), 2, "is no time"),
        (("answered", CASE, "--by", "Ewa", "--at", "2026-03-04T12:30"), 2, "has no offset"),
        (("answered", CASE, "--by", "Ewa", "--at", "2999-01-01T00:00Z"), 2, "lies in the future"),
    ],
)
def test_what_cannot_be_recorded_says_why(
    handrail: CommandLine, installation: Any, words: tuple[str, ...], status: int, problem: str
) -> None:
    before = installation.rows("cases")
    said = handrail("cases", *words)
    assert (said.status, problem in " ".join(said.err.replace("│", " ").split())) == (status, True), said.err
    assert installation.rows("cases") == before
