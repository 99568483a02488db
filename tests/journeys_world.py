"""Journeys for tests: versions made in place, customers in them, and the planner run on them, in few words."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ledger_world import NOON, POLICY, World
from sqlalchemy import Connection, Row, insert, select, update

from domain.actions import Basis, State, key
from domain.channels import Channel
from domain.customers import Purpose
from domain.journeys import Entry, EventName, Journey, Step, journey_key
from domain.policy import Policy
from services.drip import DripReport, run_drip
from store import customers as people
from store.database import Database
from store.ledger.rows import actions, customers, enrolments
from store.tables import metadata

DAYS = timedelta(days=1)


def a_step(name: str, **said: Any) -> Step:
    """A service message by mail, at once after the one before, changed as asked."""
    what = {} if {"ask", "branch"} & set(said) else {"message": "welcome"}
    how = {"by": (Channel.MAIL,), "basis": Basis.SERVICE}
    return Step(name, **{**what, **({} if "branch" in said else how), **said})


def a_journey(*steps: Step, name: str = "onboarding", **said: Any) -> Journey:
    """One version of a journey."""
    told = {"version": 1, "about": "new customers", "purpose": Purpose.ONBOARDING, "enters": Entry(EventName.ACTIVATED)}
    return Journey(name=name, steps=steps, **{**told, **said})


class Published:
    """The versions of a test, by hash."""

    def __init__(self) -> None:
        self.versions: dict[str, Journey] = {}

    def of(self, _connection: Connection, content_hash: str) -> Journey:
        """As `services.journeys.Journeys` finds them."""
        if content_hash not in self.versions:
            raise LookupError(f"no journey {content_hash} was published")
        return self.versions[content_hash]


class JourneysWorld(World):
    """A world with approved wordings of one message, `welcome`."""

    def __init__(self, database: Database, policy: Policy = POLICY) -> None:
        super().__init__(database, policy)
        self.journeys = Published()
        for language in ("pl", "en"):
            wording: dict[str, Any] = {
                "hash": f"words-{language}",
                "name": "welcome",
                "language": language,
                "content": {},
            }
            self.insert("templates", **wording, published_at=NOON, approved_at=NOON, approved_by="t")

    def insert(self, table: str, **values: Any) -> None:
        """Insert a row of a table whose rows have no number."""
        with self.database.write() as connection:
            connection.execute(insert(metadata.tables[table]).values(**values))

    def publish(self, journey: Journey, content_hash: str = "h1") -> str:
        """A version that customers may be in."""
        about = {"name": journey.name, "version": journey.version, "content": {}, "published_at": NOON}
        self.insert("journeys", hash=content_hash, **about, approved_at=NOON, approved_by="t")
        self.journeys.versions[content_hash] = journey
        return content_hash

    def enrol(
        self, ref: str = "C-1", content_hash: str = "h1", *, customer_id: int | None = None, **values: Any
    ) -> int:
        """A customer enters now, at the first step, due at once; who is not known is made."""
        journey = self.journeys.versions.get(content_hash)
        told = {
            "journey": journey.name if journey else "onboarding",
            "journey_hash": content_hash,
            "number": 1,
            "key_part": key(ref),
            "state": "active",
            "entered_at": self.now,
            "previous_at": self.now,
            "step": journey.steps[0].id if journey else "first",
            "due_at": self.now,
            "created_at": self.now,
            "updated_at": self.now,
            "updated_by": "t",
        }
        whose = self.customer(ref) if customer_id is None else customer_id
        return self.add("enrolments", customer_id=whose, **{**told, **values})

    def drip(
        self,
        *,
        now: datetime | None = None,
        dry_run: bool = False,
        run: str = "drip",
        ahead: timedelta | None = None,
    ) -> DripReport:
        """Run the planner; with `ahead` in virtual time, so far at once."""
        policy = self.policy
        if ahead is not None:
            minutes = ahead // timedelta(minutes=1)
            policy = replace(policy, journeys=replace(policy.journeys, look_ahead_minutes=minutes))
        return run_drip(
            self.database,
            policy,
            self.journeys,
            run=run,
            now=now or self.now,
            dry_run=dry_run,
            each_when_due=ahead is not None,
        )

    def enrolled(self, row_id: int) -> Row[Any]:
        """An enrolment as it stands."""
        with self.database.read() as connection:
            return connection.execute(select(enrolments).where(enrolments.c.id == row_id)).one()

    def alter(self, row_id: int, **values: Any) -> None:
        """Change an enrolment by force."""
        with self.database.write() as connection:
            connection.execute(update(enrolments).where(enrolments.c.id == row_id).values(**values))

    def set_customer(self, customer_id: int, **values: Any) -> None:
        """Change a customer's columns."""
        with self.database.write() as connection:
            connection.execute(update(customers).where(customers.c.id == customer_id).values(**values))

    def step_row(self, step: str, ref: str = "C-1", journey: str = "onboarding") -> Row[Any]:
        """The action of a step."""
        return self.row(journey_key(journey, ref, 1, step))

    def finish(self, step: str, state: State = State.DONE, ref: str = "C-1", *, at: datetime | None = None) -> None:
        """A step's action comes to an end, now unless told."""
        name = journey_key("onboarding", ref, 1, step)
        self.force(name, state)
        self.change(name, updated_at=at or self.now)

    def consent(self, customer_id: int, purpose: str = "onboarding", *, granted: bool = True, by: str = "mail") -> None:
        """What a customer said."""
        with self.database.write() as connection:
            people.set_consent(connection, customer_id, purpose, by, granted=granted, now=self.now)

    def did(self, customer_id: int, event: EventName, name: str = "", times: int = 1) -> None:
        """What a customer did, now."""
        told = {"customer_id": customer_id, "event": event, "name": name, "times": times}
        self.insert("behaviour", **told, first_at=self.now, last_at=self.now)

    def planned_keys(self) -> list[str]:
        """The keys of all actions, as they were planned."""
        with self.database.read() as connection:
            return list(connection.execute(select(actions.c.key).order_by(actions.c.id)).scalars())
