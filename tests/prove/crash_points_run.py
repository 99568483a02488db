"""One run: a process dies at a place, another recovers, everything is repeated; then the judge."""

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from crash_points_ground import Databases, Slot
from crash_points_outside import World
from crash_points_process import AT_REST, LEASE, POISONED, fork, with_people
from crash_points_scenario import ANSWERS, MOVES, PLANNED_KEYS, ROTATIONS
from ledger_world import check_audit
from oracle import Effects, judge
from sqlalchemy import select

from domain.actions import Capability, Kind, State, WriteClass
from domain.policy import Policy
from domain.recovery import DEATHS_ALONE
from store.database import Database
from store.ledger.rows import actions, audit

_PATIENCE = 100.0  # seconds for one process; it gives up by itself before
_MOST_DEATHS = 8


@dataclass(frozen=True)
class Job:
    """What to do: in which rotation of write classes, where to die, and where to die again while recovering."""

    database: str
    rotation: int
    place: str | None = None
    second: str | None = None
    poison: str | None = None

    @property
    def campaign(self) -> str:
        """Which campaign it belongs to; the clean runs belong to the first."""
        return "poison" if self.poison is not None else "once" if self.second is None else "twice"

    @property
    def options(self) -> str:
        """The options that do it again."""
        where = "/".join(filter(None, (str(self.rotation), self.place, self.second)))
        poison = "" if self.poison is None else f" --poison {self.poison}"
        return f"--database {self.database} --only {where}{poison}"


@dataclass
class Outcome:
    """What came of it. Sent from process to process as JSON."""

    deaths: int = 0
    reached: bool = False
    """It died where it was told to: the second time too, if there is a second place."""
    hits: dict[str, int] = field(default_factory=dict)
    """How often the last process that came to rest got to each place, before the repetition."""
    due: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    resent: int = 0
    opened: int = 0
    settled: int = 0
    left_to_people: int = 0
    repeats_changed: int = 0
    recovery_seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def world_in(slot: Slot, database: str, job: Job) -> World:
    """The beginning of a run in this slot: nothing is remembered there yet."""
    diary, sweeps, log = (slot.directory / name for name in ("diary", "sweeps", "log"))
    for file in (diary, sweeps, log):
        file.unlink(missing_ok=True)
    data = slot.directory / "data"
    shutil.rmtree(data, ignore_errors=True)
    return World(database, slot.url, job.rotation, time.monotonic(), diary, sweeps, log, data, job.poison)


def run(job: Job, slot: Slot, databases: Databases, rules: Policy) -> Outcome:
    """Do a job in this slot. The processes' log stays in the slot's directory until the next one."""
    outcome = Outcome()
    (slot.directory / "hits").unlink(missing_ok=True)
    with databases.fresh() as address:
        slot.begin()
        world = world_in(slot, address, job)
        deaths = _live_and_die(job, world, slot, rules, outcome)
        has_rested = not outcome.violations
        if has_rested:
            _repeat(world, slot, rules, outcome)
        with closing(Database(address)) as database:
            if has_rested:
                _judge(job, world, slot, database, outcome)
                _look_back(job, world, database, deaths, outcome)
            else:
                outcome.violations.append(_standing(database, world))
    outcome.faults = dict(slot.misbehaved())
    return outcome


def _live_and_die(job: Job, world: World, slot: Slot, rules: Policy, outcome: Outcome) -> list[datetime]:
    """The day, the deaths, the recovery; when, in business time, they died."""
    places = [place for place in (job.place, job.second) if place is not None]
    deaths: list[datetime] = []
    died, hits = 0.0, slot.directory / "hits"
    while len(deaths) < _MOST_DEATHS:
        place = places[len(deaths)] if len(deaths) < len(places) else None
        end = _ended(fork(world, "unheard" if deaths else "the day", rules, place, hits))
        if end not in {-signal.SIGKILL, POISONED}:
            break
        died = time.time()
        deaths.append(world.now())
    outcome.deaths = len(deaths)
    outcome.reached = job.poison is not None or len(deaths) == len(places)
    if end == AT_REST:
        outcome.hits = json.loads(hits.read_text())
        outcome.recovery_seconds = _recovery(slot.recorded(), died) if deaths else 0.0
    else:
        outcome.violations.append(f"not at rest: a process ended with {end}")
    return deaths


def _ended(child: int) -> int:
    """How it ended: its exit code, or minus the signal that killed it."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    return -signal.SIGTERM


def _recovery(recorded: bytes, died: float) -> float:
    """From the death until the last effect that came after it; 0 when none did."""
    effects = map(json.loads, recorded.splitlines())
    last = max((datetime.fromisoformat(effect["at"]).timestamp() for effect in effects), default=died)
    return max(0.0, last - died)


def _repeat(world: World, slot: Slot, rules: Policy, outcome: Outcome) -> None:
    """P22: another process, everything delivered and planned again; the record stays as it is."""
    before = slot.recorded()
    end = _ended(fork(world, "again", rules))
    if end != AT_REST:
        outcome.violations.append(f"P22: not at rest after everything was repeated: {end}")
    added = slot.recorded()[len(before) :].splitlines()
    outcome.repeats_changed = len(added)
    outcome.violations += [f"P22: repeating everything added {line.decode()[:200]}" for line in added]
    (slot.directory / "effects").write_bytes(before)


def _judge(job: Job, world: World, slot: Slot, database: Database, outcome: Outcome) -> None:
    """P1 to P6, P17, P18: the record against what senders and planners know to be due."""
    with database.read() as connection:
        rows = connection.execute(select(actions)).all()
    people = with_people(rows)
    classes = ROTATIONS[job.rotation]
    may_be_resent = {
        row.key: row.resends
        for row in rows
        if row.kind == Kind.ACKNOWLEDGEMENT and classes[Capability(row.capability)] is WriteClass.D
    }
    heard = world.heard()
    due = [*PLANNED_KEYS, *(key for one in (*ANSWERS, MOVES) if one.webhook_id in heard for key in one.due)]
    left = [row.key for row in rows if row.id in people]
    effects = Effects.of(slot.directory / "effects")
    verdict = judge(effects, due, seen_by_people=left, resends=may_be_resent)
    outcome.due, outcome.left_to_people = len(due), len(verdict.left_to_people)
    outcome.lost, outcome.doubled, outcome.resent = verdict.lost, verdict.doubled, len(verdict.resent)
    outcome.violations += [f"lost: {key}" for key in verdict.lost]
    outcome.violations += [f"doubled: {what}" for what in verdict.doubled]
    outcome.violations += [f"nobody asked for {key}" for key in verdict.unasked]
    outcome.violations += list(_unequal_answers(heard))
    if job.poison is not None and (job.poison not in left or effects.count(job.poison)):
        outcome.violations.append(f"P18: {job.poison} was not set aside")


def _unequal_answers(heard: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """P6: however often it is delivered, the answer is the same but for `duplicate`."""
    for webhook in (*ANSWERS, MOVES):
        said = [{**answer, "duplicate": None} for answer in heard.get(webhook.webhook_id, ())]
        if any(answer != said[0] for answer in said) or not said:
            yield f"P6: {webhook.webhook_id} was answered {said}"
        elif (said[0]["http_status"], said[0]["status"]) != (202, webhook.status):
            yield f"{webhook.webhook_id} was answered {said[0]}, not {webhook.status}"
        elif sum(not answer["duplicate"] for answer in heard[webhook.webhook_id]) > 1:
            yield f"P6: {webhook.webhook_id} was called new more than once"


def _look_back(job: Job, world: World, database: Database, deaths: Sequence[datetime], outcome: Outcome) -> None:
    """P16 and P21 by the audit; and what was uncertain, as Handrail admits it."""
    with database.read() as connection:
        moves = connection.execute(select(audit).order_by(audit.c.id)).all()
    if job.poison is not None:
        put_back = [move for move in moves if (move.before, move.after) == (State.SENDING, State.READY)]
        outcome.violations += _dying_on(job, database, outcome.deaths, put_back)
    before_and_after = Counter((move.before, move.after) for move in moves)
    outcome.opened = sum(count for (_, after), count in before_and_after.items() if after == State.UNCERTAIN)
    outcome.settled = before_and_after[State.UNCERTAIN, State.DONE] + before_and_after[State.UNCERTAIN, State.READY]
    for died in deaths:
        lapsed = died + timedelta(seconds=LEASE)
        swept = min((ended for began, ended in world.swept() if began > lapsed), default=world.now())
        outcome.violations += [f"P16: {what}" for what in _held_too_long(moves, died, swept)]
    try:
        check_audit(database)
    except AssertionError as problem:
        outcome.violations.append(f"P21: {problem}")


def _dying_on(job: Job, database: Database, deaths: int, put_back: Sequence[Any]) -> Iterator[str]:
    """P18: one death among others, three alone; and one more for each time that a living worker put it back."""
    with database.read() as connection:
        poison = connection.execute(select(actions.c.id).where(actions.c.key == job.poison)).scalar_one()
    most = 1 + DEATHS_ALONE + sum(move.action_id == poison for move in put_back)
    if not 1 <= deaths <= most:
        yield f"P18: set aside after {deaths} deaths, and not {most}"


def _held_too_long(moves: Sequence[Any], died: datetime, swept: datetime) -> Iterator[str]:
    """What a dead process still held when the first sweep after its leases had `swept`."""
    held = {move.action_id: move.after for move in moves if move.at <= died}
    for action_id, state in held.items():
        if state in {State.CLAIMED, State.SENDING}:
            later = [move.at for move in moves if move.action_id == action_id and move.at > died]
            if not later or min(later) > swept:
                yield f"action {action_id} stayed {state} until {min(later, default=None)}; its process died at {died}"


def _standing(database: Database, world: World) -> str:
    """For whoever looks for the reason: where everything stands, and the log's end."""
    with database.read() as connection:
        rows = connection.execute(select(actions.c.key, actions.c.state, actions.c.reason)).all()
    standing = "; ".join(f"{row.key} {row.state} ({row.reason})" for row in rows if row.state != State.DONE)
    return f"it stands: {standing}; the log ends: {world.log.read_text()[-1500:]}"
