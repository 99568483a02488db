"""Open cases followed: promises noted and settled, somebody on call paged before it is too late."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.actions import Capability
from domain.cases import MayPage, due_pages, may_page, plan_page
from domain.planning import PlannedAction
from domain.promises import PromiseState, settle
from domain.recovery_survey import TACTLESS
from domain.words import how_many
from services.wiring import Handrail
from store import following, promises
from store.crash_points import reached
from store.following import Held
from store.ledger.enqueue import About, enqueue_all

_LOOK_BACK = timedelta(days=30)
"""How long after it was solved a case may still have something to be noted."""


@dataclass
class Followed:
    """What one look at the open cases led to. Counts and keys only."""

    promises: Counter[PromiseState] = field(default_factory=Counter)  # settled in this round, by how they ended
    pages: list[str] = field(default_factory=list)  # planned in this round: keys
    open_cases: int = 0

    @property
    def words(self) -> str:
        """As in `4 open cases, 1 page, 2 promises kept`."""
        parts = [how_many(self.open_cases, "open case")]
        if self.pages:
            parts.append(how_many(len(self.pages), "page"))
        parts += [f"{how_many(count, 'promise')} {state}" for state, count in sorted(self.promises.items())]
        return ", ".join(parts)


async def follow_cases(handrail: Handrail, *, run: str) -> Followed:
    """One look at all open cases. Twice, or by several processes at once, is once: keys and states see to that."""
    return await asyncio.to_thread(_follow, handrail, run)


def _follow(handrail: Handrail, run: str) -> Followed:
    now = handrail.clock()
    followed = Followed()
    _note_promises(handrail, now)
    _settle_promises(handrail, followed, run, now)
    _mind_surveys(handrail, run, now)
    with handrail.database.read() as connection:
        followed.open_cases = following.count_open(connection)
    after, which = 0, may_page(handrail.policy, now=now)
    while held := _next(handrail, after, which):
        after = held[-1].id
        followed.pages += _page(handrail, held, run, now)
    return followed


def _next(handrail: Handrail, after: int, which: MayPage) -> list[Held]:
    with handrail.database.read() as connection:
        return following.open_cases(connection, after=after, which=which)


def _note_promises(handrail: Handrail, now: datetime) -> None:
    since = now - _LOOK_BACK
    with handrail.database.read() as connection:
        if not promises.has_new(connection, since=since):
            return
    with handrail.database.write("note-promises") as connection:
        promises.note_new(connection, since=since)
    reached("promises.noted")


def _settle_promises(handrail: Handrail, followed: Followed, run: str, now: datetime) -> None:
    tolerance = timedelta(seconds=handrail.policy.cases.read_desk_seconds)
    with handrail.database.read() as connection:
        waiting = promises.may_end(connection, passed_by=now - tolerance)
    ends = [
        (one.id, end)
        for one in waiting
        if (end := settle(one.promise, one.seen, tolerance=tolerance, now=now)) is not None
    ]
    if ends:
        with handrail.database.write("settle-promises") as connection:
            promises.settle(connection, ends, by=run, now=now)
        followed.promises.update(end.state for _, end in ends)


def _mind_surveys(handrail: Handrail, run: str, now: datetime) -> None:
    """Note which recovery surveys are out; those still to be sent are not, when there is trouble again."""
    since = now - _LOOK_BACK
    with handrail.database.read() as connection:
        out = following.note_asked(connection, since=since, apply=False)
        tactless = following.tactless_surveys(connection, since=since)
    if out or tactless:
        with handrail.database.write("mind-surveys") as connection:
            following.note_asked(connection, since=since, apply=True)
            following.skip(connection, tactless, reason=TACTLESS, by=run, now=now)


def _page(handrail: Handrail, held: Sequence[Held], run: str, now: datetime) -> list[str]:
    """Plan what is due and not planned yet; looked at again under the cases' locks, since they may just be taken."""
    plans = _plans(handrail, held, now)
    with handrail.database.read() as connection:
        known = following.pages_of(connection, [action.key for action, _ in plans])
    wanted = [about.case_id for action, about in plans if action.key not in known and about.case_id is not None]
    if not wanted:
        return []
    with handrail.database.write("page") as connection:
        made = enqueue_all(connection, _plans(handrail, following.these(connection, wanted), now), run=run, now=now)
    reached("pages.planned")
    return sorted(made)


def _plans(handrail: Handrail, held: Sequence[Held], now: datetime) -> list[tuple[PlannedAction, About]]:
    can_page = handrail.roster.of(Capability.ALERT) is not None
    url = handrail.settings.gateway_url
    return [
        (plan_page(one.case, page, handrail.policy, gateway_url=url, can_page=can_page, now=now), _about(one))
        for one in held
        for page in due_pages(one.case, handrail.policy, now=now)
    ]


def _about(one: Held) -> About:
    return About(one.customer_id, one.id)
