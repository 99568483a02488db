"""A journey on a virtual clock, by the real planner, intake and ledger, in a database of its own.

Time does not tick, it leaps. A window of it is worked through at once: first what happens in it, then what is planned
and sent in it, again and again until nothing more is due. So nothing may happen to a customer after something of
theirs is due in the same window, or would have been planned already; where it would, the window ends before. What
comes of it is the same as minute by minute; a test holds the two together.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr
from sqlalchemy import Row

from data_contracts.journey_events import CustomerActivated, CustomerDid, MessageEvents
from domain.actions import Basis, Capability, Kind, State
from domain.channels import CHANNEL_OF
from domain.customers import Tier
from domain.gates import DataSet, GateVerdict
from domain.journeys import Condition, Journey, Standing
from domain.planning import Payload
from domain.policy import Policy
from domain.review_rules import NOTHING_IS_RISKY
from domain.risk import Outward
from integrations.registry import Roster
from services.applying import apply
from services.customer_events import take_done
from services.drip import run_drip
from services.journeys import Journeys
from services.message_events import take_message_events
from services.replanning import replan_changed
from services.risks import Risks
from services.settings import Settings
from services.simulated import FATES, Fate, Held, Simulated, Touch, Travel, Trouble
from services.simulation_input import Entrant, Fed
from services.valuing import revalue
from services.virtual_dispatch import RUN, VirtualDispatch
from services.wiring import Handrail
from store import gates, virtual
from store.database import Database

WINDOW = timedelta(days=1)
"""The longest stretch that is worked through at once."""

_MINUTE = timedelta(minutes=1)
_ROWS = 1_000
"""Customers written in one transaction."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried on customers. It goes to other processes as it is."""

    journey: Journey
    journey_hash: str
    policy: Policy
    began: datetime
    until: datetime
    served: frozenset[Capability]
    """What somebody is configured for; what goes by anything else would wait."""


class World:
    """One database, its clock, and everybody in it."""

    def __init__(self, trial: Trial, database: Database, directory: Path) -> None:
        # Virtual time has no reviewers: nothing waits, and in the end it is told what would have.
        self._risks = Risks(trial.policy, now=trial.until)
        reviews = replace(trial.policy.reviews, rules=NOTHING_IS_RISKY)
        self._trial = trial = replace(trial, policy=replace(trial.policy, reviews=reviews))
        self._now = trial.began
        self._database = database
        settings = Settings.model_validate({"data": directory, "link_secret": SecretStr(token_hex())})
        self._handrail = Handrail(settings, database, trial.policy, Roster([]), clock=lambda: self._now)
        self._journeys = Journeys()
        self._dispatch = VirtualDispatch(database, trial.policy, self._handrail.sender, trial.served)
        self._dispatch.open(now=trial.began)
        entry = trial.journey.enters
        self._is_timeless = entry.again_after_days is None and not _minds_time(entry.when)
        self._later: dict[int, Held] = {}  # what was planned for later than it was due, by action
        self._seen = 0  # the newest action that was looked at

    def close(self) -> None:
        """Give back what it holds."""
        self._dispatch.close()
        self._handrail.writer.close()
        self._database.close()

    def let_in(self, entrants: Sequence[Entrant]) -> None:
        """Put customers on file, before anything happens to any of them."""
        before = min((entrant.activated_at for entrant in entrants), default=self._trial.began)
        self._now = min(self._now, before)
        let_in(self._database, self._trial.policy, entrants, now=self._now)

    def run(self, feed: Iterable[Fed]) -> None:
        """Let time pass until the end, with everything that happens meanwhile."""
        until = self._trial.until
        coming = sorted((one for one in feed if one.at < until), key=lambda one: one.at, reverse=True)
        if coming:
            self._now = min(self._now, coming[-1].at)  # who was activated before it begins has gone on since then
        settled: datetime | None = None  # the instant up to which everything is planned and sent
        while (at := self._next(coming)) is not None and at < until:
            before = self._end_of_window(at, coming, is_settled=settled == at)
            if before == at:
                self._settle(at)
                settled = at
                continue
            self._happen(_taken(coming, before))
            self._work(at, before)

    def _next(self, coming: Sequence[Fed]) -> datetime | None:
        """When anything comes next; never before now."""
        with self._database.read() as connection:
            due = virtual.next_at(connection, self._trial.served)
        at = min((at for at in (due, coming[-1].at if coming else None) if at is not None), default=None)
        return None if at is None else max(at, self._now)

    def _end_of_window(self, at: datetime, coming: Sequence[Fed], *, is_settled: bool) -> datetime:
        """Up to where everything may happen before anything is planned and sent; `at`: not even that."""
        end = min(at + WINDOW, self._trial.until)
        soon = []
        for one in reversed(coming):
            if one.at >= end:
                break
            soon.append(one)
        if not soon:
            return end
        with self._database.read() as connection:
            comes = virtual.next_of(connection, {one.ref for one in soon})
        seen: dict[str, datetime] = {}
        for one in soon:
            is_second = seen.setdefault(one.ref, one.at) != one.at
            is_due = one.ref in comes and self._is_due(comes[one.ref], one.at) and not (is_settled and one.at == at)
            if is_second or is_due:
                return one.at
        return end

    def _is_due(self, comes: virtual.Next, at: datetime) -> bool:
        """True when by then something would have been planned, or sent, that is not yet."""
        ahead = timedelta(minutes=self._trial.policy.journeys.look_ahead_minutes)
        is_planned = comes.step_at is not None and comes.step_at <= _minute(at) + ahead
        return is_planned or (comes.action_at is not None and comes.action_at <= at)

    def _settle(self, at: datetime) -> None:
        """Plan and send what by this instant would be planned and sent, before what happens just then."""
        self._now = at
        self._plan(_minute(at), self._trial.policy, each_when_due=False)
        self._send(at, at + timedelta(microseconds=1))

    def _happen(self, feed: Sequence[Fed]) -> None:
        """What happens in a window, in its order. Of different customers nobody's activation minds the others'."""
        entering = [fed for fed in feed if isinstance(fed.event, CustomerActivated)] if self._is_timeless else []
        if entering:
            self._take(entering)
        for fed in feed:
            if not (self._is_timeless and isinstance(fed.event, CustomerActivated)):
                self._take([fed])

    def _take(self, feed: Sequence[Fed]) -> None:
        self._now = feed[-1].at
        take_fed(self._database, self._trial.policy, self._journeys, feed, now=self._now)

    def _work(self, at: datetime, before: datetime) -> None:
        """Plan and send what is due in a window, until nothing more is."""
        self._now = at
        ahead = max(1, (before - at) // _MINUTE)
        policy = self._trial.policy
        rules = replace(policy, journeys=replace(policy.journeys, look_ahead_minutes=ahead))
        self._plan(at, rules, each_when_due=True)
        while self._send(at, before):
            self._plan(at, rules, each_when_due=True)
        self._now = before

    def _plan(self, now: datetime, policy: Policy, *, each_when_due: bool) -> None:
        run_drip(self._database, policy, self._journeys, run=RUN, now=now, each_when_due=each_when_due)
        with self._database.read() as connection:
            for row in virtual.planned_later(connection, self._seen):
                self._later[row.id] = Held(row.due_at, row.reason)
            self._seen = virtual.last_action(connection)

    def _send(self, at: datetime, before: datetime) -> int:
        moved = self._dispatch.send(since=at, before=before)
        if self._dispatch.take_outdated():
            replan_changed(self._database, self._trial.policy, run=RUN, now=at)
        return moved

    def told(self, entrants: Sequence[Entrant]) -> Simulated:
        """What became of everybody."""
        with self._database.read() as connection:
            enrolments = virtual.all_enrolments(connection)
            actions = virtual.all_actions(connection)
        touches: dict[int, list[Touch]] = defaultdict(list)
        ended = {row.id: row.ended_at for row in enrolments}
        stuck: Counter[str] = Counter()
        for row in actions:
            touches[row.enrolment_id].append(self._touch(row, ended[row.enrolment_id]))
            if row.state == State.READY and Capability(row.capability) not in self._trial.served:
                stuck[f"nobody is configured for {row.capability}: what goes by it would wait"] += 1
        rows: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in enrolments:
            rows[row.ref].append(row)
            if row.state == Standing.ACTIVE and row.reason is not None:
                stuck[f"set aside, until somebody mends it: {row.reason}"] += 1
        journey = self._trial.journey
        return Simulated(
            journey=journey.name,
            version=journey.version,
            content_hash=self._trial.journey_hash,
            began=self._trial.began,
            until=self._trial.until,
            steps=tuple(step.id for step in journey.steps if not step.branch),
            travels=tuple(
                travel for entrant in entrants for travel in self._travels(entrant, rows[entrant.ref], touches)
            ),
            trouble=tuple(Trouble(what, count) for what, count in (self._dispatch.speechless + stuck).items()),
            for_review=self._would_wait(),
        )

    def _would_wait(self) -> tuple[Trouble, ...]:
        """What was sent and would have waited for a review, by the rules about one action.

        How many are planned at once elsewhere, and what is usual, nobody can tell here.
        """
        waiting: Counter[str] = Counter()
        with self._database.read() as connection:
            for row in virtual.sent(connection):
                said = row.payload
                payload = Payload(said["schema"], said["params"], said["template"], said["template_hash"])
                says = self._risks.says_money_or_apology(connection, payload)
                one = Outward(Kind(row.kind), Basis(row.basis), Tier(row.tier), says_money_or_apology=says)
                ask = self._risks.ask(said["params"]["step"], one)
                if ask is not None:
                    waiting[", ".join(ask.rules)] += row.sent
        return tuple(Trouble(rules, count) for rules, count in sorted(waiting.items()))

    def _touch(self, row: Row[Any], ended_at: datetime | None) -> Touch:
        state = State(row.state)
        fate = FATES[state]
        held = [self._later[row.id]] if row.id in self._later else []
        held += [Held(until, reason) for until, reason in self._dispatch.put_off.get(row.id, ())]
        is_cancelled = fate is Fate.CANCELLED and ended_at is not None
        return Touch(
            step=unquote(row.key.rpartition("/")[2]),
            at=ended_at if is_cancelled and ended_at is not None else row.due_at,
            fate=fate,
            channel=None if fate is Fate.SKIPPED else CHANNEL_OF[Capability(row.capability)],
            reason=None if fate is Fate.SENT else row.reason,
            held=tuple(held),
        )

    def _travels(
        self, entrant: Entrant, enrolments: Sequence[Row[Any]], touches: dict[int, list[Touch]]
    ) -> Iterable[Travel]:
        policy = self._trial.policy
        language = entrant.row["language"] or policy.default_language
        time_zone = entrant.row["time_zone"] or policy.default_time_zone
        if not enrolments:
            is_late = entrant.activated_at >= self._trial.until
            why = "activated after the end" if is_late else "the journey is not for them"
            yield Travel(entrant.ref, language, time_zone, None, None, reason=why)
        for row in enrolments:
            standing = Standing(row.state)
            yield Travel(
                ref=entrant.ref,
                language=language,
                time_zone=time_zone,
                entered_at=row.entered_at,
                standing=standing,
                ended_at=row.previous_at if standing is Standing.FINISHED else row.ended_at,
                reason=row.reason,
                touches=tuple(touches[row.id]),
            )


def let_in(database: Database, policy: Policy, entrants: Sequence[Entrant], *, now: datetime) -> None:
    """Put customers on file, as an import does once their batch is through its gate."""
    with database.write("gate") as connection:
        gate_id = gates.record(
            connection,
            data_set=DataSet.CUSTOMERS,
            feed=RUN,
            batch=RUN,
            origin=RUN,
            verdict=GateVerdict.PASS,
            rows=len(entrants),
            broken=0,
            findings=[],
            measures={},
            run=RUN,
            now=now,
        )
    for start in range(0, len(entrants), _ROWS):
        rows = [entrant.row for entrant in entrants[start : start + _ROWS]]
        with database.write("apply") as connection:
            apply(connection, DataSet.CUSTOMERS, rows, gate_id=gate_id, policy=policy, now=now)
    revalue(database, policy, now=now)


def _taken(coming: list[Fed], before: datetime) -> list[Fed]:
    """What happens before an instant; it does not come any more."""
    taken = []
    while coming and coming[-1].at < before:
        taken.append(coming.pop())
    return taken


def _minds_time(condition: Condition) -> bool:
    """True when it is another one tomorrow: then who enters together would not be judged at one instant."""
    is_lately = condition.seen is not None and condition.seen.within_days is not None
    return is_lately or any(map(_minds_time, (*condition.all, *condition.any, *condition.none)))


def _minute(at: datetime) -> datetime:
    """When the planner looked last by then."""
    return at.replace(second=0, microsecond=0)


def take_fed(database: Database, policy: Policy, journeys: Journeys, feed: Sequence[Fed], *, now: datetime) -> None:
    """Take in events as a webhook does once it is verified: what customers did, and what became of messages."""
    did = [fed.event for fed in feed if isinstance(fed.event, CustomerDid)]
    messages = [(RUN, fed.event) for fed in feed if isinstance(fed.event, MessageEvents)]
    with database.write("take") as connection:
        take_done(connection, did, policy, journeys, run=RUN, now=now)
        if messages:
            take_message_events(connection, messages, policy, journeys, run=RUN, now=now)
