"""`handrail simulate`: the journey we ship, on the customers we ship, told to people, machines and as a page."""

from pathlib import Path

import pytest
from command_line import CommandLine

from services.settings import ROOT
from templates.journey_files import JOURNEYS

PEOPLE = ROOT / "examples" / "onboarding-customers.csv"
EVENTS = ROOT / "examples" / "onboarding-events.jsonl"
FROM = ("--from", "2026-03-02T08:00+01:00")


@pytest.fixture
def handrail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    """The command; it needs no installation."""
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("HANDRAIL_SANDBOX_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return CommandLine(monkeypatch, capsys)


def test_thirty_days_of_onboarding(handrail: CommandLine, tmp_path: Path) -> None:
    page = tmp_path / "timeline.html"
    said = handrail(
        "simulate", "onboarding", "--customers", str(PEOPLE), "--events", str(EVENTS), *FROM, "--until", "30d",
        "--out", str(page), "--json",
    )  # fmt: skip
    assert (said.status, said.err) == (0, "")
    told = said.document
    assert (told["journey"], told["from"], told["until"], told["page"]) == (
        "onboarding",
        "2026-03-02T07:00:00.000Z",
        "2026-04-01T07:00:00.000Z",
        str(page),
    )
    assert told["trouble"] == []
    by_ref = {one["ref"]: one for one in told["customers"]}
    assert (told["totals"]["customers"], len(by_ref)) == (8, 8)
    assert told["totals"]["reached"] == sum(
        any(step["outcome"] == "sent" and step["channel"] != "person" for step in one["steps"])
        for one in by_ref.values()
    )
    taken = {ref: [(step["step"], step["local"]) for step in one["steps"] if step["outcome"] == "sent"]
             for ref, one in by_ref.items()}  # fmt: skip
    assert taken["2001"][:2] == [("welcome", "2026-03-02T10:15"), ("video-guide", "2026-03-03T10:00")]
    assert taken["2001"][2] == ("mistakes", "2026-03-04T10:00")  # they had set things up, so nobody waited longer
    assert taken["2002"][0][1].startswith("2026-03-03T09:")  # activated at night
    assert (by_ref["2003"]["standing"], by_ref["2005"]["standing"]) == ("goal", "left")
    assert by_ref["2004"]["ended_at"] == "2026-03-07T20:00:00.000Z"
    assert taken["2006"] == []
    for ref in by_ref:
        assert ref in page.read_text(encoding="utf-8")
    assert not (tmp_path / "data").exists()  # nothing of an installation was made or touched


def test_people_get_tables_and_what_was_left_out(handrail: CommandLine, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(PEOPLE.read_text(encoding="utf-8") + "2009,,not an address,,,,,,,,,,,,,\n", encoding="utf-8")
    events = tmp_path / "events.jsonl"
    events.write_text('{"type": "feature.used"}\n', encoding="utf-8")
    said = handrail(
        "simulate", "onboarding", "--customers", str(people), "--events", str(events), *FROM, "--until", "36h"
    )
    assert said.status == 0
    assert "8 customers, 4 entered" in said.out
    assert "4 never entered: activated after the end" in said.out
    assert "people.csv:10: email" in said.err
    assert "events.jsonl:1: " in said.err


def test_who_was_activated_before_it_begins_has_gone_on_since_then(handrail: CommandLine) -> None:
    asked = ("--customers", str(PEOPLE), "--events", str(EVENTS), "--until", "2026-04-01T08:00+01:00", "--json")
    told = [handrail("simulate", "onboarding", *asked, "--from", since).document["customers"]
            for since in (FROM[1], "2026-03-20T08:00+01:00")]  # fmt: skip
    assert told[0] == told[1]


def test_a_file_that_is_not_published_yet(handrail: CommandLine, tmp_path: Path) -> None:
    mine = tmp_path / "onboarding.yaml"
    text = (JOURNEYS / "onboarding.yaml").read_text(encoding="utf-8")
    mine.write_text(text.replace("after: {of: entry, days: 1, at: 10:00}", "after: {of: entry, days: 2, at: 15:00}"))
    said = handrail(
        "simulate", "onboarding", "--customers", str(PEOPLE), "--journey", str(mine), *FROM, "--until", "4d", "--json"
    )
    [first] = [one for one in said.document["customers"] if one["ref"] == "2001"]
    assert [step["local"] for step in first["steps"]] == ["2026-03-02T10:15", "2026-03-04T15:00", "2026-03-05T10:00"]


def test_a_journey_that_cannot_work_is_refused_with_its_place(handrail: CommandLine, tmp_path: Path) -> None:
    mine = tmp_path / "onboarding.yaml"
    text = (JOURNEYS / "onboarding.yaml").read_text(encoding="utf-8")
    mine.write_text(text.replace("message: onboarding-welcome", "message: onboarding-wellcome"))
    said = handrail(
        "simulate", "onboarding", "--customers", str(PEOPLE), "--journey", str(mine), *FROM, "--until", "4d", "--json"
    )
    assert said.status == 1
    assert "onboarding-wellcome" in said.document["error"]
    assert "line " in said.document["error"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"--until": "thirty days"}, "write 30d, 4w or 36h"),
        ({"--until": "2026-02-30T00:00"}, "is no time"),
        ({"--until": "2026-03-01T00:00+01:00"}, "must end after it begins"),
        ({"--until": "5000d"}, "within 400 days"),
        ({"--from": "tomorrow"}, "is no time"),
        ({"journey": "onbording"}, "onboarding"),
    ],
)
def test_wrong_use_is_told(handrail: CommandLine, wrong: dict[str, str], words: str) -> None:
    asked = {"--from": FROM[1], "--until": "30d", "--customers": str(PEOPLE), **wrong}
    name = asked.pop("journey", "onboarding")
    said = handrail("simulate", name, *(word for pair in asked.items() for word in pair))
    assert said.status == 2
    assert words in " ".join(said.err.split())
