"""Recovery: what dead workers held, lost answers by their class, reviews that wait for nobody, plans to be made anew.

Never asks Prefect.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import Any

from domain.actions import Capability, Kind, WriteClass
from domain.recovery import LookUp, Lost, SendAgain, ToPerson, after_lost_answer
from integrations.errors import IntegrationError, wait_asked
from integrations.operations import operation_of
from integrations.registry import Configured
from services.replanning import replan_changed
from services.reviews_settling import settle_reviews
from services.wiring import Handrail
from store.crash_points import reached
from store.ledger import sweep as ledger
from store.ledger.sweep import Uncertain

_log = logging.getLogger("services.recovery")

_HOLD_LEASES = 1.5
"""How long one recovery keeps an uncertain row from another, in leases; a lookup takes less than half of one."""


@dataclass
class SweepReport:
    """What one sweep did, a line per row it touched."""

    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, key: str, what: str) -> None:
        """One row, in words for a table."""
        self.lines.append({"action": key, "what": what})

    @property
    def waiting_for_people(self) -> int:
        """Rows this sweep left to a person."""
        return sum(line["what"].startswith("to a person") for line in self.lines)


async def sweep(handrail: Handrail, *, run: str, urgent_only: bool = False) -> SweepReport:
    """One round of recovery. Safe to run at any time, by any number of processes."""
    report = SweepReport()
    now = handrail.clock()
    for row in await asyncio.to_thread(_take_over, handrail, run, now):
        _log.warning("%s: its worker died while it was %s; now %s", row.key, row.before, row.after)
        report.add(row.key, f"{row.before} → {row.after}: its worker died")
    if not urgent_only:
        for line in await asyncio.to_thread(settle_reviews, handrail.database, handrail.policy, run=run, now=now):
            review, _, what = line.partition(": ")
            report.add(review, what)
    for key in await asyncio.to_thread(replan_changed, handrail.database, handrail.policy, run=run, now=now):
        report.add(key, "planned anew: its facts had changed")
    taken = await asyncio.to_thread(_take_uncertain, handrail, urgent_only)
    for uncertain in taken:
        try:
            report.add(uncertain.key, await _settle(handrail, uncertain, run))
        except Exception as problem:  # one row must not keep the others waiting; it comes again after its hold
            _log.exception("%s: could not be recovered", uncertain.key)
            report.add(uncertain.key, f"not recovered yet: {type(problem).__name__}")
    return report


def _take_over(handrail: Handrail, run: str, now: datetime) -> list[ledger.Swept]:
    """What leases that ran out, and processes that are proven dead, have left."""
    with handrail.lifelines.dead() as dead:
        with handrail.database.read() as connection:  # nobody waits for a sweep that finds nothing
            if not dead and not ledger.has_leftovers(connection):
                return []
        with handrail.database.write("take-over") as connection:
            swept = ledger.sweep_leases(connection, run=run, now=now)
            if dead:
                swept += ledger.sweep_leases(connection, run=run, now=now, dead=dead, arrives=_arrives(handrail))
            return swept


def _arrives(handrail: Handrail) -> dict[tuple[str, Kind], float]:
    """A process died just now: what it had sent may arrive as long as its vendor may take, which a lease waits out.

    Until then nothing is repeated and no search believed; but where neither would tell anything, nobody waits.
    """
    found = {}
    for configured, kind in product(handrail.roster, Kind):
        with suppress(LookupError):  # it does nothing of this kind
            if configured.write_class(operation_of(kind, configured.capability)) is not WriteClass.D:
                found[configured.name, kind] = configured.timeout_seconds
    return found


def _take_uncertain(handrail: Handrail, urgent_only: bool) -> list[Uncertain]:
    with handrail.database.read() as connection:
        if not ledger.has_uncertain(connection):
            return []
    hold_seconds = _HOLD_LEASES * handrail.settings.lease_seconds
    with handrail.database.write("take-uncertain") as connection:
        return ledger.take_uncertain(connection, hold_seconds=hold_seconds, urgent_only=urgent_only)


async def _settle(handrail: Handrail, row: Uncertain, run: str) -> str:
    """Do what the class of the integration that was asked allows; in words."""
    configured = handrail.roster.of(Capability(row.capability))
    if configured is None or configured.name != row.integration:
        reason = f"the answer was lost, and {row.integration} is not configured any more"
        return await asyncio.to_thread(_to_person, handrail, row, reason, run)
    lost = Lost(
        kind=row.kind,
        basis=row.basis,
        write_class=configured.write_class(operation_of(row.kind, Capability(row.capability))),
        resends=row.resends,
        lookups=row.lookups,
        attempts=row.attempts,
        deaths_alone=row.deaths_alone,
    )
    match after_lost_answer(lost, max_attempts=handrail.policy.retry.max_attempts):
        case ToPerson(reason):
            return await asyncio.to_thread(_to_person, handrail, row, reason, run)
        case SendAgain(reason, counts_as_resend):
            return await asyncio.to_thread(_send_again, handrail, row, reason, counts_as_resend, run)
        case LookUp():
            return await _look_up(handrail, configured, row, run)


async def _look_up(handrail: Handrail, configured: Configured, row: Uncertain, run: str) -> str:
    operation = operation_of(row.kind, Capability(row.capability))
    try:
        found = await configured.port.find(operation, row.key)
        reached("look-up.answered")
    except IntegrationError as problem:
        _log.warning("%s: could not be looked up: %s", row.key, problem)
        if wait := wait_asked(problem):
            await asyncio.to_thread(_postpone, handrail, row, wait)
        return f"looked up, without an answer: {problem}"
    if found is None:
        return await asyncio.to_thread(_not_found, handrail, configured, row)
    return await asyncio.to_thread(_adopt, handrail, row, found.external_id, run)


def _postpone(handrail: Handrail, row: Uncertain, seconds: float) -> None:
    with handrail.database.write("postpone") as connection:
        ledger.postpone(connection, row, seconds=seconds)


def _adopt(handrail: Handrail, row: Uncertain, external_id: str, run: str) -> str:
    with handrail.database.write("adopt") as connection:
        ledger.adopt(connection, row, external_id=external_id, run=run, now=handrail.clock())
    return f"adopted: {row.integration} has it as {external_id}"


def _not_found(handrail: Handrail, configured: Configured, row: Uncertain) -> str:
    """Wait out what the vendor's search may lag behind its writes, then look once more."""
    lag_seconds = configured.search_lag_seconds
    with handrail.database.write("not-found") as connection:
        ledger.looked_up(connection, row, lag_seconds=lag_seconds, now=handrail.clock())
    return f"looked up {row.lookups + 1} times, not found yet"


def _send_again(handrail: Handrail, row: Uncertain, reason: str, is_resend: bool, run: str) -> str:
    now = handrail.clock()
    with handrail.database.write("send-again") as connection:
        ledger.send_again(connection, row, reason=reason, is_resend=is_resend, due_at=now, run=run, now=now)
    return f"sent again: {reason}"


def _to_person(handrail: Handrail, row: Uncertain, reason: str, run: str) -> str:
    _log.warning("%s waits for a person: %s", row.key, reason)
    with handrail.database.write("to-person") as connection:
        ledger.to_person(connection, row, reason=reason, run=run, now=handrail.clock())
    return f"to a person: {reason}"
