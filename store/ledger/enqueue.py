"""Write planned actions, once per key; and make an unsent one anew."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from domain.actions import UNSENT, State
from domain.planning import PlannedAction
from domain.risk import Ask, is_reviewable
from store import reviews
from store.canonical import payload_hash
from store.crash_points import reached
from store.ledger.facts import may_be_out
from store.ledger.rows import actions, cases, customers, entitlements, evidence
from store.once import insert_listed, insert_once, insert_rows
from store.reviews import Member
from store.types import among

_UNTRIED: dict[str, ColumnElement[Any]] = {
    **dict.fromkeys(("fence", "attempts", "resends", "lookups", "deaths_alone"), literal_column("0")),
    "revision": literal_column("1"),
}
_INSERT = insert_once(actions, "key").values(_UNTRIED).returning(actions.c.key, actions.c.id)
_IDS_OF = select(actions.c.key, actions.c.id).where(among(actions.c.key, "keys"))
_GIVEN = (
    *("key", "kind", "basis", "capability", "purpose", "customer_id", "case_id", "response_id", "entitlement_id"),
    *("gate_id", "enrolment_id", "after_id", "review_id", "reviewed_hash", "state", "lane", "urgent", "reason"),
    *("payload", "payload_hash", "due_at", "not_after", "stale_after"),
    *("planned_by", "created_at", "updated_at", "updated_by"),
)
_INSERT_LISTED = insert_listed(
    *(actions, "key"),
    columns=_GIVEN,
    returning=("key", "id"),
    fixed={name: str(value) for name, value in _UNTRIED.items()},
)
_BIND = {
    fact: insert(evidence).from_select(
        ["action_id", "fact", "subject_id", "version"],
        select(actions.c.id, literal(fact), table.c.id, table.c.version)
        .join(table, table.c.id == subject)
        .where(among(actions.c.id, "ids")),
    )
    for fact, table, subject in (
        ("customer", customers, actions.c.customer_id),
        ("case", cases, actions.c.case_id),
        ("entitlement", entitlements, actions.c.entitlement_id),
    )
}


@dataclass(frozen=True, slots=True)
class About:
    """Whom and what a plan is about, by our ids."""

    customer_id: int | None = None
    case_id: int | None = None
    response_id: int | None = None
    entitlement_id: int | None = None
    gate_id: int | None = None  # the gate that the plan's data came through
    enrolment_id: int | None = None


def enqueue(
    connection: Connection, planned: Sequence[PlannedAction], about: About, *, run: str, now: datetime
) -> dict[str, int]:
    """Insert what is not there yet, with its evidence; the ids of the new rows by key.

    Call it in the transaction of the business change that causes the actions. A key that exists stays as it is.
    Raises LookupError for an action that waits for one nobody planned, ValueError for actions that wait for each other.
    """
    return enqueue_all(connection, [(action, about) for action in planned], run=run, now=now)


def enqueue_all(
    connection: Connection, plans: Sequence[tuple[PlannedAction, About]], *, run: str, now: datetime
) -> dict[str, int]:
    """As `enqueue`, for plans about different people."""
    if not plans:
        return {}
    abouts = {action.key: about for action, about in reversed(plans)}
    asks = {action.ask for action, _ in plans if action.ask is not None and action.skip is None}
    waiting = reviews.join_all(connection, asks, initiator=run, now=now)
    awaited = {action.after for action, _ in plans if action.after is not None}
    known = _standing(connection, awaited - set(abouts))
    made: dict[str, int] = {}
    for wave in _waves([action for action, _ in plans]):
        rows = [
            _row(it, abouts[it.key], _predecessor(it, known | made), _asked(it, waiting), run=run, now=now)
            for it in wave
        ]
        made |= _insert_new(connection, rows)
        known |= _standing(connection, (awaited & {it.key for it in wave}) - set(made))  # those that were there
    reached("enqueue.inserted")
    _bind(connection, [(made[it.key], it.facts, about) for it, about in plans if it.key in made])
    return made


def replan(
    connection: Connection, action_id: int, planned: PlannedAction, about: About, *, run: str, now: datetime
) -> bool:
    """Replace an unsent action's payload: revision + 1, approval void, evidence read anew; its key never changes.

    What may have gone out already keeps its channel, where repeating it may be safe, and is not skipped here: arming
    gives it to a person. False when it is not `planned` any more (somebody else was faster).
    """
    content = planned.payload.as_json()
    hashed = payload_hash(content)
    is_out = bool(may_be_out(connection, [action_id]))
    is_skipped = planned.skip is not None and not is_out
    was_in = reviews.member(connection, action_id)
    review_id = None
    if not is_skipped and is_reviewable(planned.kind, planned.basis):  # it may be a colleague's task by now
        review_id = _asked_anew(connection, was_in, planned.ask, run=run, now=now)
    moved = connection.execute(
        update(actions)
        .where(actions.c.id == action_id, actions.c.state == State.PLANNED)
        .values(
            state=State.SKIPPED if is_skipped else State.READY if review_id is None else State.AWAITING_REVIEW,
            review_id=review_id,
            reviewed_hash=None if review_id is None else hashed,
            reason=planned.skip or planned.reason,
            payload=content,
            payload_hash=hashed,
            revision=actions.c.revision + 1,
            **({} if is_out else _way(planned)),
            due_at=planned.due_at,
            stale_after=planned.stale_after,
            customer_id=actions.c.customer_id if about.customer_id is None else about.customer_id,
            enrolment_id=actions.c.enrolment_id if about.enrolment_id is None else about.enrolment_id,
            gate_id=actions.c.gate_id if about.gate_id is None else about.gate_id,
            planned_by=run,
            updated_at=now,
            updated_by=run,
        )
    )
    if moved.rowcount != 1:
        return False
    reached("replan.moved")
    connection.execute(delete(evidence).where(evidence.c.action_id == action_id))
    _bind(connection, [(action_id, planned.facts, about)])
    if was_in is not None and was_in.review_id != review_id:
        reviews.leave(connection, was_in, why="planned anew", now=now)
    return True


def send_back_to_planning(connection: Connection, keys: Sequence[str], *, reason: str, by: str, now: datetime) -> int:
    """Unsent actions whose facts are known to have changed: planned anew before they may go; how many moved."""
    moved = connection.execute(
        update(actions)
        .where(actions.c.key.in_(keys), actions.c.state.in_(UNSENT - {State.PLANNED}))
        .values(state=State.PLANNED, reason=reason, updated_at=now, updated_by=by)
    )
    return moved.rowcount


def _way(planned: PlannedAction) -> dict[str, Any]:
    """How it goes out: a step of a journey may be a call in place of a mail, or a colleague's task."""
    return {
        "kind": planned.kind,
        "basis": planned.basis,
        "capability": planned.capability,
        "purpose": planned.purpose,
    }


def _asked_anew(
    connection: Connection, was_in: Member | None, ask: Ask | None, *, run: str, now: datetime
) -> int | None:
    """What needed a review needs one again, whatever the rules say of it by itself: its facts have changed."""
    if was_in is not None:
        return reviews.join_again(connection, was_in.review_id, ask, initiator=run, now=now)
    return None if ask is None else reviews.join(connection, ask, initiator=run, now=now)


def _asked(action: PlannedAction, waiting: Mapping[Ask | None, int]) -> int | None:
    return None if action.ask is None or action.skip is not None else waiting[action.ask]


def _waves(planned: Sequence[PlannedAction]) -> list[list[PlannedAction]]:
    """First what waits for nothing in this plan, then what waits for that, and so on; ValueError for a circle."""
    left: dict[str, PlannedAction] = {}
    for action in planned:
        left.setdefault(action.key, action)
    waves = []
    while left:
        wave = [action for action in left.values() if action.after not in left]
        if not wave:
            raise ValueError(f"these actions wait for each other: {', '.join(left)}")
        waves.append(wave)
        for action in wave:
            del left[action.key]
    return waves


def _standing(connection: Connection, keys: Collection[str]) -> dict[str, int]:
    """The ids of those actions that are there, by key."""
    if not keys:
        return {}
    return {key: row_id for key, row_id in connection.execute(_IDS_OF, {"keys": sorted(keys)})}


def _predecessor(action: PlannedAction, known: Mapping[str, int]) -> int | None:
    if action.after is None:
        return None
    if action.after not in known:
        raise LookupError(f"{action.key} waits for an action, but nobody planned {action.after!r}")
    return known[action.after]


def _row(
    action: PlannedAction, about: About, after_id: int | None, review_id: int | None, *, run: str, now: datetime
) -> dict[str, Any]:
    content = action.payload.as_json()
    hashed = payload_hash(content)
    return {
        "key": action.key,
        "kind": action.kind,
        "basis": action.basis,
        "capability": action.capability,
        "purpose": action.purpose,
        "customer_id": about.customer_id,
        "case_id": about.case_id,
        "response_id": about.response_id,
        "entitlement_id": about.entitlement_id,
        "gate_id": about.gate_id,
        "enrolment_id": about.enrolment_id,
        "after_id": after_id,
        "review_id": review_id,
        "reviewed_hash": None if review_id is None else hashed,
        "state": State.SKIPPED if action.skip else State.READY if review_id is None else State.AWAITING_REVIEW,
        "lane": "urgent" if action.urgent else "normal",
        "urgent": action.urgent,
        "reason": action.skip or action.reason,
        "payload": content,
        "payload_hash": hashed,
        "due_at": action.due_at,
        "not_after": action.not_after,
        "stale_after": action.stale_after,
        "planned_by": run,
        "created_at": now,
        "updated_at": now,
        "updated_by": run,
    }


def _insert_new(connection: Connection, rows: list[dict[str, Any]]) -> dict[str, int]:
    return {key: row_id for key, row_id in insert_rows(connection, _INSERT, _INSERT_LISTED, rows)}


def _bind(connection: Connection, bound: Sequence[tuple[int, frozenset[str], About]]) -> None:
    """Note which version of each fact each action rests on."""
    for fact in sorted(frozenset().union(*(facts for _, facts, _ in bound))):
        ids = [_resting(action_id, fact, about) for action_id, facts, about in bound if fact in facts]
        connection.execute(_BIND[fact], {"ids": ids})


def _resting(action_id: int, fact: str, about: About) -> int:
    """The action, which is about such a thing: without it there would be nothing to look at again."""
    if {"customer": about.customer_id, "case": about.case_id, "entitlement": about.entitlement_id}[fact] is None:
        raise LookupError(f"a plan rests on its {fact}, but is about none")
    return action_id
