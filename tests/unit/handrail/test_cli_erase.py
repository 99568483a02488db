"""`handrail erase`: who may be erased, what is said of it, and that nobody does it without a name and a reason."""

from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from domain.customers import Customer
from store import customers

REF, MAIL = "K-7", "kanarek@example.com"


@pytest.fixture
def handrail(
    on_sqlite: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command on the installation, with a customer on file."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", on_sqlite.url)
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    monkeypatch.setenv("HANDRAIL_SANDBOX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HANDRAIL_SANDBOX_TOKEN", "9")
    monkeypatch.setenv("HANDRAIL_WEBHOOK_SECRET", "whsec_" + "QUJD" * 11)
    with on_sqlite.database.write() as connection:
        customers.create(connection, Customer(REF, name="Jan Kanarek", email=MAIL), now=on_sqlite.clock())
        customers.create(connection, Customer("K-8", email=MAIL), now=on_sqlite.clock())
    return CommandLine(monkeypatch, capsys)


def test_it_says_what_was_done_and_what_a_person_may_have_to_do(handrail: CommandLine) -> None:
    said = handrail("erase", REF, "--by", "ann", "--reason", "asked in writing")

    assert said.status == 0
    assert f"{REF}: erased; blanked: customers 1" in said.out
    assert "asked to forget them: ticketing via sandbox, crm via sandbox" in " ".join(said.out.split())
    assert "mail: K-8 have the same address, so it stays open" in " ".join(said.out.split())
    assert ", erased" in handrail("trace", REF).out
    assert "Kanarek" not in handrail("trace", REF).out


def test_for_machines_and_twice(handrail: CommandLine) -> None:
    first = handrail("erase", REF, "--by", "ann", "--reason", "asked", "--json").document
    again = handrail("erase", REF, "--by", "bob", "--reason", "to be sure", "--json").document

    assert first["blanked"] == {"customers": 1}
    assert {"crm via sandbox", "ticketing via sandbox", "mail via sandbox"} <= set(first["asked"])
    assert (again["blanked"], again["erased_at"]) == ({}, first["erased_at"])
    assert first["log_is_empty"] is True


@pytest.mark.parametrize("words", [("--by", " ", "--reason", "x"), ("--by", "ann", "--reason", ""), ("--by", "ann")])
def test_nobody_erases_without_a_name_and_a_reason(
    handrail: CommandLine, on_sqlite: Any, words: tuple[str, ...]
) -> None:
    assert handrail("erase", REF, *words).status == 2
    assert on_sqlite.rows("erasures") == []


def test_an_unknown_ref_is_said_to_be_one(handrail: CommandLine) -> None:
    said = handrail("erase", "K-99", "--by", "ann", "--reason", "asked")

    assert said.status == 1
    assert 'nobody has the ref "K-99"' in said.err
