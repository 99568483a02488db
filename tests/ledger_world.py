"""A small world around the ledger, for tests: a policy, people, plans, and a worker's steps by name."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import Row, Table, delete, event, insert, select, update

from domain.actions import Basis, Capability, Kind, State, is_legal
from domain.breaker import BreakerRules
from domain.channels import Channel, ChannelRules, Confidentiality
from domain.contact import FrequencyCap
from domain.customers import Customer, Purpose, Tier
from domain.depletion import DepletionPolicy
from domain.distress import Category, DistressRules
from domain.ending_rules import CallRules, EndingRules, ExpiryPolicy
from domain.entitlements import EntitlementKind
from domain.gates import DataSet, GatePolicy, GateRules
from domain.hours import ContactWindow, QuietHours
from domain.journey_rules import JourneyPolicy
from domain.planning import Payload, PlannedAction
from domain.policy import (
    CasePolicy,
    ContactPolicy,
    HumanContact,
    NightCase,
    PageRules,
    Policy,
    Priority,
    RecoverySurveyRules,
    RetryRules,
    SurveyPolicy,
    Teams,
)
from domain.review_rules import NOTHING_IS_RISKY as NO_RULES
from domain.review_rules import CanaryRules, OnCall, ReviewPolicy, Risk, RiskRules, Way
from domain.staffing import OpenHours, Staffing, Weekday
from domain.surveys import SurveyKind, Thresholds
from domain.triage import Acknowledge, Topic, TriageRules
from domain.value import ValuePolicy
from store import customers as people
from store.database import Database
from store.integrations import register
from store.ledger.arm import Target, Window, arm
from store.ledger.enqueue import About, enqueue
from store.ledger.record import record
from store.ledger.reserve import reserve
from store.ledger.rows import (
    Armed,
    Reserved,
    Result,
    Worker,
    actions,
    audit,
    chain_head,
    controls,
    evidence,
    integration_state,
)
from store.ledger.sweep import Swept, sweep_leases
from store.tables import metadata

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
"""A Wednesday, noon in Warsaw: nobody sleeps, somebody is at work."""

NIGHT = datetime(2026, 3, 4, 23, tzinfo=UTC)
"""Midnight in Warsaw."""

MORNING = datetime(2026, 3, 5, 7, tzinfo=UTC)
"""The end of that night: 08:00 in Warsaw."""

NOTHING_IS_RISKY = ReviewPolicy(
    classes={
        Risk.LOW: RiskRules(1, frozenset(Way), frozenset({"on_call"}), 480, False, 0, False),
        Risk.MEDIUM: RiskRules(1, frozenset({Way.PAGE}), frozenset({"on_call"}), 480, True, 0, False),
        Risk.HIGH: RiskRules(2, frozenset({Way.PAGE}), frozenset({"lead"}), 240, False, 0, True),
    },
    rules=NO_RULES,
    canary=CanaryRules((10, 100), 15, 0.05, 0.01, 0.1, 0.05),
    on_call=OnCall("Europe/Warsaw", ("Ewa Lis", "Jan Nowak"), date(2026, 1, 5), Weekday.MONDAY, time(9)),
)
"""No rule is on: a test that is about reviews replaces `rules`."""

POLICY = Policy(
    company="Example",
    languages=("pl", "cs", "en"),
    default_language="en",
    default_time_zone="Europe/Warsaw",
    human={tag: HumanContact("+48 22 000 00 00", "care@example.com", "8-18") for tag in ("pl", "cs", "en")},
    teams=Teams(critical_answer="Customer Retention", distress="Care"),
    survey=SurveyPolicy(
        thresholds={
            SurveyKind.NPS: Thresholds(critical_at_most=6, promoter_at_least=9),
            SurveyKind.CSAT: Thresholds(critical_at_most=2, promoter_at_least=4),
            SurveyKind.CES: Thresholds(critical_at_most=3, promoter_at_least=6),
        },
        priority=Priority.CRITICAL,
        answer_minutes={Tier.VIP: 60, Tier.CORE: 120, Tier.BASIC: 240},
        acknowledge_within_hours=48,
        acknowledge_answers_up_to_hours=72,
    ),
    cases=CasePolicy(
        read_desk_seconds=60,
        pages=PageRules(
            nobody_took_it_minutes=15,
            at_night_minutes=30,
            at_night=frozenset({NightCase.DISTRESS, NightCase.VIP}),
            times=3,
            promise_warning_minutes=20,
        ),
        bad_peak_at_most={SurveyKind.NPS: 1, SurveyKind.CSAT: 1, SurveyKind.CES: 1},
        recovery_survey=RecoverySurveyRules(
            after_hours=48, basis=Basis.SERVICE, link="https://survey.example.com/{reference}", reopens_within_days=14
        ),
    ),
    staffing=Staffing("Europe/Warsaw", dict.fromkeys(Weekday, (OpenHours(time(8), time(18)),))),
    contact=ContactPolicy(quiet=QuietHours(time(20), time(8)), cap=FrequencyCap(contacts=2, days=7)),
    distress=DistressRules({Category.BEREAVEMENT: {"en": ("passed away",)}, Category.LEGAL: {"en": ("lawyer*",)}}),
    triage=TriageRules(
        0.6,
        Acknowledge.SIGNED_IN,
        {Topic.BILLING: {"en": ("invoice*",)}},
        {"en": ("immediately",)},
        {"en": ("furious",)},
    ),
    breaker=BreakerRules(open_after_failures=3, probe_seconds=5, probe_longest_seconds=60),
    retry=RetryRules(first_seconds=1, longest_seconds=60, max_attempts=5),
    gates=GatePolicy(
        data_sets=dict.fromkeys(
            DataSet,
            GateRules(
                compared_with=5,
                volume_at_least=0.7,
                volume_at_most=1.5,
                broken_at_most=0.05,
                shares_fall_at_most=0.2,
                newest_within_days=None,
                stale_after_hours=48,
            ),
        ),
        events_stale_after_hours=720,
    ),
    value=ValuePolicy(
        currency="EUR",
        rates={"EUR": 1, "PLN": 0.25, "CZK": 0.04},
        months=24,
        tiers={Tier.VIP: 100_000, Tier.CORE: 20_000, Tier.BASIC: 0},
        at_risk={EntitlementKind.SUBSCRIPTION: 1.0, EntitlementKind.POLICY: 1.0, EntitlementKind.SUPPLY: 0.5},
    ),
    channels={
        Channel.MAIL: ChannelRules(1, Confidentiality.PERSONAL),
        Channel.PUSH: ChannelRules(1, Confidentiality.OPEN),
        Channel.SMS: ChannelRules(8, Confidentiality.OPEN),
        Channel.VOICE: ChannelRules(60, Confidentiality.PERSONAL),
        Channel.PERSON: ChannelRules(900, Confidentiality.CONFIDENTIAL),
    },
    reviews=NOTHING_IS_RISKY,
    depletion=DepletionPolicy(purchases_at_least=3, share_inside=0.8, quiet_after_days=60),
    expiry=ExpiryPolicy(
        kinds={
            EntitlementKind.SUBSCRIPTION: EndingRules((30, 14, 3), Confidentiality.PERSONAL, frozenset({Tier.CORE})),
            EntitlementKind.POLICY: EndingRules((45, 14, 3), Confidentiality.CONFIDENTIAL, frozenset()),
            EntitlementKind.SUPPLY: EndingRules((7, 1), Confidentiality.PERSONAL, frozenset({Tier.BASIC, Tier.CORE})),
        },
        tasks_go_to={Tier.VIP: "Key Accounts", Tier.CORE: "Renewals", Tier.BASIC: "Renewals"},
        distress_tasks_go_to="Care",
        relief=dict.fromkeys(EntitlementKind, "a pause without a fee"),
        high_value_at_least=50_000,
        calls=CallRules(
            basis=Basis.PROACTIVE,
            purpose=Purpose.REMINDERS,
            attempts=3,
            outcome_within_hours=4,
            windows=dict.fromkeys(Tier, ContactWindow(time(16), time(19))),
        ),
    ),
    journeys=JourneyPolicy(
        look_ahead_minutes=15,
        spread_minutes=60,
        late_after_minutes=30,
        contact_costs_at_most={Tier.VIP: 900, Tier.CORE: 900, Tier.BASIC: 60},
        tasks_go_to=dict.fromkeys(Tier, "Customer Success"),
        call_me_goes_to="Customer Success",
        call_me_minutes=240,
    ),
)

SERVED = (Capability.CRM, Capability.TICKETING, Capability.MAIL, Capability.SMS, Capability.VOICE)
ADDRESS = {Capability.MAIL: "email", Capability.SMS: "phone", Capability.VOICE: "phone"}
WORKER = Worker("worker-1", "run-1")


def a_plan(key: str = "k", **changes: Any) -> PlannedAction:
    """An internal task due at noon, changed as asked."""
    plan = PlannedAction(
        key=key,
        kind=Kind.TASK,
        basis=Basis.INTERNAL,
        capability=Capability.CRM,
        payload=Payload("task/1", {"says": key}),
        due_at=NOON,
    )
    return replace(plan, **changes)


def a_message(key: str = "m", **changes: Any) -> PlannedAction:
    """A proactive mail due at noon, changed as asked."""
    outward = {"basis": Basis.PROACTIVE, "kind": Kind.MESSAGE, "capability": Capability.MAIL, "purpose": "reminders"}
    return a_plan(key, **{**outward, **changes})


_SENDING = (State.CLAIMED, State.SENDING)
_WAYS = {
    State.READY: (),
    State.PLANNED: (State.PLANNED,),
    State.AWAITING_REVIEW: (State.PLANNED, State.AWAITING_REVIEW),
    State.CLAIMED: (State.CLAIMED,),
    State.NEEDS_HUMAN: (State.CLAIMED, State.NEEDS_HUMAN),
    State.SENDING: _SENDING,
    **{end: (end,) for end in (State.SKIPPED, State.CANCELLED, State.EXPIRED)},
    **{end: (*_SENDING, end) for end in (State.DONE, State.FAILED, State.UNCERTAIN)},
}


def let_pass(database: Database, passed: timedelta) -> None:
    """Time passes by the database's clock, for rows whose answer was lost; leases end by `World.kill`."""
    with database.write() as connection:
        waiting = select(actions.c.id, actions.c.next_check_at).where(actions.c.next_check_at.is_not(None))
        for row in connection.execute(waiting).all():
            earlier = update(actions).where(actions.c.id == row.id).values(next_check_at=row.next_check_at - passed)
            connection.execute(earlier)


class World:
    """One database with every integration registered, and short words for what tests do to it."""

    def __init__(self, database: Database, policy: Policy = POLICY) -> None:
        self.database = database
        self.policy = policy
        self.now = NOON
        with database.write() as connection:
            for capability in SERVED:
                register(connection, f"{capability} via fake", capability, "fake", now=NOON)

    def customer(self, ref: str = "C-1", *, consents: bool = True, **facts: Any) -> int:
        """A customer with a mail address and a phone; they allowed reminders on every channel unless told."""
        reachable = {"email": f"{ref.lower()}@example.com", "phone": f"+4860{crc32(ref.encode()) % 10_000_000:07}"}
        with self.database.write() as connection:
            made = people.create(connection, Customer(ref, **{**reachable, **facts}), now=self.now)
            for channel in ("mail", "sms", "voice") if consents else ():
                people.set_consent(connection, made, "reminders", channel, granted=True, now=self.now)
        return made

    def put(self, *planned: PlannedAction, run: str = "planner", **about: int | None) -> dict[str, int]:
        """Enqueue."""
        with self.database.write() as connection:
            return enqueue(connection, planned, About(**about), run=run, now=self.now)

    def reserve(
        self,
        capability: Capability = Capability.CRM,
        *,
        lane: str = "normal",
        limit: int = 100,
        worker: Worker = WORKER,
        lease_seconds: float = 20,
        now: datetime | None = None,
        **how: Any,
    ) -> list[Reserved]:
        """Step one of a claim."""
        with self.database.write() as connection:
            return reserve(
                connection,
                capability=capability,
                lane=lane,
                worker=worker,
                lease_seconds=lease_seconds,
                limit=limit,
                now=now or self.now,
                **how,
            )

    def arm(
        self,
        rows: Sequence[Reserved],
        capability: Capability = Capability.CRM,
        *,
        worker: Worker = WORKER,
        lease_seconds: float = 20,
        rate: float | None = None,
        now: datetime | None = None,
        policy: Policy | None = None,
    ) -> Window:
        """Step two of a claim."""
        target = Target(f"{capability} via fake", capability, rate, ADDRESS.get(capability))
        with self.database.write() as connection:
            return arm(
                connection,
                rows,
                target,
                worker=worker,
                lease_seconds=lease_seconds,
                policy=policy or self.policy,
                now=now or self.now,
            )

    def take(self, capability: Capability = Capability.CRM, **how: Any) -> list[Armed]:
        """Both steps; what may be sent."""
        rate = how.pop("rate", None)
        shared = {name: how[name] for name in ("worker", "lease_seconds", "now") if name in how}
        return self.arm(self.reserve(capability, **how), capability, rate=rate, **shared).armed

    def record(
        self, *results: Result, worker: Worker = WORKER, integration: str = "crm via fake", now: datetime | None = None
    ) -> list[Result]:
        """Write down results; those refused."""
        with self.database.write() as connection:
            refused = record(connection, results, integration=integration, worker=worker, now=now or self.now).refused
            return list(refused)

    def sweep(self, run: str = "sweeper") -> list[Swept]:
        """Take over what the dead held."""
        with self.database.write() as connection:
            return sweep_leases(connection, run=run, now=self.now)

    def kill(self, *keys: str) -> None:
        """The worker of these rows is dead: its lease is over, by the database's clock."""
        with self.database.write() as connection:
            connection.execute(
                update(actions)
                .where(actions.c.key.in_(keys) if keys else actions.c.lease_until.is_not(None))
                .values(lease_until=datetime(2000, 1, 1, tzinfo=UTC))
            )

    def wait(self, seconds: float) -> None:
        """Time passes, by everybody's clock."""
        self.now += timedelta(seconds=seconds)
        let_pass(self.database, timedelta(seconds=seconds))

    def checked_in(self, key: str) -> float:
        """Seconds until recovery looks at a lost answer; the database's clock is this machine's."""
        at: datetime = self.row(key).next_check_at
        return (at - datetime.now(UTC)).total_seconds()

    def stop(self, stopped: bool = True) -> None:
        """The kill switch, as it stands in the database."""
        with self.database.write() as connection:
            connection.execute(update(controls).values(stopped=stopped))

    def integration(self, capability: Capability, **values: Any) -> None:
        """Change what is known of an integration."""
        with self.database.write() as connection:
            connection.execute(
                update(integration_state).where(integration_state.c.capability == capability).values(**values)
            )

    def force(self, key: str, state: State) -> None:
        """Bring a ready action to a state by legal moves."""
        for step in _WAYS[state]:
            self.change(key, state=step)

    def case(self, customer_id: int) -> int:
        """An open case of a customer."""
        facts = {"reason": "nps 0", "team": "Retention", "priority": "critical", "answer_by": NOON, "opened_at": NOON}
        return self.add("cases", customer_id=customer_id, number=1, state="open", version=1, **facts)

    def bump_case(self, case_id: int) -> None:
        """Something about a case changes."""
        cases = metadata.tables["cases"]
        with self.database.write() as connection:
            connection.execute(update(cases).where(cases.c.id == case_id).values(version=cases.c.version + 1))

    def bump(self, customer_id: int) -> None:
        """A fact that messages rest on changes."""
        customers = metadata.tables["customers"]
        with self.database.write() as connection:
            connection.execute(
                update(customers).where(customers.c.id == customer_id).values(version=customers.c.version + 1)
            )

    def review(self, key: str, *, state: str, payload_hash: str | None = None) -> int:
        """A review of an action as it stands (or of another payload), which it waits for; its id."""
        made = self.add(
            "reviews",
            state=state,
            risk="low",
            payload_hash="asked",
            initiator="planner",
            reviewers_needed=1,
            deadline=NOON + timedelta(hours=4),
            created_at=NOON,
            collect_until=NOON,
            **{"subject": "actions", "what": key, "rules": ["vip"], "group_key": f"{key}|low|vip", "content": {}},
            **{"revision": 1, "count": 1, "told": -1, "stage": 0, "released": 0},
        )
        self.change(key, review_id=made, reviewed_hash=payload_hash or self.row(key).payload_hash)
        return made

    def change(self, key: str, **values: Any) -> None:
        """Change an action's columns by force."""
        with self.database.write() as connection:
            connection.execute(update(actions).where(actions.c.key == key).values(**values))

    def pass_gate(self, data_set: str = "entitlements", feed: str = "crm", **values: Any) -> int:
        """A batch that was let through."""
        told = {
            "batch": "b",
            "origin": "f.csv",
            "rows": 1,
            "broken": 0,
            "findings": [],
            "measures": {},
            "run": "import",
        }
        verdict = {"verdict": "pass", "decided_at": self.now}
        return self.add("gates", data_set=data_set, feed=feed, **{**told, **verdict, **values})

    def add(self, table: str, **values: Any) -> int:
        """Insert a row; its id (for tables that have one)."""
        into: Table = metadata.tables[table]
        with self.database.write() as connection:
            made = connection.execute(insert(into).values(**values))
            return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0

    def row(self, key: str) -> Row[Any]:
        """An action as it stands."""
        with self.database.read() as connection:
            return connection.execute(select(actions).where(actions.c.key == key)).one()

    def state(self, key: str) -> State:
        """Where an action stands."""
        return State(self.row(key).state)

    def states(self) -> dict[str, State]:
        """Where every action stands."""
        with self.database.read() as connection:
            return {row.key: State(row.state) for row in connection.execute(select(actions))}

    def rows(self, table: str) -> list[Row[Any]]:
        """All rows of a table, in order."""
        wanted: Table = metadata.tables[table]
        with self.database.read() as connection:
            return list(connection.execute(select(wanted).order_by(*wanted.primary_key)))

    def story(self, key: str) -> list[str]:
        """The states an action went through, in order."""
        with self.database.read() as connection:
            moves = select(audit.c.after).join(actions, actions.c.id == audit.c.action_id).where(actions.c.key == key)
            return list(connection.execute(moves.order_by(audit.c.id)).scalars())


def hasten(database: Database) -> Database:
    """A SQLite file of a test need not survive a power cut."""
    if database.is_sqlite:

        @event.listens_for(database.engine, "connect")
        def _connected(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous = OFF")

    return database


_TRIGGERS_OF_THE_CHAIN = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'chain'"


def empty(database: Database) -> None:
    """Take every row out but the kill switch, which is off, and the head of a chain that is empty."""
    with database.write() as connection:
        kept: list[str] = []
        if database.is_sqlite:  # the chain's triggers let nobody delete from it
            kept = list(connection.exec_driver_sql(_TRIGGERS_OF_THE_CHAIN).scalars())
            for name in re.findall(r"TRIGGER (\w+)", " ".join(kept)):
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")  # no foreign keys, no triggers
        for table in reversed(metadata.sorted_tables):
            if table not in {controls, chain_head}:
                connection.execute(delete(table))
        connection.execute(update(controls).values(stopped=False, stops=[]))
        connection.execute(update(chain_head).values(entries=0, hash=""))
        for trigger in kept:
            connection.exec_driver_sql(trigger)


def check_audit(database: Database) -> None:
    """P21: every move was legal, and replaying the moves gives the ledger as it stands."""
    with database.read() as connection:
        standing = {row.id: row for row in connection.execute(select(actions))}
        moves = connection.execute(select(audit).order_by(audit.c.id)).all()
    replayed: dict[int, tuple[str, int, int]] = {}
    for move in moves:
        before = replayed[move.action_id][0] if move.action_id in replayed else None
        assert move.before == before, f"{standing[move.action_id].key}: from {move.before}, but it stood at {before}"
        basis = Basis(standing[move.action_id].basis)
        legal = is_legal(None if before is None else State(before), State(move.after), basis=basis)
        assert legal, f"{standing[move.action_id].key}: {before} to {move.after}"
        replayed[move.action_id] = (move.after, move.revision, move.fence)
    assert replayed == {row.id: (row.state, row.revision, row.fence) for row in standing.values()}


def bound(world: World, key: str) -> dict[str, int]:
    """The facts an action rests on, with their versions."""
    with world.database.read() as connection:
        facts = select(evidence.c.fact, evidence.c.version).join(actions, actions.c.id == evidence.c.action_id)
        return {row.fact: row.version for row in connection.execute(facts.where(actions.c.key == key))}


def later(**delta: float) -> datetime:
    """Noon and then some."""
    return NOON + timedelta(**delta)
