"""`handrail reviews`: a person decides at a shell, with a one-time code, about exactly what they saw."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
import review_stage as stage
from command_line import CommandLine

from domain.review_rules import Risk
from services.reviewers import Credentials, add_reviewer, new_credentials
from services.reviews_settling import seal_gathered

EWA = "Ewa Lis"


@pytest.fixture
def handrail(installation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command on the installation, which lives today: a code at a shell is one of now."""
    installation.clock.now = datetime.now(UTC)
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", installation.database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HANDRAIL_DATA", str(installation.directory))
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def ewa(handrail: CommandLine, installation: Any) -> Credentials:
    """A reviewer."""
    made = new_credentials(EWA)
    now = installation.clock()
    add_reviewer(installation.database, made, ["on_call"], known_roles=["on_call"], by="admin", now=now)
    return made


def a_review(installation: Any, risk: Risk = Risk.LOW, **asked: Any) -> int:
    """One that waits."""
    database, now = installation.database, installation.clock()
    ids = stage.people(database, {}, {"language": "pl"}, {"language": "cs"}, now=now)
    ask = stage.an_ask(risk=risk, **asked)
    steps = [stage.a_step(database, number, now=now, ask=ask) for number in (1, 2, 3)]
    stage.put(database, list(zip(steps, ids, strict=True)), now=now)
    (made,) = seal_gathered(database, installation.policy, now=now + timedelta(minutes=16))
    return made


def code(made: Credentials, seconds: float = 0) -> str:
    """What the phone shows."""
    return pyotp.TOTP(made.secret).at(datetime.now(UTC) + timedelta(seconds=seconds))


def state(installation: Any) -> tuple[str, int]:
    """Where the one review stands, and how many votes there are."""
    (row,) = installation.rows("reviews")
    return row.state, len(installation.rows("review_votes"))


def test_what_waits_is_listed_and_shown_without_anybodys_data(
    handrail: CommandLine, ewa: Credentials, installation: Any
) -> None:
    assert "nothing waits for a person" in handrail("reviews").out
    made = a_review(installation)

    (listed,) = handrail("reviews", "--json").document
    assert (listed["review"], listed["state"], listed["title"]) == (
        made, "open", "3 messages: step welcome of the journey onboarding",
    )  # fmt: skip
    assert "3 messages: step welcome of the journey onboarding" in handrail("reviews").out
    shown = handrail("reviews", "show", str(made)).out
    assert listed["payload_hash"] in shown
    assert "more than 2000 customers for one purpose" in shown
    assert handrail("reviews", "show", str(made), "--json").document["examples"]
    for nobodys in ("C-1", "c-1@example.com", "+4860000", "Name1", "Zofia"):
        assert nobodys not in shown


@pytest.mark.parametrize(
    ("verb", "reason", "came"), [("approve", "as intended", "approved"), ("reject", "the-words-are-wrong", "rejected")]
)
def test_a_reviewer_decides(
    handrail: CommandLine, ewa: Credentials, installation: Any, verb: str, reason: str, came: str
) -> None:
    made = a_review(installation)
    how = ("--by", "ewa lis", "--code", code(ewa), "--reason", reason, "--comment", "as we said on Monday")

    told = handrail("reviews", verb, str(made), *how, "--json")

    assert told.status == 0, told.err
    assert (told.document["state"], told.document["decided_by"]) == (came, EWA)
    (cast,) = installation.rows("review_votes")
    assert (cast.reviewer, cast.way, cast.comment) == (EWA, "command", "as we said on Monday")
    assert [one["review"] for one in handrail("reviews", "--decided", "--json").document] == [made]


def test_the_code_is_asked_for_after_one_saw_what_it_is_about(
    handrail: CommandLine, ewa: Credentials, installation: Any, monkeypatch: Any
) -> None:
    made = a_review(installation)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{code(ewa)}\n"))

    told = handrail("reviews", "approve", str(made), "--by", EWA, "--reason", "as intended")

    assert told.status == 0, told.err
    assert told.out.index("3 messages") < told.out.index(f"review {made} is approved")


def test_leaving_somebody_out_and_saying_yes_to_the_rest(
    handrail: CommandLine, ewa: Credentials, installation: Any
) -> None:
    made = a_review(installation)
    key = "journey/onboarding/C-2/1/welcome"
    before = handrail("reviews", "show", str(made), "--json").document["payload_hash"]

    told = handrail("reviews", "exclude", str(made), key, "--by", EWA, "--code", code(ewa), "--json")

    assert told.status == 0, told.err
    after = told.document["payload_hash"]
    assert after != before
    how = ("--by", EWA, "--code", ewa.recovery_codes[0], "--reason", "as intended")
    stale = handrail("reviews", "approve", str(made), *how, "--seen", before[:12])
    assert (stale.status, "was changed since" in stale.err) == (1, True)
    assert handrail("reviews", "approve", str(made), *how, "--seen", after[:12]).status == 0
    assert installation.states()[key] == "cancelled"


@pytest.mark.parametrize("wrong", ["code", "name", "of somebody else"])
def test_who_does_not_prove_who_they_are_decides_nothing(
    handrail: CommandLine, ewa: Credentials, installation: Any, wrong: str
) -> None:
    """P9."""
    made = a_review(installation)
    jan = new_credentials("Jan Nowak")
    add_reviewer(installation.database, jan, ["on_call"], known_roles=["on_call"], by="admin", now=installation.clock())
    by = "Nobody" if wrong == "name" else EWA
    typed = {"code": "12345", "name": code(ewa), "of somebody else": code(jan)}[wrong]

    told = handrail("reviews", "approve", str(made), "--by", by, "--code", typed, "--reason", "as intended", "--json")

    assert (told.status, "the name or the code is wrong" in told.document["error"]) == (1, True)
    assert typed not in told.err
    assert state(installation) == ("open", 0)


def test_one_code_decides_once_and_what_cannot_count_spends_none(
    handrail: CommandLine, ewa: Credentials, installation: Any
) -> None:
    made = a_review(installation)
    typed = code(ewa)
    how = ("--by", EWA, "--code", typed, "--reason", "as intended")
    assert handrail("reviews", "approve", "999", *how).status == 1
    assert handrail("reviews", "approve", str(made), *how).status == 0

    again = handrail("reviews", "reject", str(made), *how)

    assert (again.status, f"review {made} is approved by Ewa Lis at" in again.err) == (1, True)
    assert state(installation) == ("approved", 1)


def test_where_policy_asks_for_two_one_yes_waits_for_another(
    handrail: CommandLine, ewa: Credentials, installation: Any
) -> None:
    made = a_review(installation, Risk.HIGH, reviewers=2)
    how = ("--by", EWA, "--reason", "as intended")

    told = handrail("reviews", "approve", str(made), *how, "--code", code(ewa))

    assert (told.status, f"1 more must say yes to review {made}" in told.out) == (0, True)
    again = handrail("reviews", "approve", str(made), *how, "--code", ewa.recovery_codes[0])
    assert (again.status, "each of them has to be somebody else" in again.err) == (1, True)
    assert state(installation) == ("open", 1)


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "1", "--by", EWA, "--code", "1"),
        ("approve", "1", "--reason", "as intended", "--code", "1"),
        ("approve", "1", "--by", EWA, "--code", "1", "--reason", "because"),
        ("approve", "1", "--by", EWA, "--code", "1", "--reason", "as intended", "--seen", "ab"),
        ("approve", "one", "--by", EWA, "--code", "1", "--reason", "as intended"),
        ("exclude", "1", "--by", EWA, "--code", "1"),
    ],
)
def test_wrong_use_is_two(handrail: CommandLine, words: tuple[str, ...]) -> None:
    assert handrail("reviews", *words).status == 2


def test_a_review_that_is_none_is_said(handrail: CommandLine) -> None:
    told = handrail("reviews", "show", "42", "--json")

    assert (told.status, "there is no review 42" in told.document["error"]) == (1, True)
