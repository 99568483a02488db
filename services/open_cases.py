"""Open cases by the time that was promised, the late ones first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.actions import FINAL, Kind, State
from services.places import Places
from services.reporting import case
from store import overview
from store.database import Database


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases: everything that is left empty fits."""

    team: str = ""
    tier: str = ""
    owner: str = ""
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class CaseList:
    """Some of the open cases, and how many there are."""

    rows: list[dict[str, Any]]
    total: int
    late: int
    teams: list[str]
    owners: list[str]


def open_cases(
    database: Database, wanted: Wanted, places: Places, *, now: datetime, offset: int = 0, limit: int = 50
) -> CaseList:
    """The cases wanted, from `offset` on, with what waits in each; the words one may filter by."""
    with database.read() as connection:
        chosen = overview.OpenCases(wanted.team, wanted.tier, wanted.owner, now if wanted.is_late else None)
        rows = overview.open_cases(connection, chosen, offset=offset, limit=limit)
        total, late = overview.count_open_cases(connection, chosen, now)
        teams, owners = overview.who_has_open_cases(connection)
        waits: dict[int, list[str]] = {row.id: [] for row in rows}
        tickets: dict[int, str | None] = {}
        for action in overview.of_cases(connection, list(waits)):
            if action.kind == Kind.TICKET:
                tickets[action.case_id] = places.page_of(action)
            if (state := State(action.state)) not in FINAL:
                waits[action.case_id].append(f"{action.kind.replace('_', ' ')} {state.words}")
    listed = [
        {
            **case(row),
            "tier": row.tier,
            "meant_for": row.dedicated_agent or row.team,
            "late": row.answered_at is None and row.answer_by < now,
            "waits": waits[row.id],
            "ticket_page": tickets.get(row.id),
        }
        for row in rows
    ]
    return CaseList(listed, total, late, teams, owners)
