"""What the onboarding drip reads: who is due or over with everything that decides, and who waits for a person."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    text,
    tuple_,
)

from domain.actions import FINAL, Capability, State
from domain.channels import CHANNEL_OF, Channel
from domain.journeys import Standing
from store.customers import PERSON, Person
from store.ledger.rows import actions, consents, customers, enrolments, entitlements, reviews, suppressions
from store.types import Instant, among


class Enrolled(NamedTuple):
    """One enrolment with what decides, in the order of its columns but for the person."""

    id: int
    customer_id: int
    journey: str
    journey_hash: str
    number: int
    key_part: str
    step: str
    due_at: datetime  # of one that is in the air: when its action was over
    entered_at: datetime
    previous_at: datetime
    action_id: int | None  # of the step before; of one that is in the air: of this step
    version: int  # of the customer's row
    person: Person


Place = tuple[datetime, int]
"""Up to where pages were read: an instant, and an enrolment's id."""

_ACTIVE = enrolments.c.state == literal_column(f"'{Standing.ACTIVE}'")
LAST_ACTION = (
    select(func.max(actions.c.id)).where(actions.c.enrolment_id == enrolments.c.id).correlate(enrolments)
).scalar_subquery()


def _enrolled(due_at: Any, action_id: Any) -> Select[Any]:
    e = enrolments
    cursor = (e.c.id, e.c.customer_id, e.c.journey, e.c.journey_hash, e.c.number, e.c.key_part, e.c.step)
    return select(*cursor, due_at, e.c.entered_at, e.c.previous_at, action_id, customers.c.version, *PERSON).join_from(
        e, customers, customers.c.id == e.c.customer_id
    )


AFTER = tuple_(bindparam("after_at", type_=Instant), bindparam("after_id"))
IS_DUE = and_(enrolments.c.due_at <= bindparam("until", type_=Instant), enrolments.c.action_id.is_(None), _ACTIVE)
_THESE = _enrolled(enrolments.c.due_at, LAST_ACTION).where(among(enrolments.c.id, "ids"), IS_DUE)
_OVER = (
    _enrolled(actions.c.updated_at, enrolments.c.action_id)
    .add_columns(actions.c.state, actions.c.due_at, enrolments.c.due_at.label("look_at"))
    .join(actions, actions.c.id == enrolments.c.action_id)
    .where(
        enrolments.c.action_id.is_not(None),
        enrolments.c.due_at <= bindparam("until", type_=Instant),
        tuple_(enrolments.c.due_at, enrolments.c.id) > AFTER,
        _ACTIVE,
        actions.c.state.in_(sorted(FINAL)),
    )
    .order_by(enrolments.c.due_at, enrolments.c.id)
    .limit(bindparam("most"))
)
_CONSENTS = select(consents.c.customer_id, consents.c.purpose, consents.c.channel, consents.c.granted).where(
    among(consents.c.customer_id, "ids"), among(consents.c.purpose, "purposes")
)
_ADDRESSES = {
    capability: select(customers.c.id, address).where(among(customers.c.id, "ids"))
    for capability, address in (
        (Capability.MAIL, customers.c.email),
        (Capability.SMS, customers.c.phone),
        (Capability.VOICE, customers.c.phone),
        (Capability.PUSH, customers.c.device),
    )
}
_SUPPRESSED = select(suppressions.c.address_hash).where(
    suppressions.c.channel == bindparam("on_channel"), among(suppressions.c.address_hash, "hashes")
)
_ANY_SUPPRESSED = select(suppressions.c.id).where(suppressions.c.channel == bindparam("on_channel")).limit(1)
_ENDINGS = (
    select(entitlements.c.customer_id, entitlements.c.ends_on, entitlements.c.time_zone)
    .where(
        among(entitlements.c.customer_id, "ids"),
        entitlements.c.state == "active",
        entitlements.c.auto_renews.is_(False),
        entitlements.c.ends_on >= bindparam("first"),
    )
    .order_by(entitlements.c.ends_on, entitlements.c.id)
)
_LAST_ACTIONS = (
    select(actions.c.enrolment_id, func.max(actions.c.id))
    .where(among(actions.c.enrolment_id, "ids"))
    .group_by(actions.c.enrolment_id)
)


def _waiting(as_their_index_has_it: str) -> Select[Any]:
    """Begun from the few that stand so: with statistics or without, never from all who are in the air."""
    stuck = (
        select(actions.c.id, actions.c.enrolment_id, actions.c.state)
        .where(text(as_their_index_has_it))
        .cte("stuck")
        .prefix_with("MATERIALIZED")
    )
    return (
        select(stuck.c.state, func.count())
        .join(enrolments, and_(enrolments.c.id == stuck.c.enrolment_id, enrolments.c.action_id == stuck.c.id))
        .where(_ACTIVE)
        .group_by(stuck.c.state)
    )


_WAITING = (_waiting("state IN ('needs_human', 'failed')"), _waiting("state = 'uncertain'"))
_REVIEWED = select(  # not as a join: few reviews are unfinished, and the members of each are counted from an index
    func.coalesce(
        func.sum(
            select(func.count())
            .where(actions.c.review_id == reviews.c.id, text("actions.state = 'awaiting_review'"))
            .scalar_subquery()
        ),
        0,
    )
).where(text("reviews.finished_at IS NULL"), reviews.c.what.startswith("journey/"))
_ASIDE = (
    select(enrolments.c.reason, func.count())
    .where(_ACTIVE, enrolments.c.reason.is_not(None))
    .group_by(enrolments.c.reason)
)
_SENDABLE = (
    select(actions.c.id)
    .where(
        actions.c.state == State.READY,
        actions.c.lane.in_(("urgent", "normal", "apart", "alone")),  # every lane: the index begins with it
        actions.c.capability == bindparam("by"),
        actions.c.due_at <= bindparam("now", type_=Instant),
        actions.c.enrolment_id.is_not(None),
    )
    .limit(1)
)


def addresses(
    connection: Connection, channel: Capability, customer_ids: Sequence[int]
) -> Sequence[tuple[int, str | None]]:
    """Where these customers are written to on a channel."""
    return connection.execute(_ADDRESSES[channel], {"ids": customer_ids}).tuples().all()


def these(connection: Connection, enrolment_ids: Sequence[int], *, until: datetime) -> list[Enrolled]:
    """Those of these enrolments who still wait for a step that is due until then, the earliest first."""
    rows = connection.execute(_THESE, {"until": until, "ids": enrolment_ids}).all()
    found = [Enrolled._make((*row[:_PERSON], Person._make(row[_PERSON:]))) for row in rows]
    return sorted(found, key=attrgetter("due_at", "id"))


def over(connection: Connection, *, until: datetime, after: Place, limit: int) -> tuple[list[Enrolled], Place | None]:
    """Whose action is over, of those that were due until then; and up to where this has read.

    It was over when it made its last move; one that was skipped, when it was due.
    """
    asked = {"until": until, "after_at": after[0], "after_id": after[1], "most": limit}
    rows = connection.execute(_OVER, asked).all()
    found = []
    for row in rows:
        state, due_at, _ = row[-3:]
        one = Enrolled._make((*row[:_PERSON], Person._make(row[_PERSON:-3])))
        found.append(one._replace(due_at=due_at) if state == State.SKIPPED else one)
    return found, (rows[-1].look_at, rows[-1].id) if rows else None


_PERSON = Enrolled._fields.index("person")


def consents_of(
    connection: Connection, customer_ids: Collection[int], purposes: Collection[str]
) -> dict[tuple[int, str], dict[Channel, bool | None]]:
    """What these customers said, by customer and purpose."""
    said: dict[tuple[int, str], dict[Channel, bool | None]] = {}
    if customer_ids and purposes:
        asked = {"ids": sorted(customer_ids), "purposes": sorted(purposes)}
        for customer_id, purpose, channel, granted in connection.execute(_CONSENTS, asked).all():
            said.setdefault((customer_id, purpose), {})[CHANNELS[channel]] = granted
    return said


CHANNELS = {capability.value: channel for capability, channel in CHANNEL_OF.items()}


def suppressed(connection: Connection, channel: Capability, hashes: Collection[str]) -> set[str]:
    """Those of the hashed addresses that must not be written to on a channel."""
    if not hashes:
        return set()
    return set(connection.execute(_SUPPRESSED, {"on_channel": channel, "hashes": sorted(hashes)}).scalars())


def is_any_suppressed(connection: Connection, channel: Capability) -> bool:
    """False when there is no address that must not be written to on a channel: then none need be looked for."""
    return connection.execute(_ANY_SUPPRESSED, {"on_channel": channel}).first() is not None


def next_endings(connection: Connection, customer_ids: Collection[int], *, first: date) -> dict[int, tuple[date, str]]:
    """When the next of each customer's entitlements ends, not before `first`, and in which time zone."""
    found: dict[int, tuple[date, str]] = {}
    if customer_ids:
        for customer_id, ends_on, place in connection.execute(_ENDINGS, {"ids": sorted(customer_ids), "first": first}):
            found.setdefault(customer_id, (ends_on, place))
    return found


def last_actions(connection: Connection, enrolment_ids: Sequence[int]) -> Mapping[int, int]:
    """The latest action of each enrolment."""
    return dict(connection.execute(_LAST_ACTIONS, {"ids": list(enrolment_ids)}).tuples().all())


def waiting(connection: Connection) -> dict[str, int]:
    """How many journeys wait: their step is `uncertain` or `failed`, needs a person or a review; by its state."""
    found: dict[str, int] = {}
    for statement in _WAITING:
        found |= dict(connection.execute(statement).tuples().all())
    reviewed = int(connection.execute(_REVIEWED).scalar_one())
    return found | ({State.AWAITING_REVIEW.value: reviewed} if reviewed else {})


def set_aside(connection: Connection) -> dict[str, int]:
    """How many enrolments were set aside because they made no sense, by what is wrong with them."""
    return dict(connection.execute(_ASIDE).tuples().all())


def sendable(connection: Connection, capabilities: Iterable[Capability], *, now: datetime) -> list[Capability]:
    """Of these, the ones over which a step of a journey may go now."""
    return [one for one in capabilities if connection.execute(_SENDABLE, {"by": one, "now": now}).first() is not None]
