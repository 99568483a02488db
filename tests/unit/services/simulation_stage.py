"""A short journey with everything in it, customers of all kinds, and the same input run for real, minute by minute."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from data_contracts.journeys import JourneyFile, read_journey
from domain.actions import Capability, WriteClass
from domain.policy import Policy
from integrations.fakes import FakeVendor
from integrations.registry import Roster
from services.drip import run_drip
from services.journeys import Journeys
from services.replanning import replan_changed
from services.settings import Settings
from services.simulated import Simulated
from services.simulation_input import Entrant, Fed, read_customers, read_events
from services.virtual_world import Trial, World, let_in, take_fed
from services.wiring import Handrail
from store.database import Database, sqlite_url
from store.ledger.rows import actions, customers, enrolments, receipts
from templates.library import Template

BEGAN = datetime(2026, 3, 27, 6, tzinfo=UTC)
"""The Friday before clocks leap in Europe."""

SERVED = (Capability.MAIL, Capability.SMS, Capability.PUSH, Capability.VOICE, Capability.CRM)

JOURNEY = """
name: trial
version: 1
about: Everything a journey can do, within three days.
purpose: onboarding
enters: {on: customer.activated}
goal: {event: goal.reached, named: settled-in}
at_goal: thanks
exits:
  - event: customer.churned
window: {starts: 09:00, ends: 19:00}
links: {video: "https://example.com/video"}
steps:
  - id: welcome
    message: written
    basis: service
    by: [mail, sms, push]
  - id: guide
    after: {hours: 5}
    message: written
    by: [mail, push, sms]
    skip_when: {seen: {event: feature.used, named: guide}}
    pointless_after_hours: 20
  - id: started
    after: {of: entry, days: 1, at: 10:30}
    sooner_on: {event: feature.used, named: setup}
    branch:
      - to: mistakes
        when: {seen: {event: feature.used, named: setup, within_days: 1}}
      - to: need-a-hand
  - id: mistakes
    after: {hours: 3, minutes: 7}
    message: written
    by: [push, mail]
    then: check-in
  - id: need-a-hand
    message: written
    by: [sms, mail]
  - id: call
    after: {hours: 6}
    message: spoken
    by: [voice]
    when: {tier: [basic]}
  - id: check-in
    after: {of: entry, days: 2, at: 16:00}
    ask: Call them.
    when: {tier: [vip, core]}
  - id: more
    after: {minutes: 40}
    message: written
    by: [mail]
  - id: thanks
    message: written
    basis: service
    by: [mail, push]
"""

_WRITTEN = {
    "mail.subject.txt": "Hello",
    "mail.txt": "Hello {{ name }}\n{{ unsubscribe }}\n",
    "mail.html": "<p>Hello {{ name }}</p>",
    "sms.txt": "Hello",
    "push.title.txt": "Hello",
    "push.txt": "Hello",
}


def templates() -> list[Template]:
    """Words of the journey's messages, too short to be sent to anybody."""
    return [
        Template(name, language, parts)
        for name, parts in (("written", _WRITTEN), ("spoken", {"voice.txt": "Hello {{ name }}"}))
        for language in ("pl", "cs", "en")
    ]


def journey(text: str = JOURNEY) -> JourneyFile:
    """The journey."""
    return read_journey(text, "trial.yaml")


@dataclass
class Input:
    """What both runs begin with."""

    entrants: Sequence[Entrant]
    feed: Sequence[Fed]

    @property
    def all(self) -> list[Fed]:
        """Every event in its order, activations too; of those at one instant the activation comes first."""
        return sorted([*(one.activation() for one in self.entrants), *self.feed], key=lambda one: one.at)


def some_input(seed: int, count: int, directory: Path, policy: Policy, *, events: int = 2) -> Input:
    """Customers of all kinds, and what they do, at any second of two days."""
    chance = random.Random(seed)
    people = ["ref,name,email,phone,language,time_zone,tier,preferred_channel,window_start,window_end,device,"
              "consent_onboarding_mail,consent_onboarding_sms,consent_onboarding_push,consent_onboarding_voice,"
              "activated_at"]  # fmt: skip
    told = []
    for number in range(count):
        ref = f"C-{number}"
        at = BEGAN + timedelta(seconds=chance.randrange(36 * 3600))
        hours = chance.choice([",", ",", "07:30,11:10", "20:30,23:00", "13:00,06:45"])
        cells = [
            ref,
            f"Customer {number}",
            f"c{number}@example.com" if chance.random() < 0.85 else "",
            f"+4860{number:07}" if chance.random() < 0.6 else "",
            chance.choice(["pl", "cs", "en", "de", ""]),
            chance.choice(["Europe/Warsaw", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", ""]),
            chance.choice(["vip", "core", "basic", "basic"]),
            chance.choice(["", "", "mail", "sms", "push"]),
            hours,
            f"device-{number}" if chance.random() < 0.5 else "",
            *(chance.choice(["yes", "yes", "yes", "no", ""]) for _ in range(4)),
            at.isoformat(),
        ]
        people.append(",".join(cells))
        told += [_event(chance, ref, at) for _ in range(chance.randrange(events + 1))]
    (directory / "customers.csv").write_text("\n".join(people) + "\n", encoding="utf-8")
    (directory / "events.jsonl").write_text("".join(f"{line}\n" for line in told), encoding="utf-8")
    entrants = read_customers(directory / "customers.csv", policy, began=BEGAN)
    feed = read_events(directory / "events.jsonl", entrants.refs)
    assert entrants.told == []
    assert feed.told == []
    return Input(entrants.good, feed.good)


_EVENTS = (
    ("feature.used", '"feature": "guide"'),
    ("feature.used", '"feature": "setup"'),
    ("feature.used", '"feature": "setup"'),
    ("goal.reached", '"goal": "settled-in"'),
    ("customer.churned", ""),
    ("consent.changed", '"purpose": "onboarding", "channel": "mail", "granted": false'),
    ("consent.changed", '"purpose": "onboarding", "channel": "all", "granted": false'),
    ("consent.changed", '"purpose": "onboarding", "channel": "sms", "granted": true'),
    ("message.bounced", "welcome hard"),
    ("message.complained", "welcome"),
)


def _event(chance: random.Random, ref: str, since: datetime) -> str:
    kind, said = chance.choice(_EVENTS)
    at = (since + timedelta(seconds=chance.randrange(60, 40 * 3600))).isoformat()
    if kind.startswith("message."):
        step, _, hard = said.partition(" ")
        data = f'"message": "journey/trial/{ref}/1/{step}", "at": "{at}"' + (', "kind": "hard"' if hard else "")
    else:
        data = f'"customer": {{"ref": "{ref}"}}, "at": "{at}"' + (f", {said}" if said else "")
    return f'{{"type": "{kind}", "timestamp": "{at}", "data": {{{data}}}}}'


def simulated(given: Input, policy: Policy, until: datetime, template: Path, directory: Path) -> "Outcome":
    """The same in virtual time."""
    database = _database(template, directory / "virtual.db")
    world = World(_trial(policy, until), database, directory)
    try:
        world.let_in(given.entrants)
        world.run(given.all)
        return outcome(database)
    finally:
        world.close()


def simulation(given: Input, policy: Policy, until: datetime, template: Path, directory: Path) -> Simulated:
    """What a simulation tells of it."""
    world = World(_trial(policy, until), _database(template, directory / "told.db"), directory)
    try:
        world.let_in(given.entrants)
        world.run(given.all)
        return world.told(given.entrants)
    finally:
        world.close()


def _trial(policy: Policy, until: datetime) -> Trial:
    file = journey()
    return Trial(file.journey, file.hash, policy, BEGAN, until, frozenset(SERVED))


def _database(template: Path, path: Path) -> Database:
    path.write_bytes(template.read_bytes())
    return Database(sqlite_url(path), is_kept=False)


@dataclass
class Outcome:
    """What became of everybody, as a database has it."""

    actions: dict[str, dict[str, Any]]
    """By key: state, channel, reason; `due_at` and `sent_at`."""
    enrolments: dict[str, dict[str, Any]]
    """By customer's ref."""
    vendors: dict[Capability, list[str]] = field(default_factory=dict)
    """The keys of what each outside system did, by its own record."""


def outcome(database: Database) -> Outcome:
    """How a database stands."""
    found = (
        select(actions, receipts.c.at.label("sent_at"))
        .outerjoin(receipts, receipts.c.action_id == actions.c.id)
        .order_by(actions.c.id)
    )
    who = select(enrolments, customers.c.ref).join(customers, customers.c.id == enrolments.c.customer_id)
    with database.read() as connection:
        acted = {
            row.key: {
                "state": row.state,
                "channel": None if row.state == "skipped" else row.capability,
                "reason": row.reason,
                "due_at": row.due_at,
                "sent_at": row.sent_at,
            }
            for row in connection.execute(found)
        }
        entered = {
            row.ref: {
                "state": row.state,
                "reason": row.reason,
                "step": row.step,
                "entered_at": row.entered_at,
                "due_at": row.due_at,
                "previous_at": row.previous_at,
            }
            for row in connection.execute(who)
        }
    return Outcome(acted, entered)


class Clock:
    """Business time, as the real run is told it."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> datetime:
        return self.now


async def happened(given: Input, policy: Policy, until: datetime, template: Path, directory: Path) -> Outcome:
    """The same for real: the planner every minute and after each event, the dispatcher whenever something is due."""
    database, clock = _database(template, directory / "real.db"), Clock()
    classes = {Capability.CRM: WriteClass.B}
    vendors = {of: FakeVendor(of, classes.get(of, WriteClass.D)) for of in SERVED}
    settings = Settings.model_validate({"data": directory, "link_secret": "0123456789abcdef" * 2})
    roster = Roster([vendor.configured() for vendor in vendors.values()])
    async with Handrail(settings, database, policy, roster, clock=clock) as handrail:
        let_in(database, policy, given.entrants, now=BEGAN)
        run = _Real(handrail, clock, given.all)
        while clock.now < until:
            await run.minute()
        done = outcome(database)
    done.vendors = {of: [key for _, key, _ in vendor.effects] for of, vendor in vendors.items()}
    return done


@dataclass
class _Real:
    handrail: Handrail
    clock: Clock
    coming: list[Fed]
    journeys: Journeys = field(default_factory=Journeys)

    def __post_init__(self) -> None:
        self.coming = list(reversed(self.coming))

    async def minute(self) -> None:
        """One minute: plan, then whatever is due and whatever happens in it, each at its instant."""
        ends = self.clock.now + timedelta(minutes=1)
        self._plan()
        while True:
            due = self._next_due()
            event_at = self.coming[-1].at if self.coming else ends
            if due is not None and due <= event_at and due < ends:
                self.clock.now = max(self.clock.now, due)
                await self._dispatch()
            elif event_at < ends:
                self.clock.now = event_at
                self._take(self.coming.pop())
                self._plan()
            else:
                self.clock.now = ends
                return

    def _plan(self) -> None:
        run_drip(self.handrail.database, self.handrail.policy, self.journeys, run="real", now=self.clock.now)

    def _next_due(self) -> datetime | None:
        ready = select(func.min(actions.c.due_at)).where(actions.c.state == "ready")
        with self.handrail.database.read() as connection:
            return connection.execute(ready).scalar()

    async def _dispatch(self) -> None:
        taken = 0
        for capability in SERVED:
            taken += (await self.handrail.dispatcher.run_once(capability=capability, run="real")).taken
        assert taken, "what is due is not taken"
        replan_changed(self.handrail.database, self.handrail.policy, run="real", now=self.clock.now)

    def _take(self, fed: Fed) -> None:
        take_fed(self.handrail.database, self.handrail.policy, self.journeys, [fed], now=self.clock.now)
