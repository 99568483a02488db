"""People on call told of reviews: each alert is planned in the transaction which notes that it is."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from domain.actions import Capability
from domain.policy import Policy
from domain.review_alerts import Due, Watched, due_alerts, plan_alerts
from services.wiring import Handrail
from store import review_alerts
from store.crash_points import reached
from store.database import Database
from store.ledger.enqueue import About, enqueue_all


async def tell_reviews(handrail: Handrail, *, run: str) -> list[str]:
    """Plan every alert about reviews that is due; their keys. By several processes at once it is once, too."""
    can_page = handrail.roster.of(Capability.ALERT) is not None
    policy, now = handrail.policy, handrail.clock()
    return await asyncio.to_thread(plan_due, handrail.database, policy, can_page=can_page, run=run, now=now)


def plan_due(database: Database, policy: Policy, *, can_page: bool, run: str, now: datetime) -> list[str]:
    """As `tell_reviews`. Looked at again under the reviews' locks: somebody may just decide, or tell of them."""
    with database.read() as connection:
        due = _due(connection, review_alerts.watched(connection), policy, now)
    if not due:
        return []
    with database.write("tell-reviews") as connection:
        held = review_alerts.these(connection, {one.review.id for one in due})
        due = _due(connection, held, policy, now)
        plans = plan_alerts(due, policy, can_page=can_page, now=now)
        made = enqueue_all(connection, [(planned, About()) for planned in plans], run=run, now=now)
        review_alerts.note(connection, due, now=now)
    reached("reviews.told")
    return sorted(made)


def _due(connection: Connection, watched: Sequence[Watched], policy: Policy, now: datetime) -> list[Due]:
    due = due_alerts(watched, policy, shared_at=None, now=now)
    if not any(one.is_shared for one in due):
        return due
    shares = [risk for risk, rules in policy.reviews.classes.items() if not rules.alone]
    return due_alerts(watched, policy, shared_at=review_alerts.shared_at(connection, shares), now=now)
