"""`handrail journeys`: a support person checks a file, sees what it changes, and takes it live."""

import re
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from services.publishing import publish_journeys
from services.settings import ROOT
from templates import journey_files
from templates.journey_files import load_journeys

SHIPPED = (journey_files.JOURNEYS / "onboarding.yaml").read_text(encoding="utf-8")
LATER = SHIPPED.replace("version: 1", "version: 2").replace("days: 21", "days: 28")


@pytest.fixture
def handrail(
    installation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command on an installation with the shipped journey live, and a directory of journeys of its own."""
    publish_journeys(installation.database, load_journeys(), now=installation.clock())
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", installation.url)
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    monkeypatch.setattr(journey_files, "JOURNEYS", tmp_path)
    (tmp_path / "onboarding.yaml").write_text(SHIPPED, encoding="utf-8")
    return CommandLine(monkeypatch, capsys)


def test_check_says_that_a_file_is_right_or_where_it_is_not(handrail: CommandLine, tmp_path: Path) -> None:
    assert handrail("journeys", "check").out == f"{tmp_path / 'onboarding.yaml'} is right\n"
    broken = tmp_path / "broken.yaml"
    broken.write_text(SHIPPED.replace("name: onboarding", "name: broken").replace("then: end", "then: ned"), "utf-8")
    told = handrail("journeys", "check", str(broken))
    assert told.status == 1
    assert f'{broken}: line 89, column 5, steps.7.then: there is no step "ned"' in told.err
    broken.write_text(SHIPPED.replace("purpose: onboarding", "purpose: onbording"), encoding="utf-8")
    told = handrail("journeys", "check", "--json")
    assert told.status == 1
    [wrong, right] = told.document
    assert (wrong["file"], wrong["ok"], right["ok"]) == (str(broken), False, True)
    assert wrong["problems"][0]["path"] == "line 7, column 1, purpose"


def test_other_words_for_the_highest_tier_are_written_as_the_guide_says(handrail: CommandLine, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "write-a-journey.md").read_text(encoding="utf-8")
    _, _, after = guide.partition("**Other words for some.**")
    two_steps = after.partition("```yaml\n")[2].partition("```")[0]
    welcome = SHIPPED[SHIPPED.index("  - id: welcome") : SHIPPED.index("  # A short interactive video")]
    file = tmp_path / "onboarding.yaml"
    file.write_text(SHIPPED.replace(welcome, f"{two_steps}\n"), encoding="utf-8")
    told = handrail("journeys", "check", str(file))
    assert (told.status, "onboarding-welcome-vip" in told.err) == (1, True)  # nobody has written it yet
    written = two_steps.replace("onboarding-welcome-vip", "onboarding-mistakes")
    file.write_text(SHIPPED.replace(welcome, f"{written}\n"), encoding="utf-8")
    assert handrail("journeys", "check", str(file)).out == f"{file} is right\n"


def test_versions_are_listed_and_shown(handrail: CommandLine) -> None:
    [row] = handrail("journeys", "list", "--json").document
    assert (row["journey"], row["version"], row["standing"], row["active"]) == ("onboarding", 1, "live", 0)
    assert "onboarding" in handrail("journeys", "list").out
    shown = handrail("journeys", "show", "onboarding", "--json").document
    assert [step["step"] for step in shown["steps"]][:2] == ["welcome", "video-guide"]
    assert shown["steps"][0]["comes"] == "at once"
    assert "a colleague is asked" in handrail("journeys", "show", "onboarding").out
    told = handrail("journeys", "show", "onbording")
    assert (told.status, "did you mean" in told.err) == (1, True)


@pytest.fixture
def unreviewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that has neither words nor journeys reviewed."""
    text = (ROOT / "deployments" / "policy.yaml").read_text(encoding="utf-8")
    for rule in ("changed_words", "changed_journey"):
        text, count = re.subn(rf"    {rule}: {{.*}}", f"    {rule}: null", text)
        assert count == 1
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("HANDRAIL_POLICY", str(tmp_path / "policy.yaml"))


def test_a_change_that_is_reviewed_is_asked_about_and_not_taken_live(handrail: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "onboarding.yaml").write_text(LATER, encoding="utf-8")
    for _ in range(2):
        told = handrail("journeys", "live", "onboarding", "--by", "marta")
        assert told.status == 1
        found = re.search(r"journey onboarding waits for review (\d+): it is in use when that is approved", told.err)
        assert found
    live, later = handrail("journeys", "list", "--json").document
    assert [(row["version"], row["standing"]) for row in (live, later)] == [(1, "live"), (2, "waits")]
    assert live["review"] is None
    assert later["review"].startswith(f"review {found[1]} decides by ")


@pytest.mark.usefixtures("unreviewed")
def test_a_change_is_told_and_taken_live(handrail: CommandLine, tmp_path: Path) -> None:
    assert "nothing changes" in handrail("journeys", "diff", "onboarding").out
    (tmp_path / "onboarding.yaml").write_text(LATER, encoding="utf-8")
    told = handrail("journeys", "diff", "onboarding")
    assert "onboarding: version 2 against version 1" in told.out
    assert "check-in: comes 28 days after the customer entered" in told.out
    assert handrail("journeys", "diff", "onboarding", "--from", "1", "--json").document["old"] == 1
    told = handrail("journeys", "live", "onboarding", "--by", "marta", "--move")
    assert "check-in: comes 28 days" in told.out
    assert told.out.endswith("onboarding version 2 is live\n")
    rows = handrail("journeys", "list", "--json").document
    assert [(row["version"], row["standing"]) for row in rows] == [(1, "replaced"), (2, "live")]
    assert handrail("journeys", "live", "onboarding", "--by", "marta", "--move", "--json").document["moved"] == {}
    assert handrail("journeys", "live", "onboarding", "--by", " ").status == 2
    assert handrail("journeys", "diff", "onbording").status == 1
