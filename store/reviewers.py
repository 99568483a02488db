"""Reviewers and their codes: what counts once is spent by compare-and-set."""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, or_, select, update

from store.once import insert_once
from store.tables import metadata

_reviewers: Table = metadata.tables["reviewers"]
_recovery_codes: Table = metadata.tables["recovery_codes"]
_code_tries: Table = metadata.tables["code_tries"]
_spent_links: Table = metadata.tables["spent_links"]

SPENT = "recovery code used"
"""As the chain tells it, with the code's hash."""

_SPEND_LINK = insert_once(_spent_links, "link_hash").returning(_spent_links.c.link_hash)
_TRIES_OF = insert_once(_code_tries, "name_hash")


def listed(connection: Connection) -> list[Row[Any]]:
    """Those who may decide, by name, each with how many recovery codes are left."""
    left = (
        select(func.count())
        .where(_recovery_codes.c.reviewer == _reviewers.c.name, _recovery_codes.c.spent_at.is_(None))
        .scalar_subquery()
    )
    wanted = select(_reviewers, left.label("recovery_codes")).where(_reviewers.c.removed_at.is_(None))
    return list(connection.execute(wanted.order_by(_reviewers.c.name)))


def is_there_any(connection: Connection) -> bool:
    """Whether anybody may decide."""
    return (
        connection.execute(select(_reviewers.c.name).where(_reviewers.c.removed_at.is_(None)).limit(1)).first()
        is not None
    )


def find(connection: Connection, name: str, *, lock: bool = False) -> Row[Any] | None:
    """Who is called exactly so and was not removed."""
    wanted = select(_reviewers).where(_reviewers.c.name == name, _reviewers.c.removed_at.is_(None))
    return connection.execute(wanted.with_for_update() if lock else wanted).first()


def add(connection: Connection, name: str, *, roles: Collection[str], secret: str, by: str, now: datetime) -> None:
    """Add somebody, or once more somebody who was removed."""
    row = {"roles": sorted(roles), "secret": secret, "spent_step": None, "added_at": now, "added_by": by}
    was_removed = _reviewers.c.removed_at.is_not(None)
    again = update(_reviewers).where(_reviewers.c.name == name, was_removed).values(**row, removed_at=None)
    if connection.execute(again).rowcount == 0:
        connection.execute(insert(_reviewers).values(name=name, **row))


def change_roles(connection: Connection, name: str, roles: Collection[str]) -> None:
    """Give them these roles and no others."""
    connection.execute(update(_reviewers).where(_reviewers.c.name == name).values(roles=sorted(roles)))


def change_secret(connection: Connection, name: str, secret: str) -> None:
    """Codes of the secret before count no more."""
    connection.execute(update(_reviewers).where(_reviewers.c.name == name).values(secret=secret, spent_step=None))


def remove(connection: Connection, name: str, now: datetime) -> None:
    """Take somebody away, and the secrets with them."""
    connection.execute(update(_reviewers).where(_reviewers.c.name == name).values(secret="", removed_at=now))
    change_recovery_codes(connection, name, ())


def change_recovery_codes(connection: Connection, name: str, hashes: Collection[str]) -> None:
    """These count, and none from before."""
    connection.execute(delete(_recovery_codes).where(_recovery_codes.c.reviewer == name))
    if hashes:
        connection.execute(insert(_recovery_codes), [{"code_hash": each, "reviewer": name} for each in hashes])


def codes_hash(connection: Connection, name: str) -> str:
    """Of a reviewer's secret and recovery codes, for the chain: it tells nothing of them, and others are noticed."""
    of_codes = select(_recovery_codes.c.code_hash).where(_recovery_codes.c.reviewer == name)
    secret = connection.execute(select(_reviewers.c.secret).where(_reviewers.c.name == name)).scalar_one()
    kept = "\n".join((name, secret, *sorted(connection.execute(of_codes).scalars())))
    return hashlib.sha256(f"codes of a reviewer\n{kept}".encode()).hexdigest()


def spend_step(connection: Connection, name: str, secret: str, step: int) -> bool:
    """Count the code of this time step; False when it or a later one has counted already, or the secret is another."""
    is_fresh = or_(_reviewers.c.spent_step.is_(None), _reviewers.c.spent_step < step)
    whose = (_reviewers.c.name == name, _reviewers.c.secret == secret, _reviewers.c.removed_at.is_(None))
    return connection.execute(update(_reviewers).where(*whose, is_fresh).values(spent_step=step)).rowcount == 1


def spend_recovery_code(connection: Connection, name: str, code_hash: str, now: datetime) -> bool:
    """Count a recovery code; False when it is none of theirs, or has counted already."""
    is_theirs = (_recovery_codes.c.code_hash == code_hash, _recovery_codes.c.reviewer == name)
    spent = update(_recovery_codes).where(*is_theirs, _recovery_codes.c.spent_at.is_(None)).values(spent_at=now)
    return connection.execute(spent).rowcount == 1


def recovery_codes(connection: Connection) -> dict[str, tuple[str, datetime | None]]:
    """Every recovery code's hash, with whose it is, and when it was used."""
    found = connection.execute(select(_recovery_codes))
    return {row.code_hash: (row.reviewer, row.spent_at) for row in found}


def tries(connection: Connection, name_hash: str) -> Row[Any]:
    """How many wrong codes there were in a row; who asks holds the row until commit, so tries come one by one."""
    connection.execute(_TRIES_OF, {"name_hash": name_hash, "wrong": 0, "wait_until": None})
    return connection.execute(select(_code_tries).where(_code_tries.c.name_hash == name_hash).with_for_update()).one()


def set_tries(connection: Connection, name_hash: str, *, wrong: int, wait_until: datetime | None) -> None:
    """How many there were now."""
    changed = update(_code_tries).where(_code_tries.c.name_hash == name_hash)
    connection.execute(changed.values(wrong=wrong, wait_until=wait_until))


def spend_link(connection: Connection, link_hash: str, *, review_id: int, reviewer: str, now: datetime) -> bool:
    """Count a signed link; False when it has counted already."""
    link = {"link_hash": link_hash, "review_id": review_id, "reviewer": reviewer, "at": now}
    return connection.execute(_SPEND_LINK, link).first() is not None


def is_link_spent(connection: Connection, link_hash: str) -> bool:
    """Whether a signed link has counted."""
    return (
        connection.execute(select(_spent_links.c.at).where(_spent_links.c.link_hash == link_hash)).first() is not None
    )
