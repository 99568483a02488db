"""`handrail templates`: what a support person sees of their words before anybody else does."""

import shutil
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from services.publishing import publish_templates
from services.settings import ROOT
from templates.library import MESSAGES, Template, load


@pytest.fixture
def handrail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command where there is no database: words are files."""
    monkeypatch.setenv("HANDRAIL_DATA", "/nowhere")
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    """A copy that one may spoil."""
    return Path(shutil.copytree(MESSAGES, tmp_path / "messages"))


class Frames(HTMLParser):
    """The iframes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "iframe":
            self.found.append(dict(attrs))


def test_a_list_has_every_message_with_what_it_can_do(handrail: CommandLine) -> None:
    rows: list[dict[str, Any]] = handrail("templates", "list", "--json").document

    assert [row["message"] for row in rows] == list(dict.fromkeys(one.name for one in load()))
    welcome = next(row for row in rows if row["message"] == "onboarding-welcome")
    assert welcome == {
        "message": "onboarding-welcome",
        "languages": "pl, cs, en",
        "channels": "mail, sms, push",
        "sms_parts": "pl 2, cs 2, en 1",
    }
    assert "onboarding-welcome" in handrail("templates", "list").out


def test_a_check_names_each_mistake_with_its_place(handrail: CommandLine, messages: Path) -> None:
    assert handrail("templates", "check", "--json").document == {"ok": True, "checked": len(load()), "problems": []}
    sms = messages / "onboarding-thanks" / "cs" / "sms.txt"
    sms.write_text("{{ company }}: děkujeme", encoding="utf-8")

    told = handrail("templates", "check", "onboarding-thanks", "--messages", str(messages), "--json")

    assert (told.status, told.document["checked"]) == (1, 3)
    [problem] = told.document["problems"]
    assert problem["where"] == "onboarding-thanks/cs/sms.txt"
    assert problem["problem"] == "does not say how to reach a person by phone"
    said = handrail("templates", "check", "--messages", str(messages))
    assert (said.status, "onboarding-thanks/cs/sms.txt: does not say" in said.out) == (1, True)


def test_mjml_that_does_not_compile_is_said_with_its_line(handrail: CommandLine, messages: Path) -> None:
    mail = messages / "onboarding-thanks" / "cs" / "mail.mjml"
    mail.write_text(mail.read_text(encoding="utf-8").replace("</p>", "", 1), encoding="utf-8")

    said = handrail("templates", "check", "--messages", str(messages))

    assert said.status == 1
    assert "onboarding-thanks/cs/mail.mjml:" in said.err
    assert "while <p> is open" in said.err


def test_a_preview_is_one_file_with_phone_and_desk_by_day_and_at_night(handrail: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "welcome.html"

    said = handrail("templates", "preview", "onboarding-welcome", "--lang", "cs", "--to", str(file))

    assert said.out == f"{file}: onboarding-welcome in cs, by mail, sms, push\n"
    page = file.read_text(encoding="utf-8")
    frames = Frames(page).found
    assert len(frames) == 4
    for frame, rule in zip(frames, ["not all", "all"] * 2, strict=True):
        assert "sandbox" in frame
        assert (frame["srcdoc"] or "").startswith("<!DOCTYPE html>")
        assert f"@media {rule} {{" in (frame["srcdoc"] or "")
    assert "<script" not in page
    assert "2 parts: " in page
    assert "Váš účet u společnosti Ostoja je připravený." in page


def test_a_preview_leads_where_the_journey_does(handrail: CommandLine) -> None:
    told = handrail("templates", "preview", "onboarding-video-guide", "--lang", "pl", "--json").document

    by = {one["channel"]: one for one in told["channels"]}
    assert by["push"]["link"] == "https://ostoja.example/start/video"
    assert 'href="https://ostoja.example/start/video"' in by["mail"]["html"]
    assert by["sms"]["places"]["alphabet"] == "UCS-2"
    assert set(by) == {"mail", "sms", "push"}


def test_one_channel_is_told_as_text(handrail: CommandLine) -> None:
    said = handrail("templates", "preview", "onboarding-welcome", "--lang", "en", "--channel", "sms")

    assert said.out.startswith("== sms\nOstoja: your account is ready.")
    assert "(1 part: " in said.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("onboarding-welcom", "--lang", "pl"), 'no message "onboarding-welcom" (did you mean "onboarding-welcome"?)'),
        (("onboarding-welcome", "--lang", "de"), 'no words in "de", only in pl, cs, en'),
        (("onboarding-call", "--lang", "pl", "--channel", "mail"), 'no words for "mail", only for voice'),
    ],
)
def test_what_there_is_not_is_said(handrail: CommandLine, words: tuple[str, ...], says: str) -> None:
    said = handrail("templates", "preview", *words)

    assert (said.status, says in said.err) == (1, True)


@pytest.fixture
def house(handrail: CommandLine, installation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An installation with other English words of thanks, which wait."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", installation.url)
    [thanks] = [one for one in load() if (one.name, one.language) == ("onboarding-thanks", "en")]
    later = Template(thanks.name, "en", {**thanks.parts, "sms.txt": "Thanks. Call {{ human.phone }}"})
    installation.clock.now += timedelta(minutes=1)
    publish_templates(installation.database, [later], now=installation.clock())
    return installation


def test_words_that_nobody_reviews_are_approved_by_one_person_who_says_why(
    handrail: CommandLine, house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = (ROOT / "deployments" / "policy.yaml").read_text(encoding="utf-8")
    assert policy.count("changed_words: {risk: medium}") == 1
    (tmp_path / "calm.yaml").write_text(
        policy.replace("changed_words: {risk: medium}", "changed_words: null"), encoding="utf-8"
    )
    monkeypatch.setenv("HANDRAIL_POLICY", str(tmp_path / "calm.yaml"))
    approve = ("templates", "approve", "onboarding-thanks", "--by", "Marta", "--reason", "read by two natives")
    assert handrail(*approve).out == "onboarding-thanks is in use in its new words: en\n"
    [row] = [row for row in house.rows("templates") if row.approved_by == "Marta"]
    assert (row.name, row.language, row.approved_reason) == ("onboarding-thanks", "en", "read by two natives")
    again = handrail(*approve)
    assert (again.status, "no words of onboarding-thanks wait" in again.err) == (1, True)
    assert 'did you mean "onboarding-thanks"' in handrail("templates", "approve", "onboarding-thank", *approve[3:]).err
    assert handrail(*approve[:-1], " ").status == 2


def test_words_that_are_reviewed_are_not_approved_by_one_person(handrail: CommandLine, house: Any) -> None:
    told = handrail("templates", "approve", "onboarding-thanks", "--by", "Marta", "--reason", "they are fine")
    assert told.status == 1
    assert "the wording onboarding-thanks must be reviewed: `handrail reviews ask onboarding-thanks`" in told.err
    told = handrail("reviews", "ask", "onboarding-thanks", "--by", "Marta")  # the files say what is in use
    assert (told.status, "nothing of onboarding-thanks is to be reviewed" in told.err) == (1, True)
    assert not [row for row in house.rows("templates") if row.approved_by == "Marta"]
