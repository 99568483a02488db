"""Make anew what was planned on facts that have changed."""

import logging
from datetime import datetime

from sqlalchemy import select

from domain.actions import Kind, State
from domain.policy import Policy
from services.escalating import acknowledgement_anew
from store.database import Database
from store.ledger.enqueue import replan
from store.ledger.rows import actions

_log = logging.getLogger("services.replanning")
_CHUNK = 100


def replan_changed(database: Database, policy: Policy, *, run: str, now: datetime) -> list[str]:
    """Every `planned` action gets a payload from today's facts and is ready again; the keys."""
    with database.read() as connection:
        waiting = connection.execute(
            select(actions.c.id, actions.c.key)
            .where(actions.c.state == State.PLANNED, actions.c.kind == Kind.ACKNOWLEDGEMENT)
            .order_by(actions.c.id)
            .limit(_CHUNK)
        ).all()
    return [key for action_id, key in waiting if _replanned(database, policy, action_id, key, run, now)]


def _replanned(database: Database, policy: Policy, action_id: int, key: str, run: str, now: datetime) -> bool:
    try:
        with database.write("replan") as connection:
            planned, about = acknowledgement_anew(connection, action_id, policy, now=now)
            return replan(connection, action_id, planned, about, run=run, now=now)
    except Exception:  # one plan must not keep the others, and the rest of recovery, waiting
        _log.exception("%s: could not be planned anew", key)
        return False
