"""Letting customers who are under way go on in the live version of their journey, where it has their step."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from domain.customers import Customer
from domain.journey_steps import Traveller, has_seen, wait_over_at
from domain.journeys import Behaviour, Journey
from domain.policy import Policy
from services.journeys import Journeys
from store import drip, enrolments
from store import journeys as store
from store.database import Database

_PAGE = 200
"""Enrolments a transaction: on SQLite it keeps every other writer waiting."""


def move_to_live(database: Database, policy: Policy, name: str, *, by: str, now: datetime) -> Counter[str]:
    """Move everybody whose step the live version has; how many, by step.

    A step whose wait is another one now is due by the new one, counted from the same facts; what would have been due
    before now is due at once, and spread as after an outage. What is in the air is not touched.
    """
    moving = _Moving(database, policy, name, by=by, now=now)
    while moving.page():
        pass
    return moving.moved


class _Moving:
    """One such move, page by page."""

    def __init__(self, database: Database, policy: Policy, name: str, *, by: str, now: datetime) -> None:
        self._database, self._policy, self._name, self._by, self._now = database, policy, name, by, now
        self._journeys = Journeys()
        with database.read() as connection:
            self._hash, self._new = self._journeys.live(connection)[name]
        self._after = 0
        self.moved: Counter[str] = Counter()

    def page(self) -> bool:
        """Move some; False when there were none left."""
        steps = {step.id for step in self._new.steps}
        with self._database.read() as connection:
            rows = store.movable(connection, self._name, to=self._hash, steps=steps, after=self._after, limit=_PAGE)
            timed = self._timed(connection, rows)
        if not rows:
            return False
        self._after = rows[-1].id  # who did not move is not tried again
        with self._database.write("move-journeys") as connection:
            done = store.move(connection, timed, to=self._hash, by=self._by, now=self._now)
        self.moved.update(one.step for one in done)
        return True

    def _timed(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[store.Moving]:
        """When each one's step is due by the new version."""
        whose = {row.customer_id for row in rows}
        endings = drip.next_endings(connection, whose, first=(self._now - timedelta(days=1)).date())
        behaviour = enrolments.behaviour_of(connection, whose)
        return [
            store.Moving(
                row.id,
                row.customer_id,
                row.journey_hash,
                row.step,
                self._due_at(
                    row,
                    self._journeys.of(connection, row.journey_hash),
                    endings.get(row.customer_id, (None, None)),
                    behaviour.get(row.customer_id, {}),
                ),
            )
            for row in rows
        ]

    def _due_at(self, row: Row[Any], old: Journey, ending: tuple[Any, Any], behaviour: Behaviour) -> datetime | None:
        step, due_at = self._new.step(row.step), row.due_at
        assert due_at is None or isinstance(due_at, datetime)  # noqa: S101 - a row's columns have no types
        before = old.step(row.step)
        if due_at is None or (before.after, before.sooner_on) == (step.after, step.sooner_on):
            return due_at
        if step.sooner_on is not None and has_seen(step.sooner_on, behaviour, now=self._now):
            return min(due_at, self._now)
        traveller = Traveller(
            Customer(row.ref, time_zone=row.time_zone), row.entered_at, row.previous_at, ending[0], ending[1]
        )
        return wait_over_at(step, traveller, default_time_zone=self._policy.default_time_zone) or self._now
