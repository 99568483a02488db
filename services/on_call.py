"""Who is on call, as people ask: now, next, in the coming weeks; and whether they can decide anything."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from domain.hours import zone
from domain.on_call import Turn, next_after, turns, who
from domain.review_rules import OnCall
from store.database import Database
from store.ledger.rows import reviewers


@dataclass(frozen=True, slots=True)
class Duty:
    """The rota from one instant on."""

    at: datetime
    time_zone: str
    now: str
    then: str | None  # who is told next; None: there is nobody else
    turns: tuple[Turn, ...]
    strangers: frozenset[str]  # those of the rota who are no reviewers: they are told, and cannot decide

    def as_json(self) -> dict[str, Any]:
        """For machines; times on the rota's wall clock, with their offset."""
        return {
            "at": self._wall(self.at),
            "time_zone": self.time_zone,
            "now": self._person(self.now),
            "next": None if self.then is None else self._person(self.then),
            "turns": [
                {
                    **self._person(turn.who),
                    "starts": self._wall(turn.starts),
                    "ends": self._wall(turn.ends),
                    "instead_of": turn.instead_of,
                }
                for turn in self.turns
            ],
        }

    def _person(self, name: str) -> dict[str, Any]:
        return {"who": name, "is_reviewer": name not in self.strangers}

    def _wall(self, at: datetime) -> str:
        return at.astimezone(zone(self.time_zone)).isoformat(timespec="minutes")


def duty(database: Database, on_call: OnCall, *, at: datetime, weeks: int) -> Duty:
    """Who is on call at an instant, who comes next, and everybody's turns in the weeks after it."""
    with database.read() as connection:
        strangers = strangers_of(connection, on_call)
    return Duty(
        at=at,
        time_zone=on_call.time_zone,
        now=who(on_call, at),
        then=next_after(on_call, at),
        turns=tuple(turns(on_call, at, until=at + timedelta(weeks=weeks))),
        strangers=strangers,
    )


def strangers_of(connection: Connection, on_call: OnCall) -> frozenset[str]:
    """Names of the rota that are no reviewer's."""
    known = set(connection.execute(select(reviewers.c.name).where(reviewers.c.removed_at.is_(None))).scalars())
    return frozenset({*on_call.people, *(swap.who for swap in on_call.swaps)} - known)
