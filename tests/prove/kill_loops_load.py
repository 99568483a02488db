"""The load of the kill loops: people, tasks and messages by the thousand, withdrawals; each with a log of its own.

The logs are what is judged by: what was asked for, and what was forbidden since when. "When" is the order in which the
database committed, found by looking under the same lock that arming takes.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import OperationalError

from domain.actions import Basis, Capability, Kind, State
from domain.customers import Customer
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from store import customers as people
from store.database import Database
from store.ledger.enqueue import About, enqueue
from store.ledger.rows import actions
from store.wordings import approved

T = TypeVar("T")
PURPOSE = "reminders"
RUN = "planner"
CUSTOMERS = 100
"""Every second one stays; who comes first gets most, far more than the cap allows."""
BACKLOG = 150
"""Unfinished rows beyond which no more is planned: a slow machine gets less to do, not a queue without end."""
_TOGETHER = 10  # customers planned for in one transaction
_WAYS = ("opt-out", "suppression", "tact lock", "erasure")


def stubbornly(step: Callable[[], T]) -> T:
    """Again while the database is away. A step whose commit may or may not have happened must bear being repeated."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return step()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def count_unfinished(database: Database) -> int:
    """Rows with which machines are not done: all but those over, left to people, or waiting days for the cap."""
    late = datetime.now(UTC) + timedelta(days=1)
    busy = actions.c.state.in_([State.CLAIMED, State.SENDING, State.UNCERTAIN, State.PLANNED])
    with database.read() as connection:
        return connection.execute(
            select(func.count()).where(busy | ((actions.c.state == State.READY) & (actions.c.due_at < late)))
        ).scalar_one()


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """How a customer withdrew, and what was armed by then: nothing else of theirs may go out."""

    way: str
    armed: frozenset[str]

    def forbids(self, key: str) -> bool:
        """True when `key` must have no effect."""
        is_message = key.startswith("journey/")
        return key not in self.armed and (is_message or self.way == "erasure")


@dataclass
class Load:
    """Everything asked for but the webhooks, which the sender keeps account of."""

    database: Database
    policy: Policy
    seed: int
    per_second: float
    """Actions planned a second."""
    due: dict[str, str] = field(default_factory=dict)
    """Key → its customer, once it is committed."""
    withdrawn: dict[str, "Withdrawal"] = field(default_factory=dict)
    """By customer."""
    never_asked: set[str] = field(default_factory=set)
    """Customers who never allowed reminders."""
    _ids: dict[str, int] = field(default_factory=dict)
    _plans: list[tuple[str, list[PlannedAction]]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Put the people on file, and read the wording of their messages."""
        with self.database.write() as connection:
            self._wording = approved(connection)["acknowledgement", "en"]
            for number in range(CUSTOMERS):
                ref = f"P-{number}"
                customer = Customer(ref, email=f"{ref.lower()}@example.com", phone=f"+48600{number:06}", language="en")
                self._ids[ref] = people.create(connection, customer, now=datetime.now(UTC))
                if number % 20 == 10:
                    self.never_asked.add(ref)
                else:
                    self._allow(connection, ref, granted=True)

    def run(self) -> None:
        """Plan for random customers at the rate until told to stop."""
        chance = random.Random(self.seed)
        number = 0
        while not self._stop.wait(2 * _TOGETHER / self.per_second):
            if stubbornly(lambda: count_unfinished(self.database)) > BACKLOG:
                continue
            plans = []
            some = list(self._ids)[: chance.randrange(_TOGETHER, CUSTOMERS)]
            for ref in chance.sample(some, _TOGETHER):
                plans.append((ref, [self._task(ref, number), self._message(ref, number)]))
                number += 1
            again = [chance.choice(self._plans)] if self._plans and chance.random() < 0.3 else []
            stubbornly(lambda plans=plans + again: self._put(plans))  # type: ignore[misc]
            self._plans += plans
            for ref, planned in plans:
                for action in planned:
                    self.due[action.key] = ref

    def stop(self) -> None:
        """No new plans."""
        self._stop.set()

    def repeat_everything(self) -> None:
        """Plan all of it once more."""
        for start in range(0, len(self._plans), 100):
            stubbornly(lambda start=start: self._put(self._plans[start : start + 100]))  # type: ignore[misc]

    def withdraw(self, chance: random.Random) -> None:
        """One customer withdraws in one way or another; nothing not armed by then may go out any more."""
        lately = [ref for ref, _ in self._plans[-2 * _TOGETHER :]]  # their messages are waiting, or under way
        ref, way = chance.choice(lately or list(self._ids)), chance.choice(_WAYS)
        if ref not in self.withdrawn and int(ref.removeprefix("P-")) % 2:
            self.withdrawn[ref] = Withdrawal(way, frozenset(stubbornly(lambda: self._withdrawn(ref, way))))

    def _withdrawn(self, ref: str, way: str) -> list[str]:
        now = datetime.now(UTC)
        with self.database.write() as connection:
            match way:
                case "opt-out":
                    self._allow(connection, ref, granted=False)
                case "suppression":
                    people.suppress(connection, "mail", f"{ref}@Example.com ", "hard bounce", now=now)
                case "tact lock":
                    people.touch(connection, self._ids[ref], now=now)
                    people.set_tact_lock(connection, self._ids[ref], "asked for silence", now=now)
                case _:
                    people.erase(connection, self._ids[ref], now=now)
            # We hold the customer's row now, as arming does: what is not armed yet comes after our commit.
            armed = select(actions.c.key).where(actions.c.customer_id == self._ids[ref], actions.c.attempts > 0)
            return list(connection.execute(armed).scalars())

    def _allow(self, connection: Connection, ref: str, *, granted: bool) -> None:
        people.set_consent(connection, self._ids[ref], PURPOSE, "mail", granted=granted, now=datetime.now(UTC))

    def _put(self, plans: list[tuple[str, list[PlannedAction]]]) -> None:
        with self.database.write() as connection:
            for ref, planned in plans:
                enqueue(connection, planned, About(self._ids[ref]), run=RUN, now=datetime.now(UTC))

    def _task(self, ref: str, number: int) -> PlannedAction:
        says = {
            "title": "Ends soon",
            "body": f"{ref}: ask whether it goes on",
            "assignee": "sales",
            "priority": "normal",
        }
        return PlannedAction(
            key=f"expiry/{ref}-{number}/1/task",
            kind=Kind.TASK,
            basis=Basis.INTERNAL,
            capability=Capability.CRM,
            payload=Payload("task/1", {**says, "due_at": None}),
            due_at=datetime.now(UTC),
        )

    def _message(self, ref: str, number: int) -> PlannedAction:
        now, human = datetime.now(UTC), self.policy.human["en"]
        params = {
            "name": None,
            "answer_by": f"{now + timedelta(hours=4):%Y-%m-%dT%H:%M:%SZ}",
            "time_zone": "Europe/Warsaw",
            "received_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "survey": "nps",
            "human": {"phone": human.phone, "mail": human.mail, "hours": human.hours},
            "company": self.policy.company,
            "reference": f"{ref}/{number}",
            "language": "en",
        }
        return PlannedAction(
            key=f"journey/{ref}/{number}/message",
            kind=Kind.MESSAGE,
            basis=Basis.PROACTIVE,
            capability=Capability.MAIL,
            purpose=PURPOSE,
            payload=Payload("message/1", params, "acknowledgement", self._wording),
            due_at=now,
        )
