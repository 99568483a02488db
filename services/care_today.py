"""Care today: what a support person wants to see at a glance. Counts and references only, no personal data."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import quote

from domain.actions import Kind, State, last_word_key
from domain.controls import Stop
from domain.hours import instant_of, zone
from domain.on_call import who
from domain.policy import Policy
from domain.promises import PromiseState
from domain.reviews import Stand
from domain.staffing import is_open, minutes_before
from domain.words import how_many
from services.feeds import feeds_in_trouble
from services.wiring import Handrail
from store import care, controls, differences, following, overview, promises, review_pages
from store.inbox import quarantined
from store.review_counts import ReviewCounts, review_counts

_SHOWN = 12
"""References of a kind that are named; of the others only how many."""


@dataclass
class Shift:
    """Critical answers that came while somebody was at work, or while nobody was."""

    answers: int = 0
    at_desk: int = 0
    acknowledged: int = 0
    left_to_people: int = 0  # no automatic acknowledgement: a person replies
    seconds: list[float] = field(default_factory=list)  # from the answer to its acknowledgement

    @property
    def longest(self) -> str:
        """The longest a customer waited for the acknowledgement."""
        return f"{max(self.seconds):.1f} s" if self.seconds else "–"


@dataclass
class Care:
    """One look at today, on the staff's clock."""

    now: datetime
    time_zone: str
    is_staffed: bool
    stops: tuple[Stop, ...] = ()  # what is stopped; that of everything first
    working: Shift = field(default_factory=Shift)
    apart: Shift = field(default_factory=Shift)  # night, weekend, holidays
    open_cases: int = 0
    unowned: list[str] = field(default_factory=list)
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
        _count_answers(today, care.answered_since(connection, midnight), policy)
        after = 0
        while held := following.open_cases(connection, after=after):
            after = held[-1].id
            _count_cases(today, held, policy, now)
            asked = {last_word_key(one.case.customer_ref, one.case.number, one.case.turn): one for one in held}
            today.last_words += [asked[key].case.reference for key in sorted(care.standing(connection, list(asked)))]
    return today


def _count_answers(today: Care, rows: Iterable[Any], policy: Policy) -> None:
    seen: set[int] = set()
    for row in rows:
        shift = today.working if is_open(policy.staffing, row.received_at) else today.apart
        if row.answer not in seen:
            seen.add(row.answer)
            shift.answers += 1
        if row.kind in {Kind.TICKET, Kind.TICKET_NOTE}:
            shift.at_desk += row.state == State.DONE
        elif row.kind == Kind.ACKNOWLEDGEMENT:
            shift.left_to_people += row.state in {State.SKIPPED, State.EXPIRED, State.CANCELLED}
            if row.state == State.DONE:
                shift.acknowledged += 1
                if row.done_at is not None:
                    shift.seconds.append((row.done_at - row.received_at).total_seconds())


def _count_cases(today: Care, held: Sequence[following.Held], policy: Policy, now: datetime) -> None:
    lead = policy.cases.pages.promise_warning_minutes
    today.open_cases += len(held)
    for one in (held.case for held in held):
        if not one.has_owner:
            today.unowned.append(f"{one.reference} (for {_ago(now - one.began_at)})")
        times = [promise.answer_by for promise in one.promises]
        if any(at <= now for at in times):
            today.overdue += [one.reference] if one.reference not in today.overdue else []
        elif any(minutes_before(policy.staffing, at, lead) <= now for at in times):
            today.at_risk.append(f"{one.reference} (by {min(times).astimezone(zone(today.time_zone)):%H:%M})")


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


_ROWS: Sequence[tuple[str, Callable[[Shift], object]]] = (
    ("answers", lambda shift: shift.answers),
    ("at the desk", lambda shift: shift.at_desk),
    ("acknowledged", lambda shift: shift.acknowledged),
    ("left to a person", lambda shift: shift.left_to_people),
    ("longest wait for the acknowledgement", lambda shift: shift.longest),
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
    def named(references: list[str]) -> str:
        links = [_link(one, gateway_url) for one in references[:_SHOWN]]
        more = len(references) - _SHOWN
        return ", ".join(links) + (f" and {more} more" if more > 0 else "")

    told = [
        (today.overdue, "**promised time has passed, no answer seen**: "),
        (today.at_risk, "promise at risk: "),
        (today.unowned, "nobody has taken it: "),
        (today.last_words, "a person's last word is asked for: "),
    ]
    lines = [f"- {len(references)} · {words}{named(references)}" for references, words in told if references]
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
