"""Endings for tests: gates, entitlements, and detection run on them, in few words."""

from datetime import date, datetime, timedelta
from typing import Any

from ledger_world import NOON, POLICY, World
from sqlalchemy import select, update

from domain.actions import key
from domain.entitlements import EntitlementKind, occurrence_of
from domain.policy import Policy
from services.ending_closing import Closing, close_needless
from services.expiry import Detection, Planning, detect, look_at_gates, plan_endings
from services.publishing import publish_templates
from store.database import Database
from store.ledger.rows import actions, entitlements
from store.tables import metadata
from templates.library import load

TODAY = NOON.date()


class EndingsWorld(World):
    """A world with approved wordings, and a gate of entitlements that passed just now."""

    def __init__(self, database: Database, policy: Policy = POLICY) -> None:
        super().__init__(database, policy)
        publish_templates(database, load(), now=NOON)
        self.gate = self.pass_gate()

    def entitlement(
        self, ref: str = "E-1", *, customer_id: int | None = None, in_days: int | None = None, **values: Any
    ) -> int:
        """A subscription in Warsaw, worth 100 EUR, that ends in thirty days unless told."""
        ends_on = values.pop("ends_on", TODAY + timedelta(days=30 if in_days is None else in_days))
        given = {
            "kind": EntitlementKind.SUBSCRIPTION,
            "product": "Box",
            "ends_on": ends_on,
            "time_zone": "Europe/Warsaw",
            "occurrence": occurrence_of(ends_on),
            "at_risk_minor": 10_000,
            "gate_id": self.gate,
            "changed_at": self.now,
            "created_at": self.now,
            "updated_at": self.now,
        }
        whose = self.customer(f"C-{ref}") if customer_id is None else customer_id
        return self.add("entitlements", ref=ref, key_part=key(ref), customer_id=whose, **{**given, **values})

    def alter(self, ref: str, **values: Any) -> None:
        """Something of an entitlement changes, as its writers change it."""
        risen = {"version": entitlements.c.version + 1, "changed_at": self.now, "updated_at": self.now}
        if "ends_on" in values:
            values.setdefault("occurrence", occurrence_of(values["ends_on"]))
        with self.database.write() as connection:
            connection.execute(update(entitlements).where(entitlements.c.ref == ref).values(**{**risen, **values}))

    def set_customer(self, customer_id: int, **values: Any) -> None:
        """Change a customer's columns."""
        people = metadata.tables["customers"]
        with self.database.write() as connection:
            connection.execute(update(people).where(people.c.id == customer_id).values(**values))

    def detect(self, *, now: datetime | None = None) -> Detection:
        """Look."""
        return detect(self.database, self.policy, now=now or self.now)

    def plan(self, *, now: datetime | None = None, dry_run: bool = False) -> Planning:
        """Look and plan."""
        at = now or self.now
        gates = look_at_gates(self.database, self.policy, now=at)
        return plan_endings(self.database, self.policy, self.detect(now=at), gates, run="detection", dry_run=dry_run)

    def close(self, *, dry_run: bool = False) -> Closing:
        """Look, and take back or have closed what is needed no more."""
        return close_needless(self.database, self.policy, self.detect(), run="detection", dry_run=dry_run)

    def look(self) -> None:
        """A whole run on a fresh gate, but for sending."""
        self.pass_gate()
        self.close()
        self.plan()

    def planned_keys(self) -> set[str]:
        """The keys of all actions."""
        with self.database.read() as connection:
            return set(connection.execute(select(actions.c.key)).scalars())

    def forget_marks(self) -> None:
        """As if nobody had ever looked."""
        with self.database.write() as connection:
            connection.execute(metadata.tables["detection_marks"].delete())


def task_key(ref: str, ends_on: date, *what: str | int) -> str:
    """The key of an ending's task, or of what follows it."""
    return key("expiry", ref, occurrence_of(ends_on), "task", *what)
