"""Who told of distress lately, in an answer or in a message."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, union

from store.tables import metadata
from store.types import Instant, among

_TOLD = union(
    *(
        select(table.c.customer_id).where(
            among(table.c.customer_id, "ids"),
            table.c.distress.is_not(None),
            table.c.received_at >= bindparam("since", type_=Instant),
        )
        for table in (metadata.tables["survey_responses"], metadata.tables["messages"])
    )
)


def told_since(connection: Connection, customer_ids: Collection[int], since: datetime) -> frozenset[int]:
    """Those of these customers who told of distress since an instant."""
    if not customer_ids:
        return frozenset()
    return frozenset(connection.execute(_TOLD, {"ids": sorted(customer_ids), "since": since}).scalars())
