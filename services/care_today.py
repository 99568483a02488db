"""Care today: what a support person wants to see at a glance. Counts and references only, no personal data."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from urllib.parse import quote

from domain.actions import State
from domain.cases import may_page
from domain.controls import Stop
from domain.hours import instant_of, zone
from domain.on_call import who
from domain.policy import Policy
from domain.promises import PromiseState
from domain.reviews import Stand
from domain.staffing import is_open, minutes_before, staffed_between
from domain.words import how_many
from services.feeds import feeds_in_trouble
from services.wiring import Handrail
from store import care, controls, differences, following, overview, promises, review_pages
from store.care import Answered
from store.inbox import quarantined
from store.review_counts import ReviewCounts, review_counts

_MOMENT = timedelta(microseconds=1)
_SHOWN = 12
"""References of a kind that are named; of the others only how many."""


@dataclass
class Care:
    """One look at today, on the staff's clock."""

    now: datetime
    time_zone: str
    is_staffed: bool
    stops: tuple[Stop, ...] = ()  # what is stopped; that of everything first
    working: Answered = field(default_factory=Answered)  # critical answers that came while somebody was at work
    apart: Answered = field(default_factory=Answered)  # night, weekend, holidays
    open_cases: int = 0
    unowned: list[str] = field(default_factory=list)  # the first of them
    unowned_count: int = 0
    overdue: list[str] = field(default_factory=list)  # a promised time has passed, and nobody has answered yet
    at_risk: list[str] = field(default_factory=list)
    last_words: list[str] = field(default_factory=list)
    promises: dict[PromiseState, int] = field(default_factory=dict)
    pages: dict[str, int] = field(default_factory=dict)
    waiting: Counter[str] = field(default_factory=Counter)  # actions by state
    quarantined: int = 0
    breakers: list[str] = field(default_factory=list)  # those that are open
    differences: Counter[str] = field(default_factory=Counter)
    feeds: list[str] = field(default_factory=list)  # what is wrong with each that is halted or stale, in words
    reviews: ReviewCounts = field(default_factory=ReviewCounts)
    to_decide: list[tuple[int, datetime]] = field(default_factory=list)  # open reviews and their deadlines, in order
    on_call: str = ""


async def care_today(handrail: Handrail) -> Care:
    """How today stands."""
    return await asyncio.to_thread(_look, handrail)


def _look(handrail: Handrail) -> Care:
    now, policy = handrail.clock(), handrail.policy
    place = zone(policy.staffing.time_zone)
    midnight = instant_of(now.astimezone(place).date(), time(0), place)
    with handrail.database.read() as connection:
        today = Care(
            now=now,
            time_zone=policy.staffing.time_zone,
            is_staffed=is_open(policy.staffing, now),
            stops=controls.standing(connection),
            promises=promises.counts(connection, midnight),
            pages=care.pages_since(connection, midnight),
            quarantined=quarantined(connection),
            breakers=sorted(name for name, is_open_ in overview.breakers(connection).items() if is_open_),
            overdue=care.broken_and_unanswered(connection),
            differences=Counter(row.what for row in differences.listed(connection)),
            reviews=review_counts(connection, now),
            to_decide=[
                (row.id, row.deadline)
                for row in review_pages.waiting(connection, limit=_SHOWN)
                if row.state == Stand.OPEN
            ],
            on_call=who(policy.reviews.on_call, now),
            feeds=[f"{one.problem}: {one.do}" for one in feeds_in_trouble(connection, policy, now=now)],
        )
        for (_, state), count in overview.open_counts(connection).items():
            today.waiting[state] += count
        told = care.answered(connection, midnight, staffed_between(policy.staffing, midnight, now + _MOMENT))
        today.working, today.apart = told[True], told[False]
        today.open_cases = following.count_open(connection)
        today.unowned_count, unowned = following.unowned(connection, most=_SHOWN)
        today.unowned = [f"{reference} (for {_ago(now - since)})" for reference, since in unowned]
        today.last_words = care.last_words_asked(connection)
        soon, after = may_page(policy, now=now).promised_by, 0
        while held := following.promised_by(connection, soon, after=after):
            after = held[-1].id
            _count_promised(today, held, policy, now)
    return today


def _count_promised(today: Care, held: Sequence[following.Held], policy: Policy, now: datetime) -> None:
    lead = policy.cases.pages.promise_warning_minutes
    for one in (held.case for held in held):
        times = [promise.answer_by for promise in one.promises]
        if any(at <= now for at in times):
            today.overdue += [one.reference] if one.reference not in today.overdue else []
        elif any(minutes_before(policy.staffing, at, lead) <= now for at in times):
            today.at_risk.append(f"{one.reference} (by {min(times).astimezone(zone(today.time_zone)):%H:%M})")


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


_ROWS: Sequence[tuple[str, Callable[[Answered], object]]] = (
    ("answers", lambda those: those.answers),
    ("at the desk", lambda those: those.at_desk),
    ("acknowledged", lambda those: those.acknowledged),
    ("left to a person", lambda those: those.left_to_people),
    (
        "longest wait for the acknowledgement",
        lambda those: "–" if those.longest is None else f"{those.longest.total_seconds():.1f} s",
    ),
)


def in_markdown(today: Care, *, gateway_url: str) -> str:
    """The artifact: the gravest first, then the numbers."""
    local = today.now.astimezone(zone(today.time_zone))
    when = "somebody is at work" if today.is_staffed else "nobody is at work"
    lines = [f"**{local:%A %d %B, %H:%M}** ({today.time_zone}): {when}.", ""]
    for stop in today.stops:
        since = stop.at.astimezone(zone(today.time_zone))
        told = f"by {_plain(stop.by)} since {since:%d %b, %H:%M}: {_plain(stop.reason)}"
        lines += [f"**Stopped: {stop.part.words}**, {told}. Nothing of it is sent; `handrail start` lets it go.", ""]
    lines += ["## Now", ""]
    lines += _now(today, gateway_url)
    lines += ["", "## Critical answers today", "", "| | working hours | night, weekend, holidays |", "|---|---|---|"]
    for words, tell in _ROWS:
        lines.append(f"| {words} | {tell(today.working)} | {tell(today.apart)} |")
    counts = today.promises
    lines += [
        "",
        "## Promises due today, or open",
        "",
        "| kept | open | at risk | broken | excused |",
        "|---|---|---|---|---|",
    ]
    lines.append(
        f"| {counts.get(PromiseState.KEPT, 0)} | {counts.get(PromiseState.OPEN, 0)} | {len(today.at_risk)} "
        f"| {counts.get(PromiseState.BROKEN, 0)} | {counts.get(PromiseState.EXCUSED, 0)} |"
    )
    return "\n".join(lines)


def _now(today: Care, gateway_url: str) -> list[str]:
    def named(references: list[str], count: int) -> str:
        links = [_link(one, gateway_url) for one in references[:_SHOWN]]
        more = count - _SHOWN
        return ", ".join(links) + (f" and {more} more" if more > 0 else "")

    told = [
        (today.overdue, len(today.overdue), "**promised time has passed, no answer seen**: "),
        (today.at_risk, len(today.at_risk), "promise at risk: "),
        (today.unowned, today.unowned_count, "nobody has taken it: "),
        (today.last_words, len(today.last_words), "a person's last word is asked for: "),
    ]
    lines = [f"- {count} · {words}{named(references, count)}" for references, count, words in told if count]
    lines += _reviews(today, gateway_url)
    people = today.waiting[State.NEEDS_HUMAN] + today.waiting[State.FAILED]
    if people:
        wait = how_many(people, "action waits", "actions wait")
        lines.append(f"- {wait} for a person: `handrail actions --state needs_human,failed`")
    if today.waiting[State.UNCERTAIN]:
        lines.append(f"- {today.waiting[State.UNCERTAIN]} uncertain: their answer was lost; looked up by themselves")
    if today.quarantined:
        lines.append(f"- {today.quarantined} in quarantine: what came in broke its contract")
    lines += [f"- breaker open: {name}; what is for it waits" for name in today.breakers]
    lines += [f"- data: {words}" for words in today.feeds]
    if today.differences:
        listed = ", ".join(f"{count} {what}" for what, count in sorted(today.differences.items()))
        lines.append(f"- books and ticket desk differ: {listed}: `handrail cases differences`")
    if today.pages:
        listed = ", ".join(f"{count} {state}" for state, count in sorted(today.pages.items()))
        lines.append(f"- pages today: {listed}")
    lines.append(f"- {today.open_cases} open cases: `handrail cases`")
    return lines


def _reviews(today: Care, gateway_url: str) -> list[str]:
    """What waits for a decision: whoever is on call has it."""
    place = zone(today.time_zone)

    def linked(review_id: int) -> str:
        return f"[review {review_id}]({gateway_url.rstrip('/')}/reviews/{review_id})"

    lines = [
        f"- **{linked(one)} has stopped itself on its way out**: go on, or cancel the rest"
        for one in today.reviews.halted[:_SHOWN]
    ]
    if today.reviews.waiting:
        listed = [f"{linked(one)} (by {by.astimezone(place):%a %d %b %H:%M})" for one, by in today.to_decide]
        more = today.reviews.waiting - len(listed)
        lines.append(
            f"- {today.reviews.waiting} · waits for a decision, {_plain(today.on_call)} is on call: "
            f"{', '.join(listed)}{f' and {more} more' if more > 0 else ''}"
        )
    if today.reviews.expired:
        lines.append(
            f"- {how_many(today.reviews.expired, 'review')} had nobody decide since yesterday: nothing of that was done"
        )
    return lines


def _link(reference: str, gateway_url: str) -> str:
    name, _, rest = reference.partition(" ")
    return f"[{_plain(name)}]({gateway_url.rstrip('/')}/trace/{quote(name, safe='')}){f' {rest}' if rest else ''}"


def _plain(text: str) -> str:
    """A reference comes from outside: none of it is Markdown."""
    return "".join(f"\\{char}" if char in "\\`*_[]<>|#!~" else char for char in text)
