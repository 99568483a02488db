"""Who told of distress lately, in an answer or in a message."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, literal, or_, select, union

from store.tables import metadata
from store.types import Instant, among

_WHERE = (metadata.tables["survey_responses"], metadata.tables["messages"])
_TOLD = union(
    *(
        select(table.c.customer_id).where(
            among(table.c.customer_id, "ids"),
            table.c.distress.is_not(None),
            table.c.received_at >= bindparam("since", type_=Instant),
        )
        for table in _WHERE
    )
)


def has_told(customer_id: ColumnElement[int]) -> ColumnElement[bool]:
    """That a customer told of distress since the statement's parameter `distress_since`; with null nobody did."""
    since = bindparam("distress_since", type_=Instant)
    found = (
        select(literal(1))
        .where(table.c.customer_id == customer_id, table.c.distress.is_not(None), table.c.received_at >= since)
        .limit(1)
        .scalar_subquery()
        .is_not(None)
        for table in _WHERE
    )
    return or_(*found)


def told_since(connection: Connection, customer_ids: Collection[int], since: datetime) -> frozenset[int]:
    """Those of these customers who told of distress since an instant."""
    if not customer_ids:
        return frozenset()
    return frozenset(connection.execute(_TOLD, {"ids": sorted(customer_ids), "since": since}).scalars())
