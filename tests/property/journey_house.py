"""A journey, its customers and who works on it. What is true of each is remembered here, never read from the books."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from crew import Crew
from journeys_world import JourneysWorld
from ledger_house import Process, Proofs
from ledger_outside import APPLIED, ENDS, Outside
from ledger_world import POLICY
from sqlalchemy import insert

from domain.actions import FINAL, UNSENT, Basis, Capability, State
from integrations.errors import AuthFailed, NotSent, OutcomeUnknown, RateLimited, Rejected
from services.journeys import Journeys
from services.outcomes import Outcome, as_result, failed_before_sending
from services.wiring import Handrail
from store import customers as people
from store.database import Database
from store.groupcommit import GroupCommit
from store.integrations import note_sends
from store.ledger.rows import Armed
from store.tables import metadata

PLACES = {
    "C-0": "Europe/Warsaw",
    "C-1": "Australia/Lord_Howe",
    "C-2": "Africa/Casablanca",
    "C-3": "Pacific/Apia",
}
BEGINNINGS = (
    datetime(2026, 3, 27, 10, tzinfo=UTC),  # Warsaw's clocks leap in two days
    datetime(2026, 10, 3, 1, tzinfo=UTC),  # Lord Howe's leap by half an hour
    datetime(2026, 2, 13, 18, tzinfo=UTC),  # Casablanca's go back for Ramadan
    datetime(2011, 12, 28, 21, tzinfo=UTC),  # Apia is about to lose a day
)
CHANNELS = ("mail", "sms")
OPENS, CLOSES = time(9), time(19)

_SETUP = {"seen": {"event": "feature.used", "named": "setup"}}
_GUIDE = {"seen": {"event": "feature.used", "named": "guide"}}
JOURNEY: dict[str, Any] = {
    "name": "onboarding",
    "version": 1,
    "about": "new customers",
    "purpose": "onboarding",
    "enters": {"on": "customer.activated"},
    "goal": {"event": "goal.reached", "named": "settled-in"},
    "at_goal": "thanks",
    "exits": [{"event": "customer.churned"}, {"event": "customer.replied"}],
    "window": {"starts": f"{OPENS:%H:%M}", "ends": f"{CLOSES:%H:%M}"},
    "steps": [
        {"id": "welcome", "message": "welcome", "basis": "service", "by": ["mail", "sms"]},
        {
            "id": "guide",
            "message": "welcome",
            "by": ["mail", "sms"],
            "after": {"days": 1, "at": "10:00"},
            "skip_when": _GUIDE,
            "pointless_after_hours": 72,
        },
        {
            "id": "fork",
            "after": {"days": 2},
            "sooner_on": {"event": "feature.used", "named": "setup"},
            "branch": [{"to": "tips", "when": _SETUP}, {"to": "help"}],
        },
        {"id": "tips", "message": "welcome", "by": ["mail"], "after": {"hours": 5}, "then": "check"},
        {"id": "help", "message": "welcome", "by": ["sms", "mail", "person"], "skip_when": _SETUP},
        {"id": "check", "ask": "see how they get on", "after": {"days": 1, "at": "10:00"}},
        {"id": "thanks", "message": "welcome", "basis": "service", "by": ["mail", "sms"]},
    ],
}
BEFORE = {
    "welcome": [],
    "guide": ["welcome"],
    "tips": ["welcome", "guide"],
    "help": ["welcome", "guide"],
    "check": ["welcome", "guide"],
    "thanks": [],
}
"""The steps that must be over before one; of tips and help one."""
DONE_BY = {"guide": "guide", "help": "setup"}
"""What makes a step needless."""


@dataclass
class Person:
    """What is true of one customer."""

    id: int
    place: ZoneInfo
    consent: dict[str, bool] = field(default_factory=dict)  # to onboarding, by channel; who was never asked is not here
    suppressed: set[str] = field(default_factory=set)
    did: list[tuple[str, datetime]] = field(default_factory=list)
    entered_at: datetime | None = None
    over: str | None = None  # their journey is over, and why
    is_locked: bool = False
    is_erased: bool = False

    @property
    def refuses(self) -> bool:
        """They were asked, and allow no channel."""
        return bool(self.consent) and not any(self.consent.values())

    def has_done(self, what: str) -> bool:
        """They used it."""
        return any(name == what for name, _ in self.did)


class House(Crew):
    """One history."""

    def __init__(self, database: Database) -> None:
        self.database, self.world, self.journeys = database, JourneysWorld(database, POLICY), Journeys()
        self.set_back = timedelta()
        self.outside = Outside({}, self.true_now)
        self.processes = [Process(f"w{number}") for number in range(2)]
        self.writer, self.proofs, self.deaths = GroupCommit(database), Proofs(), 0
        self.is_stopped = False
        self.people: dict[str, Person] = {}
        self.contacts: dict[str, tuple[str, datetime]] = {}
        self.sent_again_by_people: Counter[str] = Counter()
        self.did: Counter[str] = Counter()

    def begin(self, now: datetime, consents: Sequence[Sequence[bool | None]]) -> None:
        """Somebody lives in each place, and the journey is live."""
        self.world.now = now
        content = {"hash": "onboarding-1", "name": "onboarding", "version": 1, "content": JOURNEY}
        with self.database.write() as connection:
            approved = {"published_at": now, "approved_at": now, "approved_by": "test"}
            connection.execute(insert(metadata.tables["journeys"]).values(**content, **approved))
        for (ref, place), said in zip(PLACES.items(), consents, strict=True):
            made = self.world.customer(ref, time_zone=place, language="en", tier="core")
            person = self.people[ref] = Person(made, ZoneInfo(place))
            for channel, granted in zip(CHANNELS, said, strict=True):
                if granted is not None:
                    self.consent(ref, channel, granted=granted)
            assert person.over is None

    @property
    def handrail(self) -> Handrail:
        """As much of an installation as recovery needs."""
        parts = SimpleNamespace(
            database=self.database,
            writer=self.writer,
            roster=self.outside.roster({}),
            policy=POLICY,
            settings=SimpleNamespace(lease_seconds=20.0),
            lifelines=self.proofs,
            clock=lambda: self.world.now,
        )
        return cast(Handrail, parts)

    def true_now(self) -> datetime:
        """The time outside, which goes on whatever somebody does to our clocks."""
        return self.world.now + self.set_back

    def consent(self, ref: str, channel: str, *, granted: bool) -> None:
        """What a customer says to onboarding by one channel."""
        person = self.people[ref]
        with self.database.write() as connection:
            people.set_consent(connection, person.id, "onboarding", channel, granted=granted, now=self.world.now)
        person.consent[channel] = granted
        if person.refuses:
            self.end(person, "refused")

    def end(self, person: Person, why: str) -> None:
        """Whoever was under way is not any more; nor is anybody thanked who leaves or is silenced after the goal."""
        is_under_way = person.over is None or (person.over == "goal" and why in {"churn", "locked", "erased"})
        if person.entered_at is not None and is_under_way:
            person.over = why
            self.did[f"journey ended: {why}"] += 1

    # -- workers ------------------------------------------------------------------------------------------------

    def reserve(self, process: Process, capability: Capability, lane: str, limit: int) -> None:
        """Step one of a claim."""
        rows = self.world.reserve(capability, lane=lane, limit=limit, worker=process.worker)
        assert not (rows and self.is_stopped)
        process.reserved[capability] += rows

    def arm(self, process: Process, capability: Capability) -> None:
        """Step two; nothing is armed that somebody or something forbids now."""
        rows = process.reserved.pop(capability, [])
        window = self.world.arm(rows, capability, worker=process.worker)
        process.reserved[capability] = window.left
        for _, verdict in window.moved:
            self.did[f"arming: {type(verdict).__name__.lower()}"] += 1
        assert not (window.armed and self.is_stopped)
        for armed in window.armed:
            self._check_arming(armed)
            self.did[f"armed: {armed.key.rpartition('/')[2]}"] += 1
            process.armed.append((armed, True))

    def _check_arming(self, armed: Armed) -> None:
        """P4, P7, P13: by what is true of the customer now."""
        _, journey, ref, number, step = armed.key.split("/")
        assert (journey, number) == ("onboarding", "1")
        person, now = self.people[ref], self.world.now
        assert person.entered_at is not None
        assert not person.is_erased
        assert person.over == ("goal" if step == "thanks" else None), f"{step} after {person.over}"
        assert not (step in DONE_BY and person.has_done(DONE_BY[step])), f"{step} though they have done it"
        self._check_order(ref, step)
        if armed.basis is Basis.INTERNAL:
            return
        assert not person.is_locked
        assert armed.capability.value not in person.suppressed
        local = now.astimezone(person.place).time()
        assert OPENS <= local < CLOSES, f"{step} at {local}"
        if armed.basis is Basis.PROACTIVE:
            assert person.consent.get(armed.capability.value) is True
            since = now - timedelta(days=POLICY.contact.cap.days)
            others = [at for key, (whose, at) in self.contacts.items() if whose == ref and key != armed.key]
            assert sum(at > since for at in others) < POLICY.contact.cap.contacts
            self.contacts[armed.key] = (ref, now)

    def _check_order(self, ref: str, step: str) -> None:
        states = self.world.states()
        for before in BEFORE[step]:
            assert states[f"journey/onboarding/{ref}/1/{before}"] in FINAL, f"{step} before {before} was over"
        if step == "check":
            either = [states.get(f"journey/onboarding/{ref}/1/{way}") for way in ("tips", "help")]
            assert [state in FINAL for state in either if state is not None] == [True]

    def send(self, process: Process, ends: Sequence[str]) -> None:
        """The sockets open; each send ends well or badly, and its answer is on the way."""
        for number, (armed, in_time) in enumerate(process.armed):
            end = ends[number % len(ends)]
            if not in_time:
                process.answers.append(failed_before_sending(armed, "stopped before sending", retry=True))
                continue
            self.did[f"sent: {end}"] += 1
            receipt = self.outside.write(armed.capability, armed.key) if end in APPLIED else None
            process.answers.append(Outcome(armed, receipt=receipt if ENDS[end] is None else None, problem=ENDS[end]))
        process.armed = []

    def record(self, process: Process) -> None:
        """The answers are written down."""
        answers, process.answers = process.answers, []
        for capability in sorted({outcome.action.capability for outcome in answers}):
            its = [outcome for outcome in answers if outcome.action.capability is capability]
            name, now = f"{capability} via fake", self.world.now
            results = [as_result(outcome, POLICY.retry, now=now) for outcome in its]
            self.world.record(*results, worker=process.worker, integration=name, now=now)
            problems = [outcome.problem for outcome in its]
            note_sends(
                self.database,
                name,
                successes=sum(problem is None or isinstance(problem, Rejected) for problem in problems),
                failures=sum(isinstance(problem, NotSent | OutcomeUnknown) for problem in problems),
                reason="silent",
                refused_credentials="renew" if any(isinstance(problem, AuthFailed) for problem in problems) else None,
                retry_after=90 if any(isinstance(problem, RateLimited) for problem in problems) else None,
                rules=POLICY.breaker,
                now=now,
            )

    def stop_a_process(self, process: Process, *, for_good: bool) -> None:
        """Killed, or stopped past its leases to go on later: what it armed and has not sent, it must not send then."""
        held = {row.key for row in self.world.rows("actions") if row.claimed_by == process.name and row.lease_until}
        if held:
            self.world.kill(*held)
        process.armed = [(armed, False) for armed, _ in process.armed]
        if for_good:
            self.deaths += 1
            self.did["died holding something"] += 1
            self.processes[self.processes.index(process)] = Process(f"w after {self.deaths} deaths")

    def under_way(self) -> dict[str, str]:
        """Enrolments that are neither over nor wait where a person looks; and unsent actions of those that are over."""
        rows = {row.id: row for row in self.world.rows("actions")}
        seen = {State.NEEDS_HUMAN, State.FAILED, State.AWAITING_REVIEW}
        waiting = {row.enrolment_id for row in rows.values() if row.state in seen}
        active = {
            f"enrolment {row.id}": f"{row.step} due {row.due_at}"
            for row in self.world.rows("enrolments")
            if row.state == "active" and row.id not in waiting
        }
        held = {row.id for row in rows.values() if row.state in seen}  # what follows one of these waits with it
        open_ones = [row for row in rows.values() if row.state in UNSENT | {State.SENDING, State.UNCERTAIN}]
        return active | {row.key: row.state for row in open_ones if row.after_id not in held}
