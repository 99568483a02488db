"""Cases in hand: when somebody on call is paged, and what it takes for a case to end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from domain.actions import Basis, Capability, Kind, last_word_key, page_key, ticket_key
from domain.customers import Tier
from domain.distress import Category
from domain.planning import Payload, PlannedAction
from domain.policy import NightCase, PageRules, Policy
from domain.promises import Promise
from domain.staffing import Staffing, answer_by, closes_at, is_open, minutes_before, next_open, unstaffed_by
from domain.surveys import SurveyAnswer

NO_ALERT = "no alert integration is configured: nobody can be paged"


@dataclass(frozen=True, slots=True)
class CaseInHand:
    """An open case as the desk last showed it."""

    customer_ref: str
    number: int
    turn: int
    began_at: datetime  # when this turn did: it opened, or was opened again
    tier: Tier
    has_distress: bool
    has_owner: bool  # somebody took it: an assignee, an answer, a ticket that is not simply open
    is_missing: bool  # the desk was asked twice and knows no such ticket
    promises: tuple[Promise, ...]  # the open ones

    @property
    def reference(self) -> str:
        """What the customer and colleagues quote."""
        return f"{self.customer_ref}-{self.number}"


@dataclass(frozen=True, slots=True)
class Page:
    """One call to somebody on call. `step` is the end of its key."""

    step: tuple[str | int, ...]
    summary: str
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class MayPage:
    """Which cases may call for a page at an instant; of all others `due_pages` says nothing then."""

    began_by: datetime
    """Nobody has them, and their turn began by then."""
    promised_by: datetime
    """They have a promise for then or before. Cases whose ticket is not at the desk come on top."""


def may_page(policy: Policy, *, now: datetime) -> MayPage:
    """What to look for, so that a look costs what is due, not all that is open."""
    rules = policy.cases.pages
    shortest = min(rules.nobody_took_it_minutes, rules.at_night_minutes)  # as many by the clock, or more
    # A minute more: what ends in a night is warned of at the last staffed minutes before it.
    promised_by = answer_by(policy.staffing, now, rules.promise_warning_minutes + 1)
    return MayPage(began_by=now - timedelta(minutes=shortest), promised_by=promised_by)


def due_pages(case: CaseInHand, policy: Policy, *, now: datetime) -> list[Page]:
    """The pages a case calls for now, whether or not they were sent. Of several that fell due, the last one."""
    rules, staffing = policy.cases.pages, policy.staffing
    pages = [*_at_risk(case, rules, staffing, now)]
    wakes = _wakes(case, rules)
    if case.is_missing:
        pages.append(Page(("ticket-missing", case.turn), "its ticket is not at the desk any more"))
    if not case.has_owner:
        pages += _nobody_took_it(case, rules, staffing, wakes=wakes, now=now)
    return pages


def plan_page(
    case: CaseInHand, page: Page, policy: Policy, *, gateway_url: str, can_page: bool, now: datetime
) -> PlannedAction:
    """The page as an action: the case's reference and a link, never a name, an address or a customer's words."""
    urgent = case.has_distress or case.tier is Tier.VIP
    return PlannedAction(
        key=page_key(case.customer_ref, case.number, *page.step),
        kind=Kind.PAGE,
        basis=Basis.INTERNAL,
        capability=Capability.ALERT,
        payload=Payload(
            "page/1",
            {
                "summary": f"Case {case.reference}: {page.summary}",
                "severity": "critical" if urgent else "error",
                "link": f"{gateway_url.rstrip('/')}/trace/{quote(case.reference, safe='')}",
                "case": case.reference,
                "step": page.step[0],
            },
        ),
        due_at=now,
        urgent=True,
        not_after=page.not_after,
        facts=frozenset({"case"}),
        skip=None if can_page else NO_ALERT,
    )


def _at_risk(case: CaseInHand, rules: PageRules, staffing: Staffing, now: datetime) -> Iterator[Page]:
    """One page a promised time, by the first promise that named it; none once it has passed: it is broken then."""
    told: set[datetime] = set()
    for promise in sorted(case.promises, key=lambda one: (one.made_at, one.answer)):
        if promise.answer_by in told:
            continue
        told.add(promise.answer_by)
        warn_at = max(minutes_before(staffing, promise.answer_by, rules.promise_warning_minutes), promise.made_at)
        if next_open(staffing, warn_at) <= now < promise.answer_by:
            words = (
                f"an answer is promised by {promise.answer_by:%H:%M} UTC on {promise.answer_by:%d %B}, none was seen"
            )
            yield Page(("promise-at-risk", *promise.answer), words, not_after=promise.answer_by)


def _nobody_took_it(
    case: CaseInHand, rules: PageRules, staffing: Staffing, *, wakes: bool, now: datetime
) -> Iterator[Page]:
    closing = closes_at(staffing, now)
    if closing is not None or wakes:
        minutes = rules.nobody_took_it_minutes
        due = [n for n in _counts(rules) if answer_by(staffing, case.began_at, n * minutes) <= now]
        if due:
            words = f"nobody has taken it in {due[-1] * minutes} staffed minutes"
            yield Page(("nobody-took-it", case.turn, due[-1]), words, not_after=None if wakes else closing)
    if wakes and not is_open(staffing, now):
        minutes = rules.at_night_minutes
        due = [n for n in _counts(rules) if unstaffed_by(staffing, case.began_at, n * minutes) <= now]
        if due:
            words = f"nobody has taken it in {due[-1] * minutes} minutes of night or weekend"
            yield Page(("nobody-took-it-at-night", case.turn, due[-1]), words)


def _counts(rules: PageRules) -> range:
    return range(1, rules.times + 1)


def _wakes(case: CaseInHand, rules: PageRules) -> bool:
    """May it wake somebody?"""
    return (case.has_distress and NightCase.DISTRESS in rules.at_night) or (
        case.tier is Tier.VIP and NightCase.VIP in rules.at_night
    )


def has_bad_peak(answer: SurveyAnswer, distress: Category | None, policy: Policy) -> bool:
    """True for an answer after which a machine must not have the last word."""
    return distress is not None or answer.score <= policy.cases.bad_peak_at_most[answer.kind]


def may_end(*, bad_peak: bool, last_word_at: datetime | None, last_message_at: datetime | None) -> bool:
    """Does a solved ticket end the case? After a bad peak only if a person spoke after our last automatic message."""
    if not bad_peak:
        return True
    return last_word_at is not None and (last_message_at is None or last_word_at >= last_message_at)


def plan_last_word(customer_ref: str, number: int, turn: int, *, priority: str, now: datetime) -> PlannedAction:
    """Ask the desk for a person's last word, once a turn, in a note that opens the ticket again."""
    opening = ticket_key(customer_ref, number)
    return PlannedAction(
        key=last_word_key(customer_ref, number, turn),
        kind=Kind.TICKET_NOTE,
        basis=Basis.INTERNAL,
        capability=Capability.TICKETING,
        payload=Payload(
            "ticket-note/2",
            {
                "case": f"{customer_ref}-{number}",
                "ticket": opening,
                "priority": priority,
                "text": (
                    "Solved, but the last thing this customer got from us was an automatic message, after a very bad "
                    "experience. Please write to them in the ticket, or call, then solve it again. If you called: "
                    f'handrail cases last-word {customer_ref}-{number} --by "YOUR NAME"'
                ),
            },
        ),
        due_at=now,
        urgent=True,
        after=opening,
    )
