"""Handrail in this process between a real database and a real vendor: asks, works until all rests, asks again."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger_world import check_audit, hasten, let_pass
from sqlalchemy import Row, select
from vendor_faults_outside import TOKEN, Clock, Sandbox

from data_contracts.policy import load_policy
from domain.actions import FINAL, Basis, Capability, Kind, State, acknowledgement_key, key, ticket_key
from domain.breaker import BreakerRules
from domain.customers import Customer
from domain.planning import Payload, PlannedAction
from domain.policy import Policy, RetryRules
from integrations.registry import load_roster
from services.health import probe_open_breakers
from services.intake import receive_webhook
from services.preparing import prepare
from services.recovery import sweep
from services.settings import ROOT, Settings
from services.wiring import Handrail
from store import customers
from store.database import Database
from store.ledger.enqueue import About, enqueue
from store.ledger.rows import actions, audit, integration_state

LEASE, TIMEOUT, LAG = 1.0, 0.49, 1.5
"""Seconds: of a worker, of a vendor's answer (less than half a lease), of what a search may miss.

The last is longer than the wait before the first search, so that a search that lags is really blind."""

SERVED = (Capability.TICKETING, Capability.MAIL, Capability.CRM, Capability.SMS)
"""One kind of action each: tickets, acknowledgements, tasks, proactive messages."""

BATCHED = (Capability.MAIL, Capability.CRM, Capability.SMS)
"""Those whose vendor takes many writes in one request."""

AT_REST = FINAL | {State.FAILED, State.NEEDS_HUMAN}
_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()

RETRY = RetryRules(first_seconds=1, longest_seconds=8, max_attempts=8)
BREAKER = BreakerRules(open_after_failures=5, probe_seconds=1, probe_longest_seconds=4)


@dataclass(frozen=True)
class Due:
    """What was asked for in one cell: bodies of webhooks, plans, and the keys that they must come to."""

    answers: Sequence[tuple[str, bytes]]
    plans: Sequence[tuple[str, PlannedAction]]
    keys: Mapping[str, Kind]
    """Key → kind, of everything that is due."""

    def of(self, kind: Kind) -> list[str]:
        """The keys of one kind."""
        return [each for each, its in self.keys.items() if its is kind]


class Stage:
    """One installation that asks for things, works on them until it rests, and is asked for them again."""

    def __init__(self, url: str, sandbox: Sandbox, *, retry: RetryRules = RETRY) -> None:
        self.sandbox = sandbox
        self.clock = Clock()
        path = ROOT / "deployments" / "policy.yaml"
        shipped = load_policy(path.read_text(encoding="utf-8"), str(path))
        self.policy: Policy = replace(shipped, breaker=BREAKER, retry=retry)
        self._url = url
        self._database = hasten(Database(url))
        prepare(self._database, now=self.clock())

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def audited(self) -> list[str]:
        """P21: what the audit of every move says against the ledger; nothing, when they agree."""
        try:
            check_audit(self._database)
        except AssertionError as problem:
            return [f"audit: {problem}"]
        return []

    def handrail(self, write_class: str, *, rate: float = 1000, batch: int = 1) -> Handrail:
        """A process's view of it, at a vendor that promises `write_class` for everything; `batch` where it can."""
        where = f"vendor: sandbox, url: {self.sandbox.url}, token: '${{TOKEN}}', write_class: {write_class}"
        limits = f"rate_per_second: {rate:g}, timeout_seconds: {TIMEOUT}, search_lag_seconds: {LAG}"
        sections = [
            f"{capability}: {{{where}, {limits}, connections: 64, batch: {batch if capability in BATCHED else 1}}}"
            for capability in SERVED
        ]
        sections.append("survey_intake: {standard: {vendor: standard, secrets: ['${SECRET}']}}")
        roster = load_roster("\n".join(sections), {"TOKEN": TOKEN, "SECRET": _SECRET}, lease_seconds=LEASE)
        settings = Settings.model_validate({"database_url": self._url, "lease_seconds": LEASE})
        return Handrail(settings, hasten(Database(self._url)), self.policy, roster, clock=self.clock)

    async def ask(self, handrail: Handrail, name: str, count: int, *, kinds: Iterable[Kind] = tuple(Kind)) -> Due:
        """Plan `count` of each kind, for customers of their own."""
        wanted, now = set(kinds), self.clock()
        answers = [_answer(f"{name}-{number}", now) for number in range(count)] if Kind.TICKET in wanted else []
        plans = [_task(f"{name}-{number}", now) for number in range(count)] if Kind.TASK in wanted else []
        keys = {}
        for number in range(len(answers)):
            keys[ticket_key(f"{name}-{number}", 1)] = Kind.TICKET
            keys[acknowledgement_key("standard", f"r-{name}-{number}")] = Kind.ACKNOWLEDGEMENT
        due = Due(answers, plans, keys)
        await self.deliver(handrail, due)
        if Kind.MESSAGE in wanted:
            words = self._words()
            plans = plans + [_message(f"{name}-{number}", now, words) for number in range(count)]
            due = Due(answers, plans, keys)
            await self.deliver(handrail, due)
        return replace(due, keys={**keys, **{plan.key: plan.kind for _, plan in plans}})

    async def deliver(self, handrail: Handrail, due: Due) -> None:
        """Deliver the webhooks and plan the plans: for the first time, or all over again."""
        for webhook_id, body in due.answers:
            told = await receive_webhook(handrail, "standard", _signed(webhook_id, body, self.clock()), body)
            if told.http_status != 202:
                raise AssertionError(f"{webhook_id} was answered {told.http_status}: {told.body}")
        await asyncio.to_thread(self._plan, due.plans)

    def _plan(self, plans: Sequence[tuple[str, PlannedAction]]) -> None:
        now = self.clock()
        for start in range(0, len(plans), 50):
            with self._database.write() as connection:
                for ref, plan in plans[start : start + 50]:
                    known = customers.locked(connection, ref)
                    who = Customer(ref, email=f"{ref.lower()}@example.com", phone=_phone(ref), language="en")
                    customer_id = known[0] if known else customers.create(connection, who, now=now)
                    if plan.basis is Basis.PROACTIVE and not known:
                        customers.set_consent(connection, customer_id, "reminders", "sms", granted=True, now=now)
                    enqueue(connection, [plan], About(customer_id), run="prove", now=now)

    async def work(self, handrail: Handrail, due: Due, *, patience: float = 0.05, seconds: float = 240) -> None:
        """Sweep, probe and dispatch until everything that is due rests, or is with people.

        When all of it waits longer than `patience` seconds, the hour is moved on.
        """
        deadline, busy = time.monotonic() + seconds, set(SERVED)
        while True:
            await probe_open_breakers(handrail)
            await sweep(handrail, run="prove")
            dispatches = (handrail.dispatcher.run_once(capability=each, run="prove") for each in busy)
            await asyncio.gather(*dispatches)
            rows = await asyncio.to_thread(self.rows, due.keys)
            awake = [row for row in rows if row.state not in AT_REST]
            if not awake:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not come to rest: {[(row.key, row.state, row.reason) for row in awake]}")
            busy = {Capability(row.capability) for row in awake}
            self._skip_waiting(awake, timedelta(seconds=patience))
            await asyncio.sleep(0.01)

    def rows(self, keys: Iterable[str]) -> list[Row[Any]]:
        """What Handrail says of these."""
        wanted = list(keys)
        with self._database.read() as connection:
            return [
                row
                for start in range(0, len(wanted), 500)
                for row in connection.execute(select(actions).where(actions.c.key.in_(wanted[start : start + 500])))
            ]

    def heard(self, words: str) -> Counter[str]:
        """How often each key's ledger says that a refusal of these `words` arrived: some come after our timeout."""
        with self._database.read() as connection:
            moves = select(actions.c.key).join(audit, audit.c.action_id == actions.c.id)
            return Counter(connection.execute(moves.where(audit.c.reason.contains(words))).scalars())

    def _skip_waiting(self, awake: Sequence[Row[Any]], patience: timedelta) -> None:
        """Nobody may be at work, or a lease would seem to have run out."""
        if any(row.state in {State.CLAIMED, State.SENDING, State.PLANNED} for row in awake):
            return
        with self._database.read() as connection:
            standing = {row.capability: row for row in connection.execute(select(integration_state))}
        now = self.clock()
        first = min(_wakes(row, standing[row.capability], now) for row in awake)
        if first - now > patience:
            self.clock.go_to(first)
            let_pass(self._database, first - now)

    def _words(self) -> Mapping[str, Any]:
        """The payload of any acknowledgement: words that are published and can be said by SMS."""
        with self._database.read() as connection:
            found = select(actions.c.payload).where(actions.c.kind == Kind.ACKNOWLEDGEMENT).limit(1)
            payload: Mapping[str, Any] = connection.execute(found).scalar_one()
            return payload


def _wakes(row: Row[Any], vendor: Row[Any], now: datetime) -> datetime:
    """When something can happen to a row, by the business clock, which shows `now`."""
    if row.state == State.UNCERTAIN:
        left: timedelta = row.next_check_at - datetime.now(UTC)  # the database's clock is this machine's
        return now + left
    probe = vendor.next_probe_at if vendor.breaker == "open" else None
    return max(each for each in (row.due_at, vendor.not_before, probe) if each is not None)


def _answer(ref: str, now: datetime) -> tuple[str, bytes]:
    said = {
        "response_id": f"r-{ref}",
        "kind": "nps",
        "score": 1,
        "comment": "late again",
        "answered_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "customer": {"ref": ref, "email": f"{ref.lower()}@example.com", "language": "en"},
    }
    event = {"type": "survey.responded", "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}", "data": said}
    return f"msg_{ref}", json.dumps(event).encode()


def _task(ref: str, now: datetime) -> tuple[str, PlannedAction]:
    params = {"title": "Call", "body": "It ends.", "assignee": "agent-7", "priority": "high", "due_at": None}
    return f"{ref}-t", PlannedAction(
        key=key("expiry", ref, 1, "task"),
        kind=Kind.TASK,
        basis=Basis.INTERNAL,
        capability=Capability.CRM,
        payload=Payload("task/1", params),
        due_at=now,
    )


def _message(ref: str, now: datetime, words: Mapping[str, Any]) -> tuple[str, PlannedAction]:
    payload = Payload("message/1", words["params"], words["template"], words["template_hash"])
    return f"{ref}-m", PlannedAction(
        key=key("onboarding", ref, "welcome", "message"),
        kind=Kind.MESSAGE,
        basis=Basis.PROACTIVE,
        capability=Capability.SMS,
        payload=payload,
        due_at=now,
        purpose="reminders",
    )


def _phone(ref: str) -> str:
    return f"+4860{int(hashlib.sha256(ref.encode()).hexdigest(), 16) % 10_000_000:07}"


def _signed(webhook_id: str, body: bytes, now: datetime) -> dict[str, str]:
    stamp = str(int(now.timestamp()))
    secret = base64.b64decode(_SECRET.removeprefix("whsec_"))
    digest = hmac.digest(secret, b".".join((webhook_id.encode(), stamp.encode(), body)), hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": signature}
