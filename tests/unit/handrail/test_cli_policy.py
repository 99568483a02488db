"""`handrail policy` and the trace of an ending, as people read them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from endings_stage import COVER, Endings, a_task

from services.settings import ROOT


@pytest.fixture
def handrail(
    installation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command on the installation."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", installation.url)
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def ending(installation: Any) -> str:
    """A cover that ends in ten days by the machine's clock, with its task; the day."""
    endings = Endings(installation)
    installation.clock.now = datetime.now(UTC)
    ends = (datetime.now(UTC) + timedelta(days=10)).date()
    endings.save(endings.customer(), replace(COVER, ends_on=ends, occurrence=ends.isoformat()))
    endings.put(a_task(key=f"expiry/E%2F1/{ends}/task"))
    return ends.isoformat()


def test_an_ending_is_explained_in_words(handrail: CommandLine, ending: str) -> None:
    said = handrail("policy", "explain", "E/1")
    assert said.status == 0
    for words in (
        "C-1 (core)",
        f"E/1: policy “Home 24” ends on {ending}",
        "at risk      303.15 EUR, priority high; what would be said is confidential",
        "a task for Renewals: it is confidential, and a call carries personal at most (assigned to Renewals)",
        "at this time may go now",
        "out voice    0.60 EUR, carries personal: it is confidential",
        "in  person   9.00 EUR, carries confidential: chosen",
        "(batch-1.csv): pass; fresh until",
        f"planned      expiry/E%2F1/{ending}/task: ready",
    ):
        assert words in said.out, words
    for words in (
        "a call about E/1",
        "rules        ask for no review, as things stand",
        "does not vip: the customer's tier is core",
    ):
        assert words in said.out, words
    told = handrail("policy", "explain", "C-1", "--json").document
    (document,) = told["endings"]
    assert (document["chosen"], document["assignee"]) == ("person", "Renewals")
    assert [one["about"] for one in told["reviews"]] == ["a call to C-1", "a message to C-1"]


def test_a_message_is_explained_by_what_a_change_of_it_waits_for(handrail: CommandLine) -> None:
    said = handrail("policy", "explain", "acknowledgement")
    assert said.status == 0
    assert "a change of the wording acknowledgement" in said.out
    assert "rules        ask for a review of medium risk: one person must say yes" in said.out
    assert "the nearest known: acknowledgement" in handrail("policy", "explain", "acknowledgment").err


def test_a_stranger_is_answered_with_the_nearest_known(handrail: CommandLine, ending: str) -> None:
    said = handrail("policy", "explain", "C-2")
    assert said.status == 1
    assert "nobody knows 'C-2': give an entitlement's or a customer's ref" in said.err
    assert "the nearest known: C-1" in said.err


def test_the_policy_in_use_is_checked(handrail: CommandLine) -> None:
    file = str(ROOT / "deployments" / "policy.yaml")
    said = handrail("policy", "check")
    assert said.out == f"{file} is right\n"
    [warning] = said.err.splitlines()
    assert warning.startswith(f"{file}: mind line ")
    assert "reviews.classes: nobody is a reviewer yet: nothing could be decided: `handrail reviewers add" in warning
    document = handrail("policy", "check", "--json").document
    assert (document["file"], document["ok"], document["problems"]) == (file, True, [])
    assert len(document["warnings"]) == 1


def test_a_policy_is_checked_where_there_is_no_database(
    handrail: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    said = handrail("policy", "check")
    assert (said.status, said.err) == (0, "who may decide was not looked up: the database cannot be read\n")


def test_a_policy_that_cannot_work_is_refused(handrail: CommandLine, tmp_path: Path) -> None:
    text = (ROOT / "deployments" / "policy.yaml").read_text(encoding="utf-8")
    file = tmp_path / "policy.yaml"
    assert text.count("high:   {reviewers: 2") == 1
    file.write_text(text.replace("high:   {reviewers: 2", "high:   {reviewers: 3"), encoding="utf-8")
    said = handrail("policy", "check", str(file))
    assert said.status == 1
    assert re.search(
        r"policy.yaml: line \d+, column \d+, reviews.classes.high.reviewers: 3 people must say yes to what is of high "
        r"risk, and on_call.people has 2: add people there, or ask fewer",
        said.err,
    )
    assert handrail("policy", "check", str(file), "--json").document["ok"] is False


def test_every_problem_of_a_policy_file_is_told(handrail: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    text = (ROOT / "deployments" / "policy.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("company:", "compny:").replace("probe_seconds: 5", "probe_seconds: soon"))
    said = handrail("policy", "check", str(file))
    assert said.status == 1
    assert 'compny: no such key (did you mean "company"?)' in said.err
    assert "probe_seconds" in said.err
    document = handrail("policy", "check", str(file), "--json").document
    assert (document["ok"], len(document["problems"])) == (False, 2)
    file.write_text(text.replace("carries: confidential}", "carries: personal}"))
    said = handrail("policy", "check", str(file))
    assert "the ending of a policy could reach nobody: it is confidential" in said.err


def test_a_file_that_is_not_there_is_told(handrail: CommandLine, tmp_path: Path) -> None:
    said = handrail("policy", "check", str(tmp_path / "none.yaml"))
    assert said.status == 1
    assert "none.yaml: no such file" in said.err


def test_the_trace_of_an_entitlement_tells_what_ends_and_what_was_planned(handrail: CommandLine, ending: str) -> None:
    out = handrail("trace", "E/1").out
    assert f"E/1: policy “Home 24” of C-1 ends on {ending}" in out
    assert f"task  expiry/E%2F1/{ending}/task" in out
