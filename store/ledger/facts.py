"""What arming must know of the rows it holds, read under its locks: the re-checks' facts, each a set-based query."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, func, literal, or_, select

from domain import recheck, recovery_survey, review_alerts
from domain.actions import FINAL, Basis, Capability, Kind, State
from domain.canary import held_by
from domain.channels import Confidentiality
from domain.customers import Customer
from domain.gates import DataSet, Gate, GateVerdict
from domain.journey_payload import window_of
from domain.journeys import Standing
from domain.reviews import Stand
from store.at_once import AtOnce
from store.canonical import address_hash
from store.gates import REPLAYED
from store.ledger.rows import (
    BASES,
    CAPABILITIES,
    Claimed,
    actions,
    audit,
    cap_slots,
    cases,
    consents,
    customers,
    enrolments,
    entitlements,
    evidence,
    gates,
    journeys,
    reviews,
    suppressions,
)
from store.types import Instant, among

_SUBJECTS = {"customer": customers, "case": cases, "entitlement": entitlements}
_VERSION_NOW = case(
    *(
        (
            evidence.c.fact == literal(fact),
            select(table.c.version).where(table.c.id == evidence.c.subject_id).scalar_subquery(),
        )
        for fact, table in _SUBJECTS.items()
    )
)
_CHANGED = (
    # Each looked up by its id: joined, PostgreSQL reads all customers of a table of some thousand for each window.
    select(evidence.c.action_id, evidence.c.fact)
    .where(among(evidence.c.action_id, "ids"))
    .where(evidence.c.version != func.coalesce(_VERSION_NOW, -1))
    .order_by(evidence.c.action_id, evidence.c.fact)
)
_APPROVED = (
    select(actions.c.id, reviews.c.id, reviews.c.halted_reason)
    .join(reviews, reviews.c.id == actions.c.review_id)
    .where(
        among(actions.c.id, "ids"),
        reviews.c.state == literal(Stand.APPROVED),
        actions.c.reviewed_hash == actions.c.payload_hash,
    )
)
_LOST = (
    select(audit.c.action_id)
    .where(among(audit.c.action_id, "ids"), audit.c.after == literal(State.UNCERTAIN))
    .distinct()
)
_LATER = gates.alias("later")
_PASSED = (
    select(_LATER.c.decided_at)
    .where(
        _LATER.c.data_set == gates.c.data_set,
        _LATER.c.feed == gates.c.feed,
        _LATER.c.is_events == gates.c.is_events,
        _LATER.c.origin.not_like(f"{REPLAYED}%"),  # one row that a person repaired does not make its feed fresh
        or_(_LATER.c.verdict != literal(GateVerdict.HALT), _LATER.c.approved_by.is_not(None)),
    )
    .order_by(_LATER.c.decided_at.desc())
    .limit(1)
    .scalar_subquery()
)
_GATES = select(
    *(gates.c.id, gates.c.data_set, gates.c.verdict, gates.c.approved_by, gates.c.is_events),
    func.coalesce(_PASSED, gates.c.decided_at, type_=Instant()).label("last"),  # no whole batch passed: the row's own
).where(among(gates.c.id, "ids"))
_BEFORE = actions.alias("before")
_WITHOUT_TASK = (
    select(actions.c.id)
    .join(_BEFORE, _BEFORE.c.id == actions.c.after_id)
    .where(among(actions.c.id, "ids"), _BEFORE.c.state.in_(sorted(FINAL - {State.DONE})))
)
_AT_GOAL = select(journeys.c.content["at_goal"].as_string()).where(journeys.c.hash == enrolments.c.journey_hash)
_ENROLLED = select(
    *(enrolments.c.id, enrolments.c.state, enrolments.c.reason),
    case((enrolments.c.state == literal(Standing.GOAL), _AT_GOAL.scalar_subquery()), else_=enrolments.c.step).label(
        "step"
    ),
).where(among(enrolments.c.id, "ids"))
_STANDS = select(reviews.c.id, reviews.c.state, reviews.c.decided_by, reviews.c.halted_at).where(
    among(reviews.c.id, "ids")
)
_FOR_THE_ERASED = frozenset({Kind.TASK_CLOSE, Kind.ERASURE})
_ON_TASKS = frozenset({Kind.TASK_NOTE, Kind.TASK_CLOSE})
_CONSENTS = AtOnce(
    select(consents.c.customer_id, consents.c.purpose, consents.c.granted).where(
        consents.c.channel == bindparam("on_channel"), among(consents.c.customer_id, "ids")
    )
)
_CONTACTS = select(cap_slots.c.customer_id, cap_slots.c.at).where(
    among(cap_slots.c.customer_id, "ids"),
    cap_slots.c.at > bindparam("since", type_=Instant),
    ~among(cap_slots.c.action_id, "except_for"),
)
_SUPPRESSED = select(suppressions.c.address_hash).where(
    suppressions.c.channel == bindparam("on_channel"),
    among(suppressions.c.address_hash, "hashes"),
)


def read_facts(
    connection: Connection,
    rows: Sequence[Claimed],
    people: Mapping[int | None, Customer],
    *,
    channel: Capability,
    address_of: str | None,
    contacts_since: datetime,
) -> dict[int, recheck.Facts]:
    """The facts of each action by its id; `people` are their customers by id, `address_of` an address here."""
    changed = changed_facts(connection, [row.id for row in rows])
    approved = _approved(connection, [row.id for row in rows if row.review_id is not None])
    out = may_be_out(connection, [row.id for row in rows if row.fence > 1])  # the first claim has fence 1
    proactive = [row for row in rows if row.basis == Basis.PROACTIVE]
    granted = _consents(connection, proactive, channel)
    contacts = _contacts(connection, proactive, contacts_since)
    passed = gates_of(connection, {row.gate_id for row in rows if row.gate_id is not None})
    without_task = _without_task(connection, [row.id for row in rows if row.kind in _ON_TASKS])
    enrolled = _enrolled(connection, {row.enrolment_id for row in rows if row.enrolment_id is not None})
    moot = _moot(connection, [row for row in rows if row.payload.get("schema") == review_alerts.SCHEMA])
    suppressed = set() if address_of is None else _suppressed(connection, people, channel, address_of)
    return {
        row.id: recheck.Facts(
            basis=BASES[row.basis],
            capability=CAPABILITIES[row.capability],
            not_after=row.not_after,
            stale_after=row.stale_after,
            changed=changed.get(row.id, ()),
            approved=row.review_id is None or row.id in approved,
            halted=approved.get(row.id),
            customer=people.get(row.customer_id),
            suppressed=row.customer_id in suppressed,
            consent=granted.get((row.customer_id, row.purpose)),
            contacts=tuple(contacts.get(row.customer_id, ())),
            may_be_out=row.id in out,
            is_ending=row.entitlement_id is not None,
            gate=passed.get(row.gate_id),
            tells=_tells(row),
            has_no_task=row.id in without_task,
            moot=moot.get(row.id),
            enrolled=_in_journey(row, enrolled.get(row.enrolment_id)),
            asks_if_over=row.payload.get("schema") == recovery_survey.SCHEMA,
            is_closing=row.kind in _FOR_THE_ERASED,
        )
        for row in rows
    }


def contacts_of(connection: Connection, customer_id: int, *, since: datetime) -> tuple[datetime, ...]:
    """When one customer was contacted proactively."""
    asked = {"ids": [customer_id], "since": since, "except_for": []}
    return tuple(at for _, at in connection.execute(_CONTACTS, asked))


def may_be_out(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Those of which an answer was lost once: somebody may have them, whatever is decided now."""
    return set(connection.execute(_LOST, {"ids": ids}).scalars()) if ids else set()


def changed_facts(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """One set-based join: whose facts have another version now, and which facts."""
    found: dict[int, tuple[str, ...]] = {}
    for action_id, fact in connection.execute(_CHANGED, {"ids": ids}):
        found[action_id] = (*found.get(action_id, ()), fact)
    return found


def _approved(connection: Connection, ids: Sequence[int]) -> dict[int, str | None]:
    """Those that are, each with why its review has stopped meanwhile."""
    found = connection.execute(_APPROVED, {"ids": ids}) if ids else ()
    return {action_id: halt and f"{held_by(review_id)}{halt}" for action_id, review_id, halt in found}


def gates_of(connection: Connection, ids: set[int]) -> dict[int | None, Gate]:
    """Gates by our ids, with when their feeds last passed one. A window has few different ones, or none."""
    if not ids:
        return {}
    return {
        row.id: Gate(
            id=row.id,
            data_set=DataSet(row.data_set),
            # A halted batch that a person let through is as good as one with warnings.
            verdict=GateVerdict.WARNINGS if row.approved_by else GateVerdict(row.verdict),
            is_events=row.is_events,
            last_passed_at=row.last,
        )
        for row in connection.execute(_GATES, {"ids": sorted(ids)})
    }


def _without_task(connection: Connection, ids: Sequence[int]) -> set[int]:
    """What waited for a task that was skipped, cancelled or expired."""
    return set(connection.execute(_WITHOUT_TASK, {"ids": ids}).scalars()) if ids else set()


def _tells(row: Claimed) -> Confidentiality | None:
    """How confidential the payload says it is. Raises ValueError for a word we do not know."""
    told = row.payload.get("params", {}).get("confidentiality")
    return None if told is None else Confidentiality(told)


def _enrolled(connection: Connection, ids: set[int]) -> dict[int | None, Row[Any]]:
    """Enrolments by our ids: how they stand, and the step whose turn it is."""
    return {row.id: row for row in connection.execute(_ENROLLED, {"ids": sorted(ids)})} if ids else {}


def _moot(connection: Connection, rows: Sequence[Claimed]) -> dict[int, str]:
    """Alerts about reviews of which none needs anybody any more, with why."""
    told = {row.id: row.payload["params"]["told"] for row in rows}
    ids = {entry["review"] for entries in told.values() for entry in entries}
    if not ids:
        return {}
    stands = {row.id: row for row in connection.execute(_STANDS, {"ids": sorted(ids)})}
    found = {}
    for action_id, entries in told.items():
        over = [stands[its["review"]] for its in entries if not _is_needed(its, stands[its["review"]])]
        if len(over) == len(entries):
            found[action_id] = "not needed any more: " + ", ".join(_how_it_stands(row) for row in over)
    return found


def _is_needed(told: Mapping[str, Any], review: Row[Any]) -> bool:
    return review_alerts.is_needed(told, Stand(review.state), review.halted_at)


def _how_it_stands(review: Row[Any]) -> str:
    by = f" by {review.decided_by}" if review.decided_by else ""
    return f"review {review.id} is {review.state}{by}"


def _in_journey(row: Claimed, enrolment: Row[Any] | None) -> recheck.Enrolled | None:
    if enrolment is None:
        return None
    params = row.payload.get("params", {})
    return recheck.Enrolled(
        key=row.key,
        standing=Standing(enrolment.state),
        why=enrolment.reason,
        is_its_turn=enrolment.step is not None and enrolment.step == params.get("step"),
        window=window_of(params),
    )


def _consents(
    connection: Connection, rows: Sequence[Claimed], channel: Capability
) -> dict[tuple[int | None, str | None], bool]:
    if not rows:
        return {}
    said = _CONSENTS.rows(connection, {"on_channel": channel, "ids": [row.customer_id for row in rows]})
    return {(customer_id, purpose): granted for customer_id, purpose, granted in said}


def _contacts(connection: Connection, rows: Sequence[Claimed], since: datetime) -> dict[int | None, list[datetime]]:
    found: dict[int | None, list[datetime]] = defaultdict(list)
    if rows:
        asked = {
            "ids": [row.customer_id for row in rows],
            "since": since,
            "except_for": [row.id for row in rows],  # a retry does not count twice
        }
        for customer_id, at in connection.execute(_CONTACTS, asked).all():
            found[customer_id].append(at)
    return found


def _suppressed(
    connection: Connection, people: Mapping[int | None, Customer], channel: Capability, address_of: str
) -> set[int | None]:
    hashes: dict[str, list[int | None]] = defaultdict(list)
    for customer_id, customer in people.items():
        address = getattr(customer, address_of)
        if address:
            hashes[address_hash(address)].append(customer_id)
    if not hashes:
        return set()
    listed = connection.execute(_SUPPRESSED, {"on_channel": channel, "hashes": list(hashes)}).scalars()
    return {customer_id for found in listed for customer_id in hashes[found]}
