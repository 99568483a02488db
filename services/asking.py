"""Asking survey tools: answers they told of in ids are fetched and retried until here; all of them are asked regularly.

What comes this way is read, judged and taken in as a webhook is; an answer that is known already plans nothing twice.
"""

import asyncio
import logging
import random
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from data_contracts.problems import ContractBroken, NotStrictJson, Problem
from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability
from domain.policy import Policy, RetryRules
from domain.recovery import backoff_seconds
from integrations.errors import IntegrationError, NotSent, RateLimited, Rejected, Unavailable, wait_asked
from integrations.ports import Announced, SurveyArchive, SurveyIntake
from services.intake import NO_CUSTOMER, given_by
from services.surveys import Accepted, Given, UnknownCustomer, accept_answers
from services.wiring import Handrail
from store import fetches, inbox
from store.crash_points import reached
from store.fetches import Fetch, Waiting

_log = logging.getLogger("services.asking")

_AT_ONCE = 4
"""Fetches under way; a source keeps as many connections."""

_REFUSALS = 6
"""Attempts at an answer that its vendor says it does not have: what was just given may take a minute to show."""

_TOGETHER = 20
"""Answers of a page in one transaction, so that the urgent path has its turn."""

OVERLAP = timedelta(hours=2)
"""How far each asking goes back behind the last one: tools show an answer half an hour late, and clocks differ."""

FIRST = timedelta(days=1)
"""How far back a source is asked that was never asked before."""


@dataclass
class Asked:
    """What came of asking one source."""

    source: str
    since: datetime
    accepted: int = 0
    known: int = 0
    noted: int = 0
    quarantined: int = 0
    problem: str = ""
    """Why it was not asked to the end; it is asked from the same time again."""
    is_for_person: bool = False
    """True when that does not pass by itself."""

    def as_json(self) -> dict[str, Any]:
        """For a table or a machine."""
        return {**asdict(self), "since": f"{self.since:%Y-%m-%dT%H:%M:%SZ}"}


@dataclass
class AskingReport:
    """What came of asking all of them."""

    asked: list[Asked] = field(default_factory=list)
    fetched: int = 0
    urgent: frozenset[Capability] = frozenset()
    waiting: list[Waiting] = field(default_factory=list)
    """Answers that we were told of and that are not here yet."""


@dataclass(frozen=True, slots=True)
class _Read:
    """An answer as a source's API shows it: read and judged before the transaction."""

    body: bytes
    given: Given | None = None  # none: it calls for nothing, or breaks the contract
    problems: Sequence[Problem] = ()


async def ask_sources(handrail: Handrail, *, run: str, since: datetime | None = None) -> AskingReport:
    """Ask every source that can be asked for what was answered since the last time, or `since`.

    One source's failure is told and leaves the others alone. Raises LookupError when `since` lies ahead.
    """
    if since is not None and since > handrail.clock():
        raise LookupError(f"{since:%Y-%m-%dT%H:%M:%SZ} lies ahead: nothing was answered since then")
    report = AskingReport()
    report.fetched, report.urgent = await fetch_announced(handrail, run=run)
    for source, archive in handrail.roster.archives().items():
        if archive.is_open:
            asked, urgent = await _ask(handrail, source, archive, run=run, since=since)
            report.asked.append(asked)
            report.urgent |= urgent
    report.waiting = await asyncio.to_thread(_waiting, handrail)
    return report


async def fetch_announced(handrail: Handrail, *, run: str) -> tuple[int, frozenset[Capability]]:
    """Fetch every answer that is due; how many came, and for which capabilities something urgent was planned."""
    archives = handrail.roster.archives()
    came, urgent = 0, frozenset[Capability]()
    while archives:
        taken = await asyncio.to_thread(_take, handrail, list(archives))
        if not taken:
            break
        reached("fetch.taken")
        for is_here, its in await asyncio.gather(*(_fetch(handrail, archives[it.source], it, run) for it in taken)):
            came += is_here
            urgent |= its
    return came, urgent


async def _fetch(handrail: Handrail, archive: SurveyArchive, it: Fetch, run: str) -> tuple[bool, frozenset[Capability]]:
    """One answer; whatever goes wrong with it is written down and leaves the others alone."""
    try:
        announced = handrail.roster.intakes[it.source].read(it.body)
        if not isinstance(announced, Announced):
            raise TypeError("its event does not tell of an answer any more")
        read = await _read(handrail, it.source, await archive.fetch(announced))
        reached("fetch.answered")
        return True, await asyncio.to_thread(_take_fetched, handrail, it, read, run)
    except SQLAlchemyError:
        raise
    except Exception as problem:
        if not isinstance(problem, IntegrationError):
            where = "".join(traceback.format_tb(problem.__traceback__))  # its text may quote the answer
            _log.error("%s: answer %s: a bug: %s at\n%s", it.source, it.response, type(problem).__name__, where)
        await asyncio.to_thread(_not_fetched, handrail, it, problem)
        return False, frozenset()


async def _read(handrail: Handrail, source: str, body: bytes) -> _Read:
    intake: SurveyIntake = handrail.roster.intakes[source]
    try:
        event = intake.read(body)
        if not isinstance(event, SurveyAnswered):
            return _Read(body)
        # As imports are: what was answered long ago is ticketed, and a person writes.
        given = await given_by(event, source, handrail.policy, now=handrail.clock(), is_import=True)
    except (ContractBroken, NotStrictJson) as broken:
        return _Read(body, problems=broken.problems)
    return _Read(body, given)


def _take(handrail: Handrail, sources: Sequence[str]) -> list[Fetch]:
    with handrail.database.read() as connection:
        if not fetches.is_due(connection, sources, now=handrail.clock()):
            return []
    with handrail.database.write("take-fetches") as connection:
        return fetches.take(connection, sources, limit=_AT_ONCE, now=handrail.clock())


def _take_fetched(handrail: Handrail, it: Fetch, read: _Read, run: str) -> frozenset[Capability]:
    """The answer and the end of its fetch in one transaction."""
    now = handrail.clock()
    with handrail.database.write("fetched") as connection:
        [(problems, accepted)] = _accept(connection, [read], handrail.policy, run=run, now=now)
        if problems:
            _keep(connection, it, read.body, problems, now)
        else:
            fetches.finish(connection, it, "done")
        reached("fetch.taken-in")
    return accepted.urgent if accepted is not None else frozenset()


def _not_fetched(handrail: Handrail, it: Fetch, problem: Exception) -> None:
    """Try again later; what its vendor refuses again and again goes to a person."""
    now = handrail.clock()
    words = str(problem) if isinstance(problem, IntegrationError) else f"{type(problem).__name__}: see the log"
    with handrail.database.write("not-fetched") as connection:
        if isinstance(problem, Rejected) and it.attempts >= _REFUSALS:
            fix = "look there for the answer; if it was deleted, discard this"
            _keep(connection, it, it.body, [Problem("", f"it could not be fetched: {problem.what}", fix)], now)
        else:
            wait = timedelta(seconds=_pause(it.attempts, problem, handrail.policy.retry))
            fetches.put_off(connection, it, now + wait, words)
    _log.warning("%s: answer %s is not here yet (attempt %d): %s", it.source, it.response, it.attempts, words)


def _keep(connection: Connection, it: Fetch, body: bytes, problems: Sequence[Problem], now: datetime) -> None:
    rows = [problem.as_json() for problem in problems]
    inbox.keep(connection, it.source, it.response, body, rows, inbox_id=it.inbox_id, now=now)
    fetches.finish(connection, it, "quarantined", problem=problems[0].problem)


def _pause(attempt: int, problem: Exception, rules: RetryRules) -> float:
    jitter = random.random()  # noqa: S311 - spreads retries, guards nothing
    seconds = backoff_seconds(attempt, first=rules.first_seconds, longest=rules.longest_seconds, jitter=jitter)
    return max(seconds, wait_asked(problem))


async def _ask(
    handrail: Handrail, source: str, archive: SurveyArchive, *, run: str, since: datetime | None
) -> tuple[Asked, frozenset[Capability]]:
    now = handrail.clock()
    before = await asyncio.to_thread(_asked_up_to, handrail, source)
    asked = Asked(source, since or (now - FIRST if before is None else before - OVERLAP))
    urgent = frozenset[Capability]()
    try:
        async for bodies in archive.since(asked.since):
            for some in _in_parts([await _read(handrail, source, body) for body in bodies]):
                urgent |= await asyncio.to_thread(_take_shown, handrail, asked, some, run)
    except IntegrationError as problem:
        asked.problem = str(problem)
        asked.is_for_person = not isinstance(problem, NotSent | RateLimited | Unavailable)
        return asked, urgent
    reached("poll.read")
    if since is None:
        await asyncio.to_thread(_note_asked, handrail, source, now)
    return asked, urgent


def _in_parts(all_of_them: Sequence[_Read]) -> Sequence[Sequence[_Read]]:
    return [all_of_them[start : start + _TOGETHER] for start in range(0, len(all_of_them), _TOGETHER)]


def _take_shown(handrail: Handrail, asked: Asked, some: Sequence[_Read], run: str) -> frozenset[Capability]:
    now = handrail.clock()
    urgent = frozenset[Capability]()
    with handrail.database.write("polled") as connection:
        fates = _accept(connection, some, handrail.policy, run=run, now=now)
        for read, (problems, accepted) in zip(some, fates, strict=True):
            if problems:
                rows = [problem.as_json() for problem in problems]
                is_new = inbox.refuse_once(connection, asked.source, "asked for", read.body, rows, now=now)
                asked.quarantined += is_new
                asked.known += not is_new
            elif accepted is None:
                asked.noted += 1
            else:
                asked.accepted += accepted.is_new
                asked.known += not accepted.is_new
                urgent |= accepted.urgent
    return urgent


def _accept(
    connection: Connection, some: Sequence[_Read], policy: Policy, *, run: str, now: datetime
) -> list[tuple[Sequence[Problem], Accepted | None]]:
    """For each what is wrong with it, or what came of it; neither for what calls for nothing."""
    fates = iter(accept_answers(connection, [it.given for it in some if it.given], policy, run=run, now=now))
    told: list[tuple[Sequence[Problem], Accepted | None]] = []
    for it in some:
        fate = None if it.given is None else next(fates)
        if isinstance(fate, UnknownCustomer):
            told.append(([NO_CUSTOMER], None))
        elif isinstance(fate, ContractBroken):
            told.append((fate.problems, None))
        else:
            told.append((it.problems, fate))
    return told


def _asked_up_to(handrail: Handrail, source: str) -> datetime | None:
    with handrail.database.read() as connection:
        return fetches.asked_up_to(connection, source)


def _note_asked(handrail: Handrail, source: str, up_to: datetime) -> None:
    with handrail.database.write("asked") as connection:
        fetches.note_asked(connection, source, up_to)


def _waiting(handrail: Handrail) -> list[Waiting]:
    with handrail.database.read() as connection:
        return fetches.waiting(connection)
