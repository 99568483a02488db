"""Reviews as rows, without actions, for tests of who is told of them and where they are counted."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from domain.review_rules import Risk
from domain.reviews import Stand
from store.database import Database
from store.ledger.rows import reviews


def open_review(database: Database, review_id: int, risk: Risk = Risk.LOW, *, now: datetime, **facts: Any) -> int:
    """One that was sealed just now, about 37 messages, for four hours unless told."""
    row = {
        "id": review_id,
        "state": Stand.OPEN,
        "risk": risk,
        "payload_hash": "h",
        "initiator": "run-1",
        "reviewers_needed": 2 if risk is Risk.HIGH else 1,
        "deadline": now + timedelta(hours=4),
        "created_at": now,
        "collect_until": now,
        "sealed_at": now,
        "subject": "actions",
        "what": "journey/onboarding/welcome",
        "rules": ["many_customers"],
        "group_key": "",
        "count": 37,
        "content": {"kinds": {"message": 37}},
        "told": -1,
        "revision": 1,
        **dict.fromkeys(("stage", "released", "told_vote"), 0),
        **facts,
    }
    with database.write() as connection:
        connection.execute(insert(reviews).values(row))
    return review_id
