"""What people read and decide at the command line: actions, settling, traces, the kill switch, imports, doctor."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from endings_world import EndingsWorld, task_key
from open_reviews import open_review
from sqlalchemy import insert, text

from integrations.errors import Rejected
from services.settings import ROOT
from store import fetches, inbox
from store.ledger.rows import reviewers
from templates.library import load

EWA, JAN = "Ewa Lis", "Jan Nowak"


@pytest.fixture
def handrail(
    installation: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> CommandLine:
    """The command on the installation."""
    monkeypatch.setenv("HANDRAIL_DATABASE_URL", installation.url)
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    for name in ("SANDBOX_URL", "SANDBOX_TOKEN", "GATEWAY_PORT"):
        monkeypatch.setenv(f"HANDRAIL_{name}", {"SANDBOX_URL": "http://127.0.0.1:9"}.get(name, "9"))
    monkeypatch.setenv("HANDRAIL_WEBHOOK_SECRET", "whsec_" + "QUJD" * 11)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def answered(handrail: CommandLine, tmp_path: Path) -> Callable[..., None]:
    """`answered(score=2)`: one customer's answer, imported."""

    def run(score: int = 2, response: str = "r-1") -> None:
        file = tmp_path / "answers.csv"
        row = f"{response},nps,{score},2026-03-04T10:00:00Z,C-1,c-1@example.com,<b>[red]slow[/red]"
        file.write_text(
            f"response_id,kind,score,answered_at,customer_ref,customer_email,comment\n{row}\n", encoding="utf-8"
        )
        assert handrail("import", "surveys", str(file)).status == 0

    return run


def test_imports_say_what_became_of_every_row(handrail: CommandLine) -> None:
    file = str(ROOT / "examples" / "customers.csv")

    told = handrail("import", "customers", file, "--json").document
    gate = told.pop("gate")
    assert (gate["verdict"], {one["passed"] for one in gate["findings"]}) == ("pass", {True})
    assert told == {
        "file": file,
        "accepted": 12,
        "known": 0,
        "quarantined": 0,
        "outdated": 0,
        "bad": [],
    }
    assert "0 accepted, 12 known already, 0 bad" in handrail("import", "customers", file).out


@pytest.mark.parametrize(("words", "is_shown"), [((), True), (("--json",), False)])
def test_a_bar_is_for_people_at_a_terminal(
    handrail: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...], is_shown: bool
) -> None:
    file = tmp_path / "answers.csv"
    rows = [f"r-{number},nps,9,2026-03-04T10:00:00Z,C-1,c-1@example.com" for number in range(9)]
    header = "response_id,kind,score,answered_at,customer_ref,customer_email"
    file.write_text("\n".join([header, *rows]), encoding="utf-8")
    assert handrail("import", "surveys", str(file), *words).err == "", "a pipe gets none"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    said = handrail("import", "surveys", str(file), *words)
    assert ("answers.csv" in said.err and "100%" in said.err) is is_shown
    assert said.err if is_shown else said.err == ""
    assert "100%" not in said.out


def test_asking_survey_tools_works_without_prefect_and_without_tools(handrail: CommandLine) -> None:
    said = handrail("run", "poll-surveys", "--json")
    assert said.document["result"] == {"asked": [], "fetched": 0, "not_here_yet": []}


def test_a_dry_run_plans_on_live_data_and_writes_nothing(handrail: CommandLine, installation: Any) -> None:
    world = EndingsWorld(installation.database)
    world.entitlement("E-1", in_days=20, at_risk_minor=70_000)
    at = ("--at", "2026-03-04T12:00+01:00")

    told = handrail("run", "expiry-detection", *at, "--dry-run", "--json").document["result"]

    assert (told["at"], told["dry_run"], told["planned"]) == ("2026-03-04T11:00:00.000Z", True, {"task": 1})
    assert told["found"][0] | {"look": "", "because": ""} == {
        "kind": "subscription",
        "look": "",
        "because": "",
        "within_days": {"30": 1, "14": 0, "3": 0},
        "value_at_risk": "700.00 EUR",
        "left_out": {},
        "waits_for_its_gate": 0,
    }
    assert [day for day in told["endings_per_day"] if day["subscription"]] == [
        {"day": "2026-03-24", "subscription": 1, "policy": 0, "supply": 0}
    ]
    assert (world.planned_keys(), world.rows("detection_marks")) == (set(), [])
    assert handrail("run", "expiry-detection", *at, "--json").document["result"]["planned"] == {"task": 1}
    assert handrail("run", "expiry-detection", *at).status == 0
    assert world.planned_keys() == {task_key("E-1", date(2026, 3, 24))}


def test_what_is_no_time_to_plan_from_is_answered_with_one_that_is(handrail: CommandLine) -> None:
    said = handrail("run", "expiry-detection", "--at", "yesterday", "--dry-run")
    assert said.status == 2
    assert '"yesterday" is no time' in said.err


@pytest.mark.parametrize("words", [("--dry-run",), ("--at", "2026-03-04T12:00")])
def test_a_job_that_acts_on_what_is_there_has_no_time_and_no_dry_run(
    handrail: CommandLine, words: tuple[str, ...]
) -> None:
    said = handrail("run", "survey-escalation", *words)
    assert said.status == 2
    assert "survey-escalation acts on what is there now" in said.err


def test_an_import_tells_which_line_is_bad_and_why(handrail: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(
        "response_id,kind,score,answered_at,customer_ref\nr-1,nps,42,2026-03-04T10:00:00Z,C-1\n", encoding="utf-8"
    )

    said = handrail("import", "surveys", str(file))

    assert said.status == 0
    assert "answers.csv:2: score: is 42, which is not on the scale" in said.err
    assert "1 bad (kept in quarantine" in said.out


def test_a_file_that_is_not_there_is_named(handrail: CommandLine) -> None:
    said = handrail("import", "surveys", "missing.csv")

    assert (said.status, said.err.strip()) == (1, "handrail: missing.csv: no such file or directory")


def test_a_header_that_will_not_do_is_told(handrail: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("response_id,kind,scor,answered_at,customer_ref\n", encoding="utf-8")

    said = handrail("import", "surveys", str(file))

    assert said.status == 1
    assert 'did you mean "score"' in said.err


def test_actions_are_listed_by_state(handrail: CommandLine, answered: Callable[..., None]) -> None:
    answered()

    listed = handrail("actions", "--state", "ready, skipped", "--json").document

    assert {action["key"] for action in listed} == {"case/C-1/1/ticket", "survey/import/r-1/acknowledgement"}
    assert handrail("actions", "--state", "done", "--json").document == []
    assert "case/C-1/1/ticket" in handrail("actions").out
    assert "no actions in done" in handrail("actions", "--state", "done").out


def test_a_trace_tells_the_story_in_order(handrail: CommandLine, answered: Callable[..., None]) -> None:
    answered()

    said = handrail("trace", "C-1")

    assert said.status == 0
    lines = said.out
    assert lines.index("C-1 answered NPS 2") < lines.index("opened case C-1-1") < lines.index("case/C-1/1/ticket")
    assert "(by import)" in lines
    assert handrail("trace", "C-1-1", "--json").document["actions"][0]["key"] == "case/C-1/1/ticket"


def test_nobody_knows_a_stranger(handrail: CommandLine) -> None:
    said = handrail("trace", "C-404")

    assert said.status == 1
    assert "nobody knows" in said.err


def test_a_person_settles_what_failed(handrail: CommandLine, answered: Callable[..., None], installation: Any) -> None:
    answered()
    refuse_tickets(installation)

    said = handrail(
        "actions", "settle", "case/C-1/1/ticket", "--to", "cancelled", "--by", "ann", "--reason", "by phone", "--json"
    )

    assert said.document["before"] == "failed"
    assert installation.action("case/C-1/1/ticket").state == "cancelled"
    assert installation.action("case/C-1/1/ticket").reason == "ann: by phone"
    assert "ann: by phone" in handrail("trace", "case/C-1/1/ticket").out


def test_only_what_waits_for_a_person_can_be_settled(handrail: CommandLine, answered: Callable[..., None]) -> None:
    answered()

    said = handrail("actions", "settle", "case/C-1/1/ticket", "--to", "done", "--by", "ann", "--reason", "x")

    assert said.status == 1
    assert "only needs_human and failed actions wait for a person" in said.err


def test_the_kill_switch_is_flipped_with_who_and_why(handrail: CommandLine, installation: Any) -> None:
    assert handrail("stop", "--reason", "wrong wording", "--by", "ann", "--json").document["changed"] is True
    assert handrail("stop", "--reason", "again", "--by", "bob", "--json").document["changed"] is False

    [control] = installation.rows("controls")
    assert (control.stopped, control.by, control.reason) == (True, "ann", "wrong wording")
    assert "started" in handrail("start", "--by", "ann").out
    assert [(flip.what, flip.by) for flip in installation.rows("chain")][-2:] == [
        ("stopped", "ann"),
        ("started", "ann"),
    ]


def test_a_part_is_stopped_alone_and_a_start_shows_what_goes(
    handrail: CommandLine, installation: Any, answered: Callable[..., None]
) -> None:
    answered()
    job = ("--job", "survey-escalation")
    assert handrail("stop", *job, "--reason", "wrong words", "--by", "ann", "--json").document["stops"] == [
        {
            "scope": "job",
            "name": "survey-escalation",
            "reason": "wrong words",
            "by": "ann",
            "at": handrail("stop", *job, "--reason", "again", "--json").document["stops"][0]["at"],
        }
    ]
    checks = {check["check"]: check for check in handrail("doctor", "--json").document["checks"]}
    assert checks["kill switch"]["found"] == "job survey-escalation is stopped by ann: wrong words"

    shown = handrail("start", *job, "--dry-run")
    assert "1 action is due" in shown.out
    assert "ticketing" in shown.out
    assert handrail("start", *job, "--dry-run", "--json").document["count"] == 1
    assert len(handrail("stop", *job, "--reason", "still", "--json").document["stops"]) == 1

    started = handrail("start", *job, "--yes", "--by", "ann", "--json").document
    assert (started["changed"], started["stops"], started["would_go"]["count"]) == (True, [], 1)
    assert "was not stopped" in handrail("start", *job, "--yes").out


def test_a_start_asks_whoever_sits_there(handrail: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    handrail("stop", "--kind", "call", "--reason", "the voice is off")
    monkeypatch.setattr("handrail.commands.controls._is_asked", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda _: False)
    refused = handrail("start", "--kind", "call")
    assert (refused.status, refused.err.strip()[-19:]) == (1, "nothing was started")
    monkeypatch.setattr("typer.confirm", lambda _: True)
    assert "started: kind call" in handrail("start", "--kind", "call").out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--job", "expiry-detections"), 'did you mean "expiry-detection"'),
        (("--kind", "call", "--all"), "name one part at a time"),
        (("--integration", "fax"), "no integration is called"),
    ],
)
def test_a_part_that_there_is_not_is_wrong_use(handrail: CommandLine, words: tuple[str, ...], says: str) -> None:
    said = handrail("stop", *words, "--reason", "x")
    assert said.status == 2
    assert says in " ".join(said.err.replace("│", " ").split())


def test_a_start_needs_no_policy(handrail: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    handrail("stop", "--reason", "x")
    monkeypatch.setenv("HANDRAIL_POLICY", str(tmp_path / "none.yaml"))
    assert handrail("start", "--dry-run").status == 1
    said = handrail("start", "--yes")
    assert "what would go out cannot be said" in said.err
    assert "started: everything" in said.out


def test_a_job_runs_here_when_there_is_no_prefect(handrail: CommandLine, answered: Callable[..., None]) -> None:
    answered()

    said = handrail("run", "recovery-sweep", "--json")

    assert said.status == 0
    assert said.document["prefect"] is False
    assert "HANDRAIL_PREFECT_API_URL" in said.document["why"]
    assert "without Prefect" in handrail("run", "integration-health").err


@pytest.mark.slow  # imports Prefect, whose client asks more than once
def test_a_job_runs_here_when_prefect_is_silent(handrail: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDRAIL_PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")

    told = handrail("run", "survey-escalation", "--json").document

    assert told["prefect"] is False
    assert "does not answer" in told["why"]
    assert told["result"]["actions"] == []


def test_the_database_is_prepared_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path / "new"))
    handrail = CommandLine(monkeypatch, capsys)

    assert handrail("db", "upgrade", "--json").document["templates_published"] == len(load())
    assert handrail("db", "upgrade", "--json").document["templates_published"] == 0
    assert handrail("actions").status == 0


def test_doctor_says_what_is_wrong_and_what_to_do(
    handrail: CommandLine, answered: Callable[..., None], installation: Any
) -> None:
    answered()
    refuse_tickets(installation)
    handrail("stop", "--reason", "x")

    said = handrail("doctor", "--json")

    assert said.status == 1  # neither the gateway nor the sandbox runs here
    checks = {check["check"]: check for check in said.document["checks"]}
    assert checks["database"]["verdict"] == checks["templates"]["verdict"] == checks["policy"]["verdict"] == "ok"
    assert (checks["kill switch"]["verdict"], checks["failed"]["verdict"]) == ("warn", "warn")
    assert (checks["gateway"]["verdict"], checks["mail via sandbox"]["verdict"]) == ("fail", "fail")
    assert all(check["do"] for check in checks.values() if check["verdict"] != "ok")


def test_a_trace_says_of_a_message_that_it_was_never_sent(handrail: CommandLine, answered: Callable[..., None]) -> None:
    answered()  # months late: a person replies

    told = handrail("trace", "C-1").out

    assert "never sent; it would have said: " in told
    assert "  says: " not in told


def test_doctor_says_what_waits_for_a_decision_and_whom_nobody_can_ask(
    handrail: CommandLine, installation: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def checks() -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for check in handrail("doctor", "--json").document["checks"]:
            found.setdefault(check["check"], []).append(check)
        return found

    before = checks()
    assert [one["verdict"] for one in before["reviews"]] == ["ok"]
    assert [one["verdict"] for one in before["alerts"]] == ["ok"]
    assert before["on call"][0]["found"] == "told of reviews, and no reviewers: Ewa Lis, Jan Nowak"
    assert [one["verdict"] for one in before["reviewers"]] == ["warn"] * 3
    words = "reviews of class high need 2 people with the role lead or on_call, and there are none"
    assert before["reviewers"][2]["found"] == words
    now = datetime.now(UTC)
    open_review(installation.database, 1, now=now - timedelta(minutes=10))
    open_review(installation.database, 2, now=now, state="approved", halted_at=now)
    open_review(installation.database, 3, now=now, state="expired", deadline=now - timedelta(hours=1))
    people = [
        {"name": name, "roles": ["on_call"], "secret": "X", "added_at": now, "added_by": "t"} for name in (EWA, JAN)
    ]
    with installation.database.write() as connection:
        connection.execute(insert(reviewers), people)
    file = tmp_path / "integrations.yaml"
    lines = (ROOT / "deployments" / "integrations.yaml").read_text(encoding="utf-8").split("\n\n")
    file.write_text("\n\n".join(part for part in lines if not part.startswith("alert:")), encoding="utf-8")
    monkeypatch.setenv("HANDRAIL_INTEGRATIONS", str(file))
    after = checks()
    assert [one["found"] for one in after["reviews"]] == [
        "1 waits for a decision, the oldest for 10 min",
        "approved, and stopped by themselves: 2",
        "nobody decided 1 in time since yesterday: nothing of them was done",
    ]
    assert after["on call"][0]["verdict"] == "ok"
    assert after["reviewers"][0]["verdict"] == "ok"
    assert "nobody is called, neither for a case nor for a review" in after["alerts"][0]["found"]


def test_doctor_misses_the_secret_that_ways_out_are_signed_with(
    handrail: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def line() -> dict[str, Any]:
        checks = {check["check"]: check for check in handrail("doctor", "--json").document["checks"]}
        found: dict[str, Any] = checks["links to customers"]
        return found

    monkeypatch.delenv("HANDRAIL_LINK_SECRET", raising=False)
    missing = line()
    assert missing["verdict"] == "fail"
    assert "no message of a journey leaves" in missing["found"]
    assert "HANDRAIL_LINK_SECRET" in missing["do"]

    monkeypatch.setenv("HANDRAIL_LINK_SECRET", "s" * 32)
    assert line()["verdict"] == "ok"


def test_doctor_says_who_stopped_everything_and_why(handrail: CommandLine) -> None:
    handrail("stop", "--reason", "wrong wording", "--by", "ann")

    checks = {check["check"]: check for check in handrail("doctor", "--json").document["checks"]}

    assert checks["kill switch"]["found"] == "on, nothing is sent: stopped by ann: wrong wording"


def test_doctor_tells_of_answers_that_are_not_here_yet(handrail: CommandLine, installation: Any) -> None:
    def line() -> tuple[str, str]:
        checks = {check["check"]: check for check in handrail("doctor", "--json").document["checks"]}
        return checks["fetching"]["verdict"], checks["fetching"]["found"]

    now = datetime.now(UTC)
    assert line() == ("ok", "none")
    for minutes, response in ((1, "r-1"), (200, "r-2")):
        with installation.database.write() as connection:
            at = now - timedelta(minutes=minutes)
            (arrived,) = inbox.receive(connection, [inbox.Arrival("tool", response, "h", at)])
            fetches.announce(connection, "tool", response, b"{}", inbox_id=arrived.id, now=at)
            (it,) = fetches.take(connection, ["tool"], limit=1, now=at)
            fetches.put_off(connection, it, now, "tool: refused credentials (401)")
        verdict, words = line()
        assert verdict == ("ok" if minutes == 1 else "warn")
        assert "tool (tool: refused credentials (401)); the oldest for" in words
    assert words.startswith("answers told of and not here yet: 2 of tool")
    assert words.endswith("the oldest for 3 h")


def test_doctor_names_a_misspelt_vendor(handrail: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    roster = tmp_path / "integrations.yaml"
    roster.write_text("mail:\n  vendor: sandbx\n", encoding="utf-8")
    monkeypatch.setenv("HANDRAIL_INTEGRATIONS", str(roster))

    checks = {check["check"]: check for check in handrail("doctor", "--json").document["checks"]}

    assert checks["integrations"]["verdict"] == "fail"
    assert 'did you mean "sandbox"' in checks["integrations"]["found"]


def test_doctor_asks_for_an_upgrade(handrail: CommandLine, installation: Any) -> None:
    with installation.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    try:
        checks = {check["check"]: check for check in handrail("doctor", "--json").document["checks"]}
    finally:
        from store.schema import newest

        with installation.database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": newest()})

    assert (checks["database"]["verdict"], checks["database"]["do"]) == ("fail", "run `handrail db upgrade`")


def refuse_tickets(installation: Any) -> None:
    """Have the desk refuse what is due, for good."""

    async def dispatch() -> None:
        installation.clock.now = datetime.now(UTC)  # the command has no other clock
        installation.ticketing.script(Rejected("ticketing via fake", "no", "correct it", 422))
        async with installation.handrail() as handrail:
            await handrail.dispatcher.run_once(capability=installation.ticketing.capability, run="test")

    asyncio.run(dispatch())
    assert installation.action("case/C-1/1/ticket").state == "failed"
