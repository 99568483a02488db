"""`handrail reviewers`: who may decide; secrets are shown once, to a terminal or to whoever says so."""

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest
from command_line import CommandLine, Said

from services.reviewers import Voter, WrongCode, check_code
from store.database import Database

JAN = "Jan Nowak"


@pytest.fixture
def handrail(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command, under the policy that ships."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    return CommandLine(monkeypatch, capsys)


def proves(database: Database, name: str, secret: str) -> Voter:
    """Who a phone with this secret shows to be."""
    now = datetime.now(UTC)
    return check_code(database, name, pyotp.TOTP(secret).at(now), now=now)


def added(handrail: CommandLine, name: str = JAN, *roles: str) -> Any:
    """What `add` tells a machine."""
    told = handrail(
        "reviewers", "add", name, *(word for role in roles or ("on_call",) for word in ("--role", role)), "--json"
    )
    assert told.status == 0, told.err
    return told.document


def types(monkeypatch: Any, *lines: str) -> None:
    """What the person at the terminal types."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_who_is_added_may_decide(handrail: CommandLine, database: Database) -> None:
    told = added(handrail, "  Jan   Nowak ", "lead", "on_call")

    assert (told["added"], told["roles"], len(told["recovery_codes"])) == (JAN, ["lead", "on_call"], 10)
    assert proves(database, JAN, told["secret"]) == Voter(JAN, frozenset({"lead", "on_call"}))
    assert pyotp.parse_uri(told["uri"]).secret == told["secret"]
    (listed,) = handrail("reviewers", "--json").document["reviewers"]
    assert (listed["name"], listed["roles"], listed["recovery_codes"]) == (JAN, ["lead", "on_call"], 10)


def shown_to_a_person(handrail: CommandLine, monkeypatch: Any, *words: str) -> tuple[Said, str]:
    """The phone learns the secret while the command waits for a code of it."""
    learnt: list[str] = []

    class Phone(io.StringIO):
        def readline(self, *_: Any) -> str:
            return f"{pyotp.TOTP(learnt[0]).now()}\n"

    def scan(uri: str) -> None:
        learnt.append(pyotp.parse_uri(uri).secret)

    monkeypatch.setattr("handrail.commands.reviewers._draw", scan)
    monkeypatch.setattr("sys.stdin", Phone())
    return handrail(*words), learnt[0]


def test_the_phone_proves_that_it_has_learnt_the_codes(
    handrail: CommandLine, database: Database, monkeypatch: Any
) -> None:
    told, secret = shown_to_a_person(handrail, monkeypatch, "reviewers", "add", JAN, "--role", "lead", "--show-secret")

    assert told.status == 0, told.err
    assert len(re.findall(r"^  \w{4}-\w{4}-\w{4}-\w{4}$", told.out, re.MULTILINE)) == 10
    assert "Jan Nowak is added" in told.out
    assert proves(database, JAN, secret)


def test_a_phone_that_shows_something_else_keeps_nothing(
    handrail: CommandLine, database: Database, monkeypatch: Any
) -> None:
    types(monkeypatch, "000000", "12", "abc")
    told = handrail("reviewers", "add", JAN, "--role", "lead", "--show-secret")

    assert told.status == 1
    assert "nothing was kept: Jan Nowak's phone has not learnt the key" in told.err
    assert "Recovery codes" not in told.out
    assert handrail("reviewers", "--json").document["reviewers"] == []


def test_the_qr_code_is_dark_on_light_whatever_the_terminal_is(handrail: CommandLine) -> None:
    told = handrail("reviewers", "add", JAN, "--role", "lead", "--show-secret", "--no-proof")

    drawn = [line for line in told.out.splitlines() if "█" in line]
    assert len(drawn) > 15
    assert all(line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") for line in drawn)
    assert all(len(line) < 80 for line in drawn)


@pytest.mark.parametrize("words", [("add", JAN, "--role", "lead"), ("renew", JAN)])
def test_secrets_go_to_no_file_by_accident(handrail: CommandLine, words: tuple[str, ...]) -> None:
    """P23: output that is no terminal may be a log."""
    before = added(handrail) if words[0] == "renew" else None

    told = handrail("reviewers", *words)

    assert told.status == 1
    assert "run it in a terminal, or say --show-secret" in told.err
    assert "otpauth" not in told.out
    (kept,) = [handrail("reviewers", "--json").document["reviewers"]]
    assert len(kept) == (1 if before else 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", JAN, "--role", "leed"), 'asks for the role "leed" (did you mean "lead"?): use lead or on_call'),
        (("add", "jan nowak", "--role", "lead"), "Jan Nowak is a reviewer already: `handrail reviewers roles`"),
        (("roles", "Jan Nowack", "--role", "lead"), 'there is no reviewer "Jan Nowack" (did you mean "Jan Nowak"?)'),
        (("remove", "Ewa"), 'there is no reviewer "Ewa"; there are Jan Nowak'),
        (("renew", "Ewa"), 'there is no reviewer "Ewa"; there are Jan Nowak'),
    ],
)
def test_what_cannot_be_done_is_said(handrail: CommandLine, words: tuple[str, ...], told: str) -> None:
    added(handrail)

    refused = handrail("reviewers", *words, "--json")

    assert (refused.status, told in refused.err) == (1, True), refused.err
    assert told in refused.document["error"]


@pytest.mark.parametrize("words", [("add", JAN), ("roles", JAN), ("add",), ("remove",)])
def test_wrong_use_is_two(handrail: CommandLine, words: tuple[str, ...]) -> None:
    assert handrail("reviewers", *words).status == 2


def test_what_nobody_could_decide_is_said(handrail: CommandLine) -> None:
    nobody = handrail("reviewers")
    assert "nobody may decide yet" in nobody.out
    assert "reviews of class low need 1 person with the role lead or on_call, and there are none" in nobody.err
    added(handrail)
    alone = handrail("reviewers", "list")
    assert "reviews of class high need 2 people with the role lead or on_call, and there is one" in alone.err
    assert "class low" not in alone.err
    assert added(handrail, "Ewa Lis", "lead")["missing"] == []
    assert "class high need 2 people" in handrail("reviewers", "remove", "ewa lis").err


def test_roles_are_changed(handrail: CommandLine, database: Database) -> None:
    secret = added(handrail)["secret"]

    told = handrail("reviewers", "roles", "JAN NOWAK", "--role", "lead", "--by", "Admin  Person")

    assert "Jan Nowak has the role lead now" in told.out
    assert proves(database, JAN, secret).roles == {"lead"}


def test_another_phone_ends_the_codes_of_the_lost_one(handrail: CommandLine, database: Database) -> None:
    lost = added(handrail)["secret"]

    told = handrail("reviewers", "renew", "jan nowak", "--json").document

    assert told["renewed"] == JAN
    assert proves(database, JAN, told["secret"])
    with pytest.raises(WrongCode):
        proves(database, JAN, lost)


def test_who_is_removed_decides_nothing(handrail: CommandLine, database: Database) -> None:
    secret = added(handrail)["secret"]

    assert handrail("reviewers", "remove", JAN, "--json").document["removed"] == JAN
    with pytest.raises(WrongCode):
        proves(database, JAN, secret)
