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


@dataclass
class SurveyFollowUp:
    """What became of the actions of open and recent cases, by action key."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    open_keys: list[str] = field(default_factory=list)
    waiting_for_people: int = 0
    late: int = 0
    """Open cases whose ticket has not reached the desk although the promised time has passed."""

    def counts(self) -> Counter[str]:
        """State → how many actions."""
        return Counter(row["state"] for row in self.rows)


async def follow_survey(handrail: Handrail, *, since: datetime | None = None) -> SurveyFollowUp:
    """What the gateway did about critical answers, and what is still open. Ids, states and times only."""
    now = handrail.clock()
    return await asyncio.to_thread(_follow, handrail.database, since or now - _LOOK_BACK, now)


def _follow(database: Database, since: datetime, now: datetime) -> SurveyFollowUp:
    followed = SurveyFollowUp()
    with database.read() as connection:
        open_cases = {row.id: row for row in overview.cases_opened_since(connection, since)}
        rows = overview.of_cases(connection, list(open_cases))
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
        if row.kind == "ticket" and state is not State.DONE and open_cases[row.case_id].answer_by < now:
            followed.late += 1
    return followed
