"""What became of the actions that critical answers brought, as a run of survey-escalation shows it."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain.actions import FINAL, State
from services.wiring import Handrail
from store import overview
from store.database import Database

_LOOK_BACK = timedelta(hours=24)


_OVER_SHOWN = 200
"""Rows of what is over: more is not read by anybody, and a bad day brings thousands."""


@dataclass
class SurveyFollowUp:
    """What became of the actions of open and recent cases, by action key."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """All that are not over, and those over that are worth a look."""
    counts: Counter[str] = field(default_factory=Counter)
    """State → how many actions, shown or not."""
    open_keys: list[str] = field(default_factory=list)
    waiting_for_people: int = 0
    late: int = 0
    """Cases whose ticket has not reached the desk although the promised time has passed."""


async def follow_survey(handrail: Handrail, *, since: datetime | None = None) -> SurveyFollowUp:
    """What the gateway did about critical answers, and what is still open. Ids, states and times only."""
    now = handrail.clock()
    return await asyncio.to_thread(_follow, handrail.database, since or now - _LOOK_BACK, now)


def _follow(database: Database, since: datetime, now: datetime) -> SurveyFollowUp:
    with database.read() as connection:
        followed = SurveyFollowUp(
            counts=overview.states_of_cases(connection, since), late=overview.late_tickets(connection, since, now)
        )
        rows = overview.fates_of_cases(connection, since, most_over=_OVER_SHOWN)
    for row in rows:
        state = State(row.state)
        followed.rows.append(
            {
                "action": row.key,
                "state": state.value,
                "by": row.dispatched_by or "",
                "took_ms": None
                if row.done_at is None
                else round((row.done_at - row.created_at).total_seconds() * 1000),
                "vendor_id": row.external_id or "",
                "why": row.reason or "",
            }
        )
        if state in {State.NEEDS_HUMAN, State.FAILED}:
            followed.waiting_for_people += 1
        elif state not in FINAL:
            followed.open_keys.append(row.key)
    return followed
