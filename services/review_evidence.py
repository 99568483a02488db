"""What an action that waits for a review rests on: what its customer said, facts and since when, its data and gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.currencies import written
from domain.gates import Gate, GateVerdict
from domain.instants import lasted
from domain.policy import Policy
from store import endings, review_pages
from store.context import bundles
from store.endings import Ending
from store.ledger.facts import gates_of
from store.ledger.rows import gates

_SAYS: Mapping[GateVerdict, str] = {
    GateVerdict.PASS: "passed",
    GateVerdict.WARNINGS: "passed, with warnings",
    GateVerdict.HALT: "halted",
}
_EARLIER = 3
"""Answers from before that are shown where the action is about no case."""


@dataclass(frozen=True, slots=True)
class Said:
    """Something a customer said or wrote, in their own words."""

    what: str
    words: str
    distress: str | None
    at: str
    """An instant in UTC, as ISO 8601."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that an action rests on: its values now, and whether they are those it was planned on."""

    name: str
    values: Sequence[tuple[str, str]]
    version: int
    is_changed: bool
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Passed:
    """The gate that an action's data came through."""

    id: int
    data_set: str
    feed: str
    verdict: str
    let_through_by: str | None
    decided_at: datetime
    age: str
    """Since its feed last passed a gate."""
    is_stale: bool


@dataclass(frozen=True, slots=True)
class EndingNear:
    """Something of theirs that ends."""

    ref: str
    kind: str
    product: str
    ends_on: str
    worth: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it for one action."""

    said: Sequence[Said]
    is_earlier: bool
    """What they said is not about the action's case, which has none."""
    facts: Sequence[Fact]
    endings: Sequence[EndingNear]
    gate: Passed | None
    why: str | None
    """Why this way of reaching them, as its plan has it."""


def evidence_of(
    connection: Connection, rows: Sequence[Row[Any]], policy: Policy, *, now: datetime
) -> dict[int, Evidence]:
    """The evidence of actions (rows of the ledger) by our ids, as it is now; a handful of queries for all of them."""
    about = [row for row in rows if row.customer_id is not None]
    known = dict(
        zip(
            [row.id for row in about],
            bundles(connection, [(row.customer_id, row.case_id) for row in about], today=now.date()),
            strict=True,
        )
    )
    ending = endings.these(connection, sorted({row.entitlement_id for row in rows if row.entitlement_id is not None}))
    passed = _gates(connection, {row.gate_id for row in rows if row.gate_id is not None}, policy, now)
    facts: dict[int, list[Row[Any]]] = {row.id: [] for row in rows}
    for fact in review_pages.rests_on(connection, list(facts)):
        facts[fact.action_id].append(fact)
    return {
        row.id: _evidence(row, known.get(row.id), ending.get(row.entitlement_id), passed, facts[row.id], policy)
        for row in rows
    }


def _evidence(
    row: Row[Any],
    known: Mapping[str, Any] | None,
    ending: Ending | None,
    passed: Mapping[int, Passed],
    facts: Sequence[Row[Any]],
    policy: Policy,
) -> Evidence:
    context: Mapping[str, Any] = known or {"customer": {}, "said": [], "wrote": [], "earlier_answers": []}
    said = [*map(_answer, context["said"]), *map(_message, context["wrote"])]
    earlier = [] if said else [_answer(one) for one in context["earlier_answers"] if one["words"]][:_EARLIER]
    return Evidence(
        said=said or earlier,
        is_earlier=not said,
        facts=[_fact(fact, row, context, ending, policy) for fact in facts],
        endings=[
            EndingNear(one["entitlement"], one["kind"], one["product"], one["ends_on"], one["worth"])
            for one in context.get("entitlements_ending", ())
        ],
        gate=passed.get(row.gate_id),
        why=row.payload.get("params", {}).get("why") or row.reason,
    )


def _answer(one: Mapping[str, Any]) -> Said:
    return Said(f"{one['survey'].upper()} {one['score']}", one["words"] or "", one["distress"], one["answered_at"])


def _message(one: Mapping[str, Any]) -> Said:
    words = "\n".join(part for part in (one["subject"], one["words"]) if part)
    return Said(one["topic"] or "a message", words, one["distress"], one["received_at"])


def _fact(fact: Row[Any], row: Row[Any], context: Mapping[str, Any], ending: Ending | None, policy: Policy) -> Fact:
    values: list[tuple[str, Any]] = []
    if fact.fact == "customer":
        who = context["customer"]
        named = ("tier", "language", "time_zone", "preferred_channel", "dedicated_agent", "no_automatic_contact")
        values = [(name.replace("_", " "), who.get(name)) for name in named]
    elif fact.fact == "entitlement" and ending is not None:
        it = ending.entitlement
        values = [
            ("entitlement", it.ref),
            ("kind", it.kind.value),
            ("product", it.product),
            ("ends on", it.ends_on.isoformat()),
            ("at risk", written(ending.at_risk_minor, policy.value.currency)),
        ]
    elif fact.fact == "case":
        cases = {one["number"]: one for one in context.get("cases", ())}
        its = cases.get(_case_number(row.key), next(iter(cases.values()), {}))
        values = [(name.replace("_", " "), its.get(name)) for name in ("state", "reason", "answer_promised_by")]
    told = [(name, str(value)) for name, value in values if value is not None]
    return Fact(fact.fact, told, fact.version, fact.version != fact.version_now, fact.changed_at)


def _case_number(key: str) -> int | None:
    """Of a key about a case, `case/<customer ref>/<n>/…`."""
    parts = key.split("/")
    return int(parts[2]) if parts[0] == "case" and len(parts) > 2 and parts[2].isdecimal() else None


def _gates(connection: Connection, ids: set[int], policy: Policy, now: datetime) -> dict[int, Passed]:
    known: dict[int, Gate] = {its: gate for its, gate in gates_of(connection, ids).items() if its is not None}
    rows = connection.execute(select(gates).where(gates.c.id.in_(sorted(ids)))) if ids else ()
    return {row.id: _passed(row, known[row.id], policy, now) for row in rows}


def _passed(row: Row[Any], gate: Gate, policy: Policy, now: datetime) -> Passed:
    return Passed(
        id=row.id,
        data_set=gate.data_set.value,
        feed=row.feed,
        verdict=_SAYS[GateVerdict(row.verdict)],
        let_through_by=row.approved_by,
        decided_at=row.decided_at,
        age=lasted(max(0.0, (now - gate.last_passed_at).total_seconds())),
        is_stale=now > gate.last_passed_at + policy.gates.stale_after(gate.data_set, is_events=gate.is_events),
    )
