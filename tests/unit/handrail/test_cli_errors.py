"""Errors of the command: exit 1 with a reason and no traceback, exit 2 for wrong use, quick to start."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_line import CommandLine

from handrail.jobs import JOBS
from services.settings import ROOT


@pytest.fixture
def handrail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    """The command on a directory where nothing is yet."""
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("actoins",),
        ("actions", "--state", "nedes_human"),
        ("actions", "settle", "k", "--to", "don", "--by", "ann", "--reason", "seen"),
        ("actions", "settle", "k", "--to", "done", "--by", " ", "--reason", "seen"),
        ("run", "survey-escalatoin"),
        ("stop",),
        ("up", "--ports", "80"),
        ("import", "invoices", "x.csv"),
    ],
)
def test_wrong_use_is_two(handrail: CommandLine, words: tuple[str, ...]) -> None:
    said = handrail(*words)

    assert said.status == 2
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("run", "survey-escalatoin"), "survey-escalation"),
        (("actions", "--state", "nedes_human"), "needs_human"),
        (("actoins",), "actions"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_word(handrail: CommandLine, words: tuple[str, ...], meant: str) -> None:
    assert meant in handrail(*words).err


@pytest.mark.parametrize(
    "words",
    [("actions",), ("trace", "C-1"), ("stop", "--reason", "x"), ("start",), ("import", "customers", "examples/x.csv")],
)
def test_without_a_database_it_says_how_to_make_one(handrail: CommandLine, words: tuple[str, ...]) -> None:
    said = handrail(*words)

    assert said.status == 1
    assert "handrail db upgrade" in said.err
    assert said.err.count("\n") <= 2


def test_with_json_the_reason_is_a_document_too(handrail: CommandLine) -> None:
    said = handrail("actions", "--json")

    assert said.status == 1
    assert "there is no database" in said.document["error"]


def test_a_policy_with_a_typo_is_told_with_its_line(
    handrail: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("compny: Example\n", encoding="utf-8")
    monkeypatch.setenv("HANDRAIL_POLICY", str(policy))

    said = handrail("import", "surveys", "x.csv")

    assert said.status == 1
    assert 'did you mean "company"' in said.err


def test_a_setting_that_cannot_be_is_named(handrail: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_GATEWAY_PORT", "eighty")

    said = handrail("actions")

    assert said.status == 1
    assert "HANDRAIL_GATEWAY_PORT" in said.err


def test_a_database_that_is_not_there_is_told_in_a_line(handrail: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none")

    said = handrail("actions")

    assert said.status == 1
    assert "the database does not answer" in said.err
    assert "secret" not in said.err
    assert said.err.count("\n") <= 2


def test_an_old_schema_is_told(handrail: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "handrail.db").touch()

    said = handrail("actions")

    assert said.status == 1
    assert "run `handrail db upgrade`" in said.err


def test_without_a_prefect_server_there_is_nothing_to_apply_to(handrail: CommandLine) -> None:
    said = handrail("prefect", "apply")

    assert said.status == 1
    assert "HANDRAIL_PREFECT_API_URL" in said.err


def test_help_waits_for_nothing_heavy() -> None:
    """Modules that take long to import are not needed to say what commands there are."""
    heavy = ("sqlalchemy", "pydantic", "prefect", "httpx", "rich.progress", "alembic", "jinja2", "services.settings")
    code = f"import handrail.cli, sys; print([name for name in {heavy!r} if name in sys.modules])"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


def test_every_job_that_is_deployed_can_run_here_too() -> None:
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]

    assert set(JOBS) == {deployment["name"] for deployment in deployed if "schedules" in deployment}


@pytest.mark.parametrize(
    "address", ["gibberish", "mysql://u:geheim@h/x", "postgres://u:geheim@h/x", "postgresql://u:geheim@h:port/x"]
)
def test_an_address_of_no_database_is_said_without_its_password(
    handrail: CommandLine, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", address)

    for words in (("cases",), ("doctor",), ("db", "upgrade")):
        said = handrail(*words)
        assert said.status == 1
        assert "HANDRAIL_DATABASE_URL: no address of ours: write postgresql://user@host/name" in said.err
        assert "geheim" not in said.err + said.out


def test_a_file_that_is_no_database_is_said(
    handrail: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "notes.db"
    file.write_text("bread, milk", encoding="utf-8")
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", f"sqlite:///{file}")

    said = handrail("cases")

    assert said.status == 1
    assert "the database does not answer: file is not a database" in said.err


def test_doctor_names_a_variable_that_nobody_reads(handrail: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_LEASE_SECOND", "3")
    monkeypatch.setenv("HANDRAIL_SANDBOX_URL", "http://127.0.0.1:9")

    lines = [line for line in handrail("doctor", "--json").document["checks"] if line["check"] == "settings"]

    assert [(line["found"], line["do"]) for line in lines] == [
        ("HANDRAIL_LEASE_SECOND is set, and nobody reads it", "did you mean HANDRAIL_LEASE_SECONDS?")
    ]
