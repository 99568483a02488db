"""What became of messages after their vendors took them: each kind of news of each message once."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, select

from domain.message_events import MessageNews
from store.ledger.rows import actions
from store.once import insert_once
from store.tables import metadata
from store.types import among

message_events: Table = metadata.tables["message_events"]


class News(NamedTuple):
    """One piece of news of one message, by our id of its action."""

    action_id: int
    what: MessageNews
    at: datetime
    source: str
    detail: str | None


_OWNERS = select(actions.c.key, actions.c.customer_id).where(among(actions.c.key, "keys"))
_HELD = select(actions).where(among(actions.c.key, "keys")).order_by(actions.c.id).with_for_update(key_share=True)
_KEEP = insert_once(message_events, "action_id", "what").returning(message_events.c.action_id, message_events.c.what)


def owners(connection: Connection, keys: Collection[str]) -> dict[str, int | None]:
    """Whom messages were written to, by key; a key that is none of ours is missing."""
    return {row.key: row.customer_id for row in connection.execute(_OWNERS, {"keys": sorted(set(keys))})}


def held(connection: Connection, keys: Collection[str]) -> dict[str, Row[Any]]:
    """The messages with these keys, held until the transaction ends; their customers are held before."""
    return {row.key: row for row in connection.execute(_HELD, {"keys": sorted(set(keys))})}


def keep(connection: Connection, news: Sequence[News]) -> set[tuple[int, MessageNews]]:
    """Keep what is told of messages; which (action, what) were not known before."""
    if not news:
        return set()
    rows = [it._asdict() for it in {(it.action_id, it.what): it for it in reversed(news)}.values()]
    return {(action_id, MessageNews(what)) for action_id, what in connection.execute(_KEEP, rows)}
