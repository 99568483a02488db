"""When somebody on call is paged about a case, and what it takes for a case to end: tables, at chosen hours."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from ledger_world import POLICY

from domain.actions import Basis, Capability, Kind
from domain.cases import NO_ALERT, CaseInHand, Page, due_pages, has_bad_peak, may_end, plan_last_word, plan_page
from domain.customers import Tier
from domain.distress import Category
from domain.policy import Policy
from domain.promises import Promise
from domain.staffing import OpenHours, Staffing, Weekday
from domain.surveys import SurveyAnswer, SurveyKind


def warsaw(text: str) -> datetime:
    """A time in March 2026, when Warsaw is an hour ahead of UTC: "Wed 12:00"."""
    day, clock = text.split()
    number = {"Wed": 4, "Thu": 5, "Fri": 6, "Sat": 7, "Sun": 8, "Mon": 9}[day]
    hour, minute = clock.split(":")
    return datetime(2026, 3, number, int(hour), int(minute), tzinfo=UTC) - timedelta(hours=1)


_DAY = (OpenHours(time(8), time(18)),)
OFFICE = replace(POLICY, staffing=Staffing("Europe/Warsaw", dict.fromkeys(tuple(Weekday)[:5], _DAY)))
"""Monday to Friday, 8 to 18 in Warsaw; 15 staffed minutes without an owner, 30 at night, three times; 20 before."""

CASE = CaseInHand("C-1", 1, 1, warsaw("Wed 12:00"), Tier.BASIC, False, False, False, ())


def steps(case: CaseInHand, now: str, policy: Policy = OFFICE) -> list[tuple[str | int, ...]]:
    return [page.step for page in due_pages(case, policy, now=warsaw(now))]


@pytest.mark.parametrize(
    ("opened", "now", "pages"),
    [
        ("Wed 12:00", "Wed 12:14", []),
        ("Wed 12:00", "Wed 12:15", [1]),
        ("Wed 12:00", "Wed 12:30", [2]),  # of several that fell due, the last one
        ("Wed 12:00", "Wed 12:45", [3]),
        ("Wed 12:00", "Wed 17:00", [3]),  # then only lists show it
        ("Wed 17:50", "Wed 18:04", []),  # closed: nobody is called for an ordinary case
        ("Wed 17:50", "Wed 23:59", []),
        ("Wed 17:50", "Thu 08:04", []),
        ("Wed 17:50", "Thu 08:05", [1]),
        ("Wed 23:00", "Thu 00:00", []),  # escalation mail at midnight against service hours (zammad#4432)
        ("Wed 23:00", "Thu 08:14", []),
        ("Wed 23:00", "Thu 08:15", [1]),
        ("Fri 22:00", "Sun 12:00", []),
        ("Fri 22:00", "Mon 08:15", [1]),
        ("Wed 17:45", "Wed 18:00", []),  # due at the very moment of closing
    ],
)
def test_nobody_took_it_counts_staffed_minutes(opened: str, now: str, pages: list[int]) -> None:
    case = replace(CASE, began_at=warsaw(opened))
    assert steps(case, now) == [("nobody-took-it", 1, count) for count in pages]


@pytest.mark.parametrize(
    ("opened", "now", "pages"),
    [
        ("Wed 22:00", "Wed 22:29", []),
        ("Wed 22:00", "Wed 22:30", [("nobody-took-it-at-night", 1, 1)]),
        ("Wed 22:00", "Wed 23:30", [("nobody-took-it-at-night", 1, 3)]),
        ("Wed 22:00", "Thu 08:00", []),  # by day it is counted anew, and apart
        ("Wed 22:00", "Thu 08:15", [("nobody-took-it", 1, 1)]),
        ("Sat 12:00", "Sat 12:30", [("nobody-took-it-at-night", 1, 1)]),
        ("Wed 17:50", "Wed 18:29", []),
        ("Wed 17:50", "Wed 18:30", [("nobody-took-it-at-night", 1, 1)]),
    ],
)
def test_whose_case_may_wake_somebody_pages_at_night_too(opened: str, now: str, pages: list[object]) -> None:
    for case in (replace(CASE, has_distress=True), replace(CASE, tier=Tier.VIP)):
        assert steps(replace(case, began_at=warsaw(opened)), now) == pages


def test_policy_says_whose_case_may_wake_somebody() -> None:
    nobody = replace(OFFICE, cases=replace(OFFICE.cases, pages=replace(OFFICE.cases.pages, at_night=frozenset())))
    case = replace(CASE, began_at=warsaw("Wed 22:00"), has_distress=True, tier=Tier.VIP)
    assert steps(case, "Wed 23:00", nobody) == []


def test_an_ordinary_page_that_could_not_leave_is_pointless_after_hours() -> None:
    case = replace(CASE, began_at=warsaw("Wed 17:30"))
    (page,) = due_pages(case, OFFICE, now=warsaw("Wed 17:50"))
    assert page.not_after == warsaw("Wed 18:00")
    (urgent,) = due_pages(replace(case, has_distress=True), OFFICE, now=warsaw("Wed 17:50"))
    assert urgent.not_after is None


def test_what_somebody_took_is_not_paged() -> None:
    assert steps(replace(CASE, has_owner=True, has_distress=True), "Wed 23:00") == []


def test_a_case_opened_again_is_counted_from_then_under_keys_of_its_own() -> None:
    case = replace(CASE, turn=2, began_at=warsaw("Thu 12:00"))
    assert steps(case, "Thu 12:14") == []
    assert steps(case, "Thu 12:15") == [("nobody-took-it", 2, 1)]


def promised(by: str, response: str = "r-1", made: str = "Wed 12:00") -> Promise:
    return Promise(("standard", response), warsaw(made), warsaw(by))


@pytest.mark.parametrize(
    ("by", "made", "now", "warned"),
    [
        ("Wed 14:00", "Wed 12:00", "Wed 13:39", False),
        ("Wed 14:00", "Wed 12:00", "Wed 13:40", True),
        ("Wed 14:00", "Wed 12:00", "Wed 13:59", True),
        ("Wed 14:00", "Wed 12:00", "Wed 14:00", False),  # it is broken then: a page is too late
        ("Thu 08:10", "Wed 17:00", "Wed 17:49", False),
        ("Thu 08:10", "Wed 17:00", "Wed 17:50", True),  # staffed minutes: the evening before, while somebody is there
        ("Mon 08:10", "Fri 17:00", "Fri 17:50", True),
        ("Mon 09:00", "Sat 12:00", "Sun 12:00", False),
        ("Mon 09:00", "Sat 12:00", "Mon 08:40", True),
        ("Mon 08:10", "Sat 12:00", "Sat 13:00", False),  # it would be due on Friday: the first staffed moment
        ("Mon 08:10", "Sat 12:00", "Mon 08:00", True),
    ],
)
def test_a_promise_is_escalated_before_it_breaks(by: str, made: str, now: str, warned: bool) -> None:
    """With or without an owner: what was promised is an answer."""
    case = replace(CASE, has_owner=True, promises=(promised(by, made=made),))
    assert steps(case, now) == ([("promise-at-risk", "standard", "r-1")] if warned else [])


def test_several_promises_of_one_time_page_once() -> None:
    case = replace(CASE, has_owner=True, promises=(promised("Wed 14:00", "r-2"), promised("Wed 14:00", "r-1")))
    assert steps(case, "Wed 13:50") == [("promise-at-risk", "standard", "r-1")]
    later = replace(case, promises=(*case.promises, promised("Wed 14:05", "r-3", "Wed 12:30")))
    assert steps(later, "Wed 13:50") == [("promise-at-risk", "standard", "r-1"), ("promise-at-risk", "standard", "r-3")]


def test_a_one_hour_promise_is_never_policed_too_late() -> None:
    """The regression: a one-hour promise policed by an hourly job. Each minute somebody looks, it is in time."""
    case = replace(CASE, has_owner=True, promises=(promised("Wed 13:00"),))
    first = next(now for now in range(61) if due_pages(case, OFFICE, now=CASE.began_at + timedelta(minutes=now)))
    assert first == 60 - OFFICE.cases.pages.promise_warning_minutes


def test_a_ticket_that_is_gone_is_paged_whoever_has_it() -> None:
    assert steps(replace(CASE, has_owner=True, is_missing=True), "Wed 12:01") == [("ticket-missing", 1)]


def test_a_page_is_urgent_internal_and_says_nothing_of_the_customer() -> None:
    now = warsaw("Wed 12:15")
    case = replace(CASE, customer_ref="C/1 ä")
    planned = plan_page(
        case, Page(("x", 1), "words"), OFFICE, gateway_url="https://care.example/", can_page=True, now=now
    )
    assert (planned.key, planned.kind, planned.basis) == ("case/C%2F1 %C3%A4/1/page/x/1", Kind.PAGE, Basis.INTERNAL)
    assert (planned.capability, planned.urgent, planned.facts) == (Capability.ALERT, True, {"case"})
    assert planned.payload.params == {
        "summary": "Case C/1 ä-1: words",
        "severity": "error",
        "link": "https://care.example/trace/C%2F1%20%C3%A4-1",
        "case": "C/1 ä-1",
        "step": "x",
    }
    assert planned.skip is None
    without = plan_page(case, Page(("x", 1), "words"), OFFICE, gateway_url="https://g", can_page=False, now=now)
    assert without.skip == NO_ALERT


@pytest.mark.parametrize(
    ("score", "distress", "bad"),
    [(0, None, True), (1, None, True), (2, None, False), (10, Category.BEREAVEMENT, True)],
)
def test_a_bad_peak_is_a_very_low_score_or_distress(score: int, distress: Category | None, bad: bool) -> None:
    now = warsaw("Wed 12:00")
    answer = SurveyAnswer("standard", "r-1", SurveyKind.NPS, score, None, None, now, now)
    assert has_bad_peak(answer, distress, OFFICE) is bad


@pytest.mark.parametrize(
    ("bad_peak", "word", "message", "ends"),
    [
        (False, None, "Wed 12:00", True),
        (True, None, "Wed 12:00", False),
        (True, None, None, False),
        (True, "Wed 12:30", None, True),
        (True, "Wed 12:30", "Wed 12:00", True),
        (True, "Wed 12:30", "Wed 13:00", False),  # a second acknowledgement went out after the person had spoken
    ],
)
def test_after_a_bad_peak_a_person_has_the_last_word(
    bad_peak: bool, word: str | None, message: str | None, ends: bool
) -> None:
    at = [None if when is None else warsaw(when) for when in (word, message)]
    assert may_end(bad_peak=bad_peak, last_word_at=at[0], last_message_at=at[1]) is ends


def test_the_last_word_is_asked_for_once_a_turn() -> None:
    asked = plan_last_word("C-1", 2, 3, priority="high", now=warsaw("Wed 12:00"))
    assert (asked.key, asked.kind, asked.after) == ("case/C-1/2/last-word/3", Kind.TICKET_NOTE, "case/C-1/2/ticket")
    assert asked.payload.params["priority"] == "high"
    assert "handrail cases last-word C-1-2" in asked.payload.params["text"]
