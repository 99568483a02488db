"""Make anew what was planned on facts that have changed."""

import logging
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, or_, select

from domain.actions import Kind, State
from domain.policy import Policy
from services.case_plans import page_anew, recovery_survey_anew
from services.endings_anew import ENDING_KINDS, Anew, ending_anew
from services.escalating import acknowledgement_anew
from services.journeys import Journeys
from services.risks import asked_anew
from services.steps_anew import step_anew
from store.database import Database
from store.ledger.enqueue import enqueue, replan
from store.ledger.facts import may_be_out
from store.ledger.rows import actions

_log = logging.getLogger("services.replanning")
_CHUNK = 100
_ANEW = {
    Kind.ACKNOWLEDGEMENT: acknowledgement_anew,
    Kind.PAGE: page_anew,
    Kind.MESSAGE: recovery_survey_anew,
}
"""How each kind that rests on facts is planned from today's; endings and steps of journeys in ways of their own."""
_PLANNABLE = or_(
    actions.c.kind.in_(sorted(_ANEW)),
    and_(actions.c.kind.in_(sorted(ENDING_KINDS)), actions.c.entitlement_id.is_not(None)),
    actions.c.enrolment_id.is_not(None),
)


def replan_changed(database: Database, policy: Policy, *, run: str, now: datetime) -> list[str]:
    """Every `planned` action gets a payload from today's facts and is ready again; the keys."""
    journeys = Journeys()
    with database.read() as connection:
        waiting = connection.execute(
            select(actions.c.id, actions.c.key, actions.c.kind, actions.c.enrolment_id)
            .where(actions.c.state == State.PLANNED, _PLANNABLE)
            .order_by(actions.c.id)
            .limit(_CHUNK)
        ).all()
    return [row.key for row in waiting if _replanned(database, policy, journeys, row, run, now)]


def _replanned(database: Database, policy: Policy, journeys: Journeys, row: Row[Any], run: str, now: datetime) -> bool:
    try:
        with database.write("replan") as connection:
            anew = _anew(connection, row, policy, journeys, now)
            planned = asked_anew(connection, row.id, anew.planned, anew.about, policy, now=now)
            is_moved = replan(connection, row.id, planned, anew.about, run=run, now=now)
            if is_moved and anew.instead is not None and not may_be_out(connection, [row.id]):
                enqueue(connection, [anew.instead], anew.about, run=run, now=now)
            return is_moved
    except Exception:  # one plan must not keep the others, and the rest of recovery, waiting
        _log.exception("%s: could not be planned anew", row.key)
        return False


def _anew(connection: Connection, row: Row[Any], policy: Policy, journeys: Journeys, now: datetime) -> Anew:
    if row.enrolment_id is not None:
        return step_anew(connection, row.id, policy, journeys, now=now)
    if row.kind in _ANEW:
        return Anew(*_ANEW[Kind(row.kind)](connection, row.id, policy, now=now))
    return ending_anew(connection, row.id, policy, now=now)
