"""What erasing a customer takes out of each table, and what it leaves. docs/privacy.md has the whole list."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, bindparam, case, func, insert, or_, select, update

from domain.actions import UNSENT, Kind, State
from domain.erasure import REASON, blanked
from store.calls import call_outcomes
from store.canonical import address_hash
from store.ledger.rows import actions, audit, cases, consents, customers, receipts, suppressions
from store.messages import messages
from store.once import insert_once
from store.surveys import survey_responses
from store.tables import metadata
from store.types import among

_erasures: Table = metadata.tables["erasures"]
_inbox: Table = metadata.tables["inbox"]
quarantine: Table = metadata.tables["quarantine"]
_decisions: Table = metadata.tables["quarantine_decisions"]
fetches: Table = metadata.tables["survey_fetches"]
_message_events: Table = metadata.tables["message_events"]
_promises: Table = metadata.tables["promises"]
_differences: Table = metadata.tables["desk_differences"]

Scrub = Callable[[str], str]
Counts = dict[str, int]
"""Rows changed, by table."""

_GO_ON = (Kind.TASK_CLOSE, Kind.ERASURE)
"""What is still done for somebody who was erased."""

_WAS_LOST = select(audit.c.action_id).where(
    audit.c.action_id == actions.c.id, audit.c.after == bindparam("lost", State.UNCERTAIN)
)
_CANCEL = (
    update(actions)
    .where(
        actions.c.customer_id == bindparam("customer"),
        actions.c.state.in_(sorted(UNSENT)),
        actions.c.kind.not_in(_GO_ON),
        or_(actions.c.attempts == 0, ~_WAS_LOST.exists()),  # what may have gone out is for arming to give a person
    )
    .values(
        state=State.CANCELLED, reason=REASON, lease_until=None, updated_at=bindparam("now"), updated_by=bindparam("by")
    )
)


_SUPPRESS = insert_once(suppressions, "channel", "address_hash")


class Kept(NamedTuple):
    """Bytes that came in, and what they belong to."""

    id: int
    body: bytes
    layout: dict[str, Any] | None


def blank_person(connection: Connection, customer_id: int) -> None:
    """What `store.customers.erase` leaves on the customer's row: how and when they liked to be reached, their worth."""
    blank = dict.fromkeys(
        ("language", "time_zone", "window_start", "window_end", "ltv_minor", "tact_lock", "tact_lock_at")
    )
    connection.execute(update(customers).where(customers.c.id == customer_id).values(blank))


def refuse_all(connection: Connection, customer_id: int, *, now: datetime) -> int:
    """Consent given is taken back; how many."""
    given = update(consents).where(consents.c.customer_id == customer_id, consents.c.granted)
    return connection.execute(given.values(granted=False, at=now)).rowcount


def others_with(connection: Connection, ref: str, channel: str, address: str) -> list[str]:
    """The refs of other customers who have this address on file."""
    if channel in {"sms", "voice"}:
        has_it: ColumnElement[bool] = customers.c.phone == address
    elif channel == "push":
        has_it = customers.c.device == address
    else:
        has_it = func.lower(func.trim(customers.c.email)) == address.strip().lower()
    return list(connection.execute(select(customers.c.ref).where(has_it, customers.c.ref != ref)).scalars())


def suppress(connection: Connection, channel: str, address: str, reason: str, *, now: datetime) -> None:
    """As `store.customers.suppress`, for an address that nobody has but one whose row is held already."""
    row = {"channel": channel, "address_hash": address_hash(address), "reason": reason, "at": now}
    connection.execute(_SUPPRESS, [row])


def erased_at(connection: Connection, customer_id: int) -> datetime:
    """When they were erased first."""
    at: datetime = connection.execute(select(customers.c.erased_at).where(customers.c.id == customer_id)).scalar_one()
    return at


def cancel_unsent(connection: Connection, customer_id: int, *, by: str, now: datetime) -> int:
    """Nothing more is sent; how many actions were to be."""
    return connection.execute(_CANCEL, {"customer": customer_id, "by": by, "now": now}).rowcount


def take_out(connection: Connection, customer_id: int, ref: str, addresses: Collection[str], scrub: Scrub) -> Counts:
    """Blank their words, addresses and what vendors answered, in all tables that know whose it is; rows by table."""
    mine = select(actions.c.id).where(actions.c.customer_id == customer_id)
    planned = select(actions.c.id, actions.c.key, actions.c.payload).where(actions.c.customer_id == customer_id)
    of_actions = connection.execute(planned).all()
    folded = sorted(address.lower() for address in addresses)
    wrote = or_(
        messages.c.customer_id == customer_id,
        messages.c.claimed_ref == ref,
        func.lower(func.trim(messages.c.address)).in_(folded),
    )
    waiting = update(messages).where(wrote, messages.c.state == "waiting")
    connection.execute(waiting.values(state="sorted", outcome=REASON))
    counts = {
        "survey_responses": _set(
            connection, survey_responses, survey_responses.c.customer_id == customer_id, comment=None, distress=None
        ),
        "messages": _set(
            connection, messages, wrote, words="", subject=None, address=None, claimed_ref=None, distress=None
        ),
        "call_outcomes": _set(connection, call_outcomes, call_outcomes.c.action_id.in_(mine), said=None),
        "message_events": _set(connection, _message_events, _message_events.c.action_id.in_(mine), detail=None),
        "receipts": _blank_answers(connection, receipts.c.action_id.in_(mine)),
        "actions": _blank_payloads(connection, {row.id: row.payload for row in of_actions}),
    }
    of_cases = cases.c.customer_id == customer_id
    _scrub(connection, actions, actions.c.reason, actions.c.customer_id == customer_id, scrub)
    _scrub(connection, audit, audit.c.reason, audit.c.action_id.in_(mine), scrub)
    _scrub(connection, cases, cases.c.reason, of_cases, scrub)
    _scrub(
        connection, survey_responses, survey_responses.c.outcome, survey_responses.c.customer_id == customer_id, scrub
    )
    _scrub(
        connection, _promises, _promises.c.reason, _promises.c.case_id.in_(select(cases.c.id).where(of_cases)), scrub
    )
    answers = select(survey_responses.c.source, survey_responses.c.response_id)
    subjects = [row.key for row in of_actions]
    subjects += [
        f"{row.source}/{row.response_id}"
        for row in connection.execute(answers.where(survey_responses.c.customer_id == customer_id))
    ]
    _scrub(
        connection,
        _differences,
        _differences.c.detail,
        among(_differences.c.subject, "subjects"),
        scrub,
        subjects=subjects,
    )
    fetched = select(survey_responses.c.id).where(
        survey_responses.c.customer_id == customer_id,
        survey_responses.c.source == fetches.c.source,
        survey_responses.c.response_id == fetches.c.response_id,
    )
    counts["survey_fetches"] = _forget_fetches(connection, fetched.exists())
    return {table: count for table, count in counts.items() if count}


def kept_bodies(connection: Connection, above: int, up_to: int) -> list[Kept]:
    """What lies in quarantine between two ids, as it came and as it was corrected, and is not blank."""
    came = select(quarantine.c.id, quarantine.c.body, quarantine.c.layout).where(_between(quarantine, above, up_to))
    corrected = (
        select(quarantine.c.id, _decisions.c.body, quarantine.c.layout)
        .join(_decisions, _decisions.c.quarantine_id == quarantine.c.id)
        .where(_between(quarantine, above, up_to), _decisions.c.body.is_not(None))
    )
    return [Kept(*row) for wanted in (came, corrected) for row in connection.execute(wanted) if row.body]


def fetched_bodies(connection: Connection, above: int, up_to: int) -> list[Kept]:
    """What survey tools sent of answers to be fetched, between two ids."""
    wanted = select(fetches.c.id, fetches.c.body).where(_between(fetches, above, up_to))
    return [Kept(row.id, row.body, None) for row in connection.execute(wanted) if row.body]


def blank_quarantine(connection: Connection, ids: Sequence[int], *, by: str, now: datetime) -> None:
    """Take the bytes of these rows, their corrections, and what was said to be wrong with them. None waits any more."""
    asked = {"ids": list(ids)}
    waiting = connection.execute(
        select(quarantine.c.id).where(among(quarantine.c.id, "ids"), quarantine.c.state == "waiting"), asked
    ).scalars()
    discarded = [
        {"quarantine_id": row_id, "what": "discarded", "by": by, "reason": REASON, "outcome": "blanked", "at": now}
        for row_id in waiting
    ]
    if discarded:
        connection.execute(insert(_decisions), discarded)
    of_inbox = select(quarantine.c.inbox_id).where(among(quarantine.c.id, "ids"), quarantine.c.inbox_id.is_not(None))
    connection.execute(update(_inbox).where(_inbox.c.id.in_(of_inbox)).values(problems=[]), asked)
    _forget_fetches(connection, fetches.c.inbox_id.in_(of_inbox), **asked)
    connection.execute(
        update(_decisions).where(among(_decisions.c.quarantine_id, "ids")).values(body=None, outcome="blanked"), asked
    )
    state = case((quarantine.c.state == "waiting", "discarded"), else_=quarantine.c.state)
    connection.execute(
        update(quarantine).where(among(quarantine.c.id, "ids")).values(body=b"", problems=[], state=state), asked
    )


def blank_fetches(connection: Connection, ids: Sequence[int]) -> None:
    """Take the bytes of these announcements; what was to be fetched is not."""
    _forget_fetches(connection, among(fetches.c.id, "ids"), ids=list(ids))


def note(connection: Connection, customer_id: int, counts: Counts, *, by: str, reason: str, now: datetime) -> None:
    """Write down that it was done: by whom, why, and how much."""
    row = {"customer_id": customer_id, "by": by, "reason": reason, "at": now, "counts": counts}
    connection.execute(insert(_erasures).values(row))


def _set(connection: Connection, table: Table, condition: ColumnElement[bool], **values: Any) -> int:
    """Blank these columns where they say something; how many rows did."""
    says = or_(
        *(table.c[name].is_not(None) if blank is None else table.c[name] != blank for name, blank in values.items())
    )
    return connection.execute(update(table).where(condition, says).values(values)).rowcount


def _blank_answers(connection: Connection, of_action: ColumnElement[bool]) -> int:
    """What vendors answered beside the id of what they made. Read here: JSON has no equality on PostgreSQL."""
    told = connection.execute(select(receipts.c.id, receipts.c.detail).where(of_action))
    ids = [row.id for row in told if row.detail]
    if ids:
        connection.execute(update(receipts).where(among(receipts.c.id, "ids")).values(detail={}), {"ids": ids})
    return len(ids)


def _blank_payloads(connection: Connection, payloads: dict[int, dict[str, Any]]) -> int:
    rows = [
        {"row_id": row_id, "blank": blank}
        for row_id, payload in payloads.items()
        if (blank := blanked(payload)) != payload
    ]
    if rows:
        statement = update(actions).where(actions.c.id == bindparam("row_id")).values(payload=bindparam("blank"))
        connection.execute(statement, rows)
    return len(rows)


def _forget_fetches(connection: Connection, condition: ColumnElement[bool], **asked: Any) -> int:
    state = case((fetches.c.state == "waiting", "done"), else_=fetches.c.state)
    wanted = update(fetches).where(condition, func.length(fetches.c.body) > 0)
    return connection.execute(wanted.values(body=b"", state=state, problem=None), asked).rowcount


def _scrub(
    connection: Connection,
    table: Table,
    column: ColumnElement[Any],
    condition: ColumnElement[bool],
    scrub: Scrub,
    **asked: Any,
) -> None:
    """Texts that machines and people wrote stay, without the customer in them."""
    wanted = select(table.c.id, column.label("words")).where(condition, column.is_not(None))
    rows = [
        {"row_id": row.id, "words": cleaned}
        for row in connection.execute(wanted, asked)
        if (cleaned := scrub(row.words)) != row.words
    ]
    if rows:
        statement = update(table).where(table.c.id == bindparam("row_id")).values({column.name: bindparam("words")})
        connection.execute(statement, rows)


def _between(table: Table, above: int, up_to: int) -> ColumnElement[bool]:
    return table.c.id.between(above + 1, up_to)
