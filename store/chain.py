"""The chain of decisions about reviews, the kill switch and reviewers: each entry's hash covers the one before."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from store.canonical import payload_hash
from store.ledger.rows import chain, chain_head, controls


class Subject(StrEnum):
    """What an entry is about."""

    REVIEW = "review"
    CONTROL = "control"
    REVIEWER = "reviewer"


def append(
    connection: Connection,
    subject: Subject,
    subject_id: str | int,
    what: str,
    *,
    by: str,
    at: datetime,
    detail: Mapping[str, Any],
) -> int:
    """Append one entry, in the transaction of what it tells; its number. `detail` has ids, counts and hashes alone.

    Who appends holds the head's lock until commit: take every other lock before.
    """
    head = connection.execute(select(chain_head).where(chain_head.c.id == 1).with_for_update()).one()
    number = int(head.entries) + 1
    entry = {
        "id": number,
        "subject": subject.value,
        "subject_id": str(subject_id),
        "what": what,
        "by": by,
        "at": at,
        "detail": dict(detail),
        "previous": head.hash,
    }
    hashed = entry_hash(entry)
    connection.execute(insert(chain).values(**entry, hash=hashed))
    connection.execute(update(chain_head).where(chain_head.c.id == 1).values(entries=number, hash=hashed))
    return number


def append_control(connection: Connection, what: str, *, by: str, at: datetime, detail: Mapping[str, Any]) -> int:
    """Append that the kill switch was used, with its row as it stands now; the caller holds that. Its number."""
    row = connection.execute(select(controls).where(controls.c.id == 1)).one()
    return append(connection, Subject.CONTROL, "1", what, by=by, at=at, detail={**detail, "row": control_row(row)})


def control_row(row: Any) -> dict[str, Any]:
    """The kill switch's row as the chain keeps it: who, when, and hashes of what was written."""
    return {
        "stopped": row.stopped,
        "by": row.by,
        "at": instant(row.at),
        "reason": words_hash(row.reason),
        "stops": payload_hash({"stops": row.stops}),
    }


def entry_hash(entry: Mapping[str, Any]) -> str:
    """SHA-256 over an entry's canonical JSON (RFC 8785), its instant in UTC to the microsecond."""
    at: datetime = entry["at"]
    told = {name: value for name, value in entry.items() if name != "hash"}
    return payload_hash({**told, "at": instant(at)})


def instant(at: datetime) -> str:
    """An instant as the chain writes it: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def words_hash(words: str | None) -> str | None:
    """SHA-256 of free text: the chain shows that it was touched, and does not keep it."""
    return None if words is None else hashlib.sha256(words.encode()).hexdigest()


def chained(before: str, change: Mapping[str, Any]) -> str:
    """The hash of what is asked, after a change of it: SHA-256 over the hash before and the change."""
    return hashlib.sha256(f"{before}\n{payload_hash(dict(change))}".encode()).hexdigest()
