"""The policy file: the shipped one is right, and every mistake in it is named with its line and column."""

from datetime import date, time
from pathlib import Path

import pytest

from data_contracts.policy import PolicyProblem, load_policy
from domain.customers import Tier
from domain.hours import QuietHours
from domain.policy import Priority
from domain.staffing import OpenHours, Weekday
from domain.surveys import SCALES, SurveyKind, judge

SHIPPED = (Path(__file__).parents[3] / "deployments" / "policy.yaml").read_text(encoding="utf-8")
SMALL = (
    SHIPPED[: SHIPPED.index("\ndistress:")]
    + """
distress:
  phrases:
    bereavement:
      pl:
        - zmarł*
triage:
  confident_at_least: 0.6
  acknowledge: signed_in
  topics:
    billing:
      en: [invoice*]
  urgent: {en: [immediately]}
  angry: {en: [furious]}
"""
)
"""The shipped policy without most of its words, which take a while to read."""


def refused(*changes: tuple[str, str]) -> PolicyProblem:
    """What is said of the policy after replacing pieces of its text."""
    text = SMALL
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(PolicyProblem) as caught:
        load_policy(text, "deployments/policy.yaml")
    return caught.value


def place_of(piece: str) -> str:
    """Where the key of a piece that is replaced begins."""
    before = SMALL[: SMALL.index(piece)]
    at = len(before) + len(piece) - len(piece.lstrip(" {"))
    return f"line {before.count(chr(10)) + 1}, column {at - SMALL.rfind(chr(10), 0, at)}"


def test_shipped_policy_says_what_the_design_promises() -> None:
    policy = load_policy(SHIPPED, "policy.yaml")
    assert policy.teams.critical_answer == "Customer Retention"
    assert policy.survey.priority is Priority.CRITICAL
    assert set(policy.survey.answer_minutes) == set(Tier)
    assert policy.contact.quiet == QuietHours(time(20), time(8))
    assert policy.staffing.hours[Weekday.MONDAY] == (OpenHours(time(8), time(18)),)
    assert date(2026, 4, 6) in policy.staffing.holidays
    assert set(policy.human) == set(policy.languages) == {"pl", "cs", "en"}
    critical = {
        kind: [score for score in SCALES[kind] if judge(kind, score, policy.survey.thresholds[kind]).is_critical]
        for kind in SurveyKind
    }
    assert critical == {SurveyKind.NPS: [0, 1, 2, 3, 4, 5, 6], SurveyKind.CSAT: [1, 2], SurveyKind.CES: [1, 2, 3]}


@pytest.mark.parametrize(
    ("old", "new", "path", "said"),
    [
        ("company: Ostoja", "compny: Ostoja", "compny", 'no such key (did you mean "company"?)'),
        ("priority: critical", "priority: crtical", "survey.priority", 'is "crtical" (did you mean "critical"?)'),
        ("ces: {critical", "cse: {critical", "survey.thresholds.cse", '(did you mean "ces"?)'),
        ("{vip: 60", "{vpi: 60", "survey.answer_minutes.vpi", '(did you mean "vip"?)'),
        ("    monday:", "    mondey:", "staffing.hours.mondey", '(did you mean "monday"?)'),
        ("max_attempts: 25", "max_attemps: 25", "retry.max_attemps", '(did you mean "max_attempts"?)'),
        ("    bereavement:", "    bereavment:", "distress.phrases.bereavment", '(did you mean "bereavement"?)'),
        ("max_attempts: 25", "max_attempts: many", "retry.max_attempts", "is not a whole number"),
        ("probe_seconds: 5 ", "probe_seconds: soon ", "breaker.probe_seconds", "is not a number"),
        ("ends: 08:00", "ends: 25:00", "contact.quiet.ends", "is not a time of day"),
        ("    - 2026-06-04", "    - 2026-06-31", "staffing.holidays.1", ""),
        ("languages: [pl, cs, en]", "languages: pl", "languages", "is not a list"),
        ("  critical_answer: Customer Retention", "  critical_answer: 5", "teams.critical_answer", "is not text"),
        ("  cap: {contacts: 3, days: 7}", "  cap: often", "contact.cap", "is not a group of keys"),
        ("{starts: 20:00, ends: 08:00}", "{starts: 08:00, ends: 08:00}", "contact.quiet", "same time"),
        ("  cap: {contacts: 3", "  cap: {contacts: 0", "contact.cap", "at least one contact"),
        ("ces: {critical_at_most: 3", "ces: {critical_at_most: 5", "survey.thresholds.ces", "a score cannot be both"),
        ("promoter_at_least: 9}", "promoter_at_least: 11}", "survey", "nps promoter_at_least 11 is not on its scale"),
        (
            "  time_zone: Europe/Warsaw\n  hours",
            "  time_zone: Europe/Warsav\n  hours",
            "staffing",
            '(did you mean "Europe/Warsaw"?)',
        ),
        ("[01-01, 01-06", "[01-01, 01-36", "staffing", '"01-36" is no day of the year'),
        ("longest_seconds: 300", "longest_seconds: 1", "retry", "longest_seconds is 1 and must be 2 or more"),
        ("- zmarł*", "- zmarł* *", "distress", 'not a phrase: "zmarł* *"'),
        (
            "at_night: [distress, vip]",
            "at_night: [distres, vip]",
            "cases.pages.at_night.0",
            '(did you mean "distress"?)',
        ),
        ("    times: 3 ", "    times: 0 ", "cases.pages", "times is 0 and must be 1 or more"),
        ("basis: service", "basis: reply", "cases.recovery_survey", "write service or proactive"),
        (
            "link: https://",
            "link: http://",
            "cases.recovery_survey",
            "must begin with https:// and contain {reference}",
        ),
        ("at_most: {nps: 1", "at_most: {nps: 11", "cases", "nps bad_peak_at_most 11 is not on its scale"),
        ("    billing:", "    biling:", "triage.topics.biling", '(did you mean "billing"?)'),
        ("confident_at_least: 0.6", "confident_at_least: 6", "triage", "must lie between 0 and 1"),
        ("[furious]", '["*"]', "triage", 'not a phrase: "*"'),
        ("    hours: pon.–pt. 8:00–18:00", '    hours: " "', "human.pl", "every message offers a person"),
    ],
)
def test_mistake_is_named_with_its_place(old: str, new: str, path: str, said: str) -> None:
    error = refused((old, new))
    [problem] = error.problems
    line, column, dotted = problem.path.split(", ")
    assert dotted == path
    assert line.startswith("line ")
    assert column.startswith("column ")
    if new.lstrip(" {").startswith(path.rpartition(".")[2]):  # a key by name: the place is its own
        assert f"{line}, {column}" == place_of(old)
    assert said in problem.problem
    assert "deployments/policy.yaml" in str(error)
    assert problem.path in str(error)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("default_language: en", "default_language: de", 'default_language "de" is not one of languages'),
        ("languages: [pl, cs, en]", "languages: [pl, cs, en, sk]", "human says nothing for sk"),
        ("default_time_zone: Europe/Warsaw", "default_time_zone: Warsaw", 'unknown time zone "Warsaw"'),
        ("promise_warning_minutes: 20", "promise_warning_minutes: 60", "the warning must leave time to act"),
        ("carries: confidential", "carries: open", "the ending of a subscription could reach nobody"),
        ("cost_minor: 900", "cost_minor: 90000", "must be worth a person"),
        ("open_after_failures: 5", "open_after_failures: 0", "open_after_failures is 0 and must be 1 or more"),
        ("probe_longest_seconds: 60", "probe_longest_seconds: 1", "probe_longest_seconds is 1 and must be 5 or more"),
    ],
)
def test_contradiction_between_keys_is_named(old: str, new: str, said: str) -> None:
    [problem] = refused((old, new)).problems
    assert said in problem.problem


def test_missing_keys_are_named() -> None:
    error = refused(("company: Ostoja", "# "), ("  critical_answer: Customer Retention", "# "))
    assert [(problem.path.split(", ")[2], problem.problem) for problem in error.problems] == [
        ("company", "is missing"),
        ("teams.critical_answer", "is missing"),
    ]


def test_all_problems_are_said_at_once() -> None:
    error = refused(("max_attempts: 25", "max_attempts: many"), ("priority: critical", "priority: x"), ("teams:", "q:"))
    assert len(error.problems) == 4  # `q` is unknown, and `teams` is missing
    assert str(error).count("\n") == 4


def test_key_that_is_wrong_is_named_beside_one_spelled_like_it() -> None:
    error = refused(("max_attempts: 25", "max_attempts: many\n  max_attemps: 3"))
    assert sorted(problem.problem for problem in error.problems) == [
        "is not a whole number",
        'no such key (did you mean "max_attempts"?)',
    ]


def test_calendar_without_open_hours_is_refused() -> None:
    start, end = SMALL.index("    monday:"), SMALL.index("  yearly_holidays")
    [problem] = refused((SMALL[start:end], "    sunday: []\n")).problems
    assert problem.problem.startswith("nobody is ever at work")


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("company: A\ncompany: B\n", "line 2, column 1, company", "said before, in line 1"),
        ("human:\n  pl: 1\n  pl: 2\n", "line 3, column 3, human.pl", "said before, in line 2"),
        ("company: [\n", "line 2, column 1", "expected"),
        ("company: *nobody\n", "line 1, column 10", "an alias"),
        ("company: !!python/object:os.system x\n", "line 1, column 10", "could not determine a constructor"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1", "but found another document"),
        ("", "line 1, column 1", "is empty"),
        ("# nothing yet\n", "line 1, column 1", "is empty"),
        ("- a\n- b\n", "line 1, column 1", "is not a group of keys"),
        ("\tcompany: A\n", "line 1, column 1", "cannot start any token"),
    ],
)
def test_text_that_is_no_policy(text: str, where: str, said: str) -> None:
    with pytest.raises(PolicyProblem) as caught:
        load_policy(text, "policy.yaml")
    assert caught.value.problems[0].path == where
    assert said in caught.value.problems[0].problem


def test_words_keep_their_meaning() -> None:
    """YAML 1.1 would read `no` as false, 18:00 as 1080 and 010 as 8."""
    policy = load_policy(SMALL.replace("company: Ostoja ", "company: no "), "policy.yaml")
    assert policy.company == "no"
