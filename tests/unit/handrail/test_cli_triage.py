"""`handrail triage`: what waits, a person's word on it, and how right the rules were."""

from typing import Any

import pytest
from command_line import CommandLine

from domain.customers import Customer
from domain.messages import Message
from domain.triage import triage
from store import customers, messages


@pytest.fixture
def handrail(installation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command on the installation, where one message waits."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", installation.url)
    message = Message("web", "m-1", None, "[red]hello[/red], have a nice day", installation.clock())
    found = triage(message, installation.policy.triage, installation.policy.distress)
    with installation.database.write() as connection:
        messages.save(connection, message, found, messages.Fate(None, "waiting", "nobody we know wrote it"))
    return CommandLine(monkeypatch, capsys)


def test_a_message_is_listed_sorted_and_reported(handrail: CommandLine) -> None:
    [waiting] = handrail("triage", "list", "--json").document
    assert "[red]hello[/red]" in handrail("triage", "list").out

    done = handrail("triage", "sort", str(waiting["id"]), "other", "--by", "Ewa", "--json").document

    assert (done["rules_said"], done["topic"], done["by"]) == (None, "other", "Ewa")
    assert handrail("triage", "list").out.strip() == "no message waits for a person"
    assert handrail("triage", "report", "--json").document["confusion"] == [
        {"language": "en", "rules": None, "person": "other", "count": 1}
    ]
    assert "1 sorted; people sorted 1, and agreed with the rules on 0" in handrail("triage", "report").out


def test_who_sorts_says_whose_it_is(handrail: CommandLine, installation: Any) -> None:
    with installation.database.write() as connection:
        customers.create(connection, Customer("C-1"), now=installation.clock())

    [waiting] = installation.rows("messages")

    said = handrail("triage", "sort", str(waiting.id), "other", "--by", "Ewa", "--customer", "C-1").out

    assert "C-1 wrote it, says Ewa" in said
    assert installation.rows("messages")[0].customer_id == installation.rows("customers")[0].id


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("999", "other", "--by", "Ewa"), 1, "there is no message 999"),
        (("1", "biling", "--by", "Ewa"), 2, 'did you mean "billing"?'),
        (("1", "other", "--by", " "), 2, "--by must say something"),
        (("1", "other"), 2, "--by"),
        (("1", "other", "--by", "Ewa", "--customer", "C-9"), 1, "nobody we know has the ref C-9"),
    ],
)
def test_a_wrong_word_is_refused_in_words(
    handrail: CommandLine, installation: Any, words: Any, status: int, told: str
) -> None:
    [waiting] = installation.rows("messages")
    said = handrail("triage", "sort", *(str(waiting.id) if word == "1" else word for word in words))

    assert said.status == status
    assert told in said.err
