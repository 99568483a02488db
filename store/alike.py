"""Who is due in a journey, by the page: the database puts those together about whom the same decides."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import starmap
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Integer,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    tuple_,
)

from domain.channels import Channel
from store import distress
from store.customers import Person
from store.drip import AFTER, CHANNELS, IS_DUE, LAST_ACTION, Enrolled, Place
from store.enrolments import behaviour
from store.ledger import thin
from store.ledger.rows import consents, customers, enrolments
from store.ledger.steps import Going
from store.types import Instant, microseconds


class Stand(NamedTuple):
    """A step of a version, with what is read about those who stand there."""

    journey: str
    journey_hash: str
    step: str
    purpose: str | None = None  # of the consents that decide; None: none do
    is_steered: bool = False  # by what customers did: whoever did anything is like nobody else
    is_alone: bool = False  # nobody there is like another


class Anyone(NamedTuple):
    """What those who are alike have in common, as if it were one of them: nothing else can decide about them."""

    row: Enrolled
    purpose: str | None
    consents: dict[Channel, bool | None]
    in_hardship: bool


class Alike(NamedTuple):
    """Some whose step is due, and about whom the same decides; without a key, each by themselves."""

    key: str | None  # what decides, as the database put it together
    stand: Stand | None  # of those with a key; of others only one that is unknown
    goings: list[Going]

    def anyone(self) -> Anyone:
        """One of them, without what is only their own. Raises ValueError for who has no key."""
        if self.key is None or self.stand is None:
            raise ValueError("they are not alike")
        _, _, lacks, *says, window_start, window_end, said, in_hardship = orjson.loads(self.key)
        language, time_zone, tier, preferred_channel, dedicated_agent = says
        mail, phone, device = (None if lacks & bit else "." for bit in _LACKS)
        going = self.goings[0]
        person = Person(
            *("", None, mail, phone, device, language, time_zone, tier, preferred_channel, dedicated_agent),
            *(window_start, window_end, None, None),
        )
        due_at = Instant.of(going.was_due)
        row = Enrolled(
            *(going.id, going.customer_id, self.stand.journey, self.stand.journey_hash, 1, "", self.stand.step),
            *(due_at, due_at, due_at, going.after_id, going.version, person),
        )
        consents = {CHANNELS[one[:-1]]: one[-1] == "+" for one in said.split(",")} if said else {}
        return Anyone(row, self.stand.purpose, consents, bool(in_hardship))


_LACKS = (1, 2, 4)
"""No mail address, no phone number, no device: bits of a key's third part."""

_STAND: thin.Types = {
    "place": Integer(),
    "journey_hash": String(),
    "step": String(),
    "purpose": String(),
    "is_steered": Boolean(),
    "is_alone": Boolean(),
}
_ADDRESSES = ("email", "phone", "device")
_DECIDES = (
    "language",
    "time_zone",
    "tier",
    "preferred_channel",
    "dedicated_agent",
    "window_start",
    "window_end",
)
_BY_ONE_PROCESS = "SET LOCAL max_parallel_workers_per_gather = 0"
"""Starting one of PostgreSQL's workers for a page costs it more than reading the page."""
_MINUTE = literal_column("60000000", BigInteger())
_LONG_AGO = datetime.fromtimestamp(0, UTC)
_SAID = consents.c.channel.concat(case((consents.c.granted, "+"), else_="-"))
_JOINED = {"sqlite": func.group_concat, "postgresql": func.string_agg}
_JSON = {
    "sqlite": (func.json_array, func.json_group_array),
    "postgresql": (func.json_build_array, func.json_agg),
}


@cache
def _due(dialect: str, asks_hardship: bool) -> Select[Any]:
    """A page of who is due, those alike in one row.

    Put together by the database, they are a few rows instead of one for each with all that decides.
    """
    e, c, stand = enrolments, customers, thin.shared(dialect, _STAND)
    said = select(_JOINED[dialect](_SAID, literal_column("','")).label("said")).where(
        consents.c.customer_id == e.c.customer_id, consents.c.purpose == stand.c.purpose
    )
    did = select(literal_column("1")).where(behaviour.c.customer_id == e.c.customer_id).exists()
    alone = or_(
        stand.c.place.is_(None),
        stand.c.is_alone,
        e.c.due_at < bindparam("just_now", type_=Instant),
        c.c.tact_lock.is_not(None),
        c.c.erased_at.is_not(None),
        and_(stand.c.is_steered, did),
    )
    lacks = (
        case((func.coalesce(c.c[name], "") == "", bit), else_=0) for name, bit in zip(_ADDRESSES, _LACKS, strict=True)
    )
    decides = (
        *(stand.c.place, microseconds(e.c.due_at) // _MINUTE, sum(lacks, literal_column("0"))),
        *(c.c[name] for name in _DECIDES),
        case((stand.c.purpose.is_not(None), said.scalar_subquery())),
        distress.has_told(e.c.customer_id) if asks_hardship else literal_column("0"),
    )
    make, gather = _JSON[dialect]
    going = (
        e.c.id,
        microseconds(e.c.due_at).label("was_due"),
        e.c.customer_id,
        c.c.version,
        LAST_ACTION.label("after_id"),
    )
    unknown = case((stand.c.place.is_(None), cast(make(e.c.journey, e.c.journey_hash, e.c.step), Text)))
    key = case((alone, null()), else_=cast(make(*decides), Text))
    page = (
        select(*going, stand.c.place, key.label("key"), unknown.label("unknown"))
        .select_from(e)
        .join(c, c.c.id == e.c.customer_id)
        .outerjoin(stand, and_(stand.c.journey_hash == e.c.journey_hash, stand.c.step == e.c.step))
        .where(IS_DUE, tuple_(e.c.due_at, e.c.id) > AFTER)
        .order_by(e.c.due_at, e.c.id)
        .limit(bindparam("most"))
        .subquery("page")
    )
    alike, members = (page.c.key, page.c.unknown), gather(make(*(page.c[one.name] for one in going)))
    return select(*alike, func.min(page.c.place), cast(members, Text)).group_by(*alike)


def due(
    connection: Connection,
    stands: Sequence[Stand],
    *,
    until: datetime,
    after: Place,
    limit: int,
    just_now: datetime | None,
    hardship_since: datetime | None,
) -> list[Alike]:
    """Who waits for a step that is due until then, the earliest first, from behind `after` on; those alike together.

    Who stands elsewhere than `stands` is told with where that is, and is like nobody; nor is who was due before
    `just_now`. Hardship counts that was told of since `hardship_since`; None: it never does. A key tells a stand by
    its place among them: who asks again with more of them adds them at the end. On PostgreSQL whatever else the
    transaction reads is read by one process too.
    """
    dialect = connection.dialect.name
    told = thin.shared_as(dialect, ({"place": place, **one._asdict()} for place, one in enumerate(stands)))
    asked = {"until": until, "after_at": after[0], "after_id": after[1], "most": limit, **told}
    asked["just_now"] = just_now or _LONG_AGO
    if hardship_since is not None:
        asked["distress_since"] = hardship_since
    if dialect != "sqlite":
        connection.exec_driver_sql(_BY_ONE_PROCESS)
    found = connection.execute(_due(dialect, hardship_since is not None), asked)
    return [
        Alike(
            key,
            Stand(*orjson.loads(unknown)) if unknown is not None else stands[place] if key is not None else None,
            list(starmap(Going, orjson.loads(members))),
        )
        for key, unknown, place, members in found
    ]
