"""Critical answers that nobody has dealt with yet, for tests."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update
from standardwebhooks import Webhook

from services.intake import receive_webhook
from services.wiring import Handrail
from store.database import Database
from store.ledger.rows import actions

SECRET = "whsec_" + base64.b64encode(b"a" * 32).decode()
"""What the survey tool signs with."""

TOKEN = "canary-token-51f7d0"
"""What the sandbox asks of us."""


def body_of(ref: str, words: str = "slow") -> dict[str, Any]:
    """What a survey tool sends of a customer who is unhappy now."""
    now = datetime.now(UTC).isoformat()
    data = {
        "response_id": f"r-{ref}",
        "kind": "nps",
        "score": 1,
        "comment": words,
        "answered_at": now,
        "customer": {"ref": ref, "email": f"{ref}@example.com", "language": "en"},
    }
    return {"type": "survey.responded", "timestamp": now, "data": data}


async def complain(ref: str, words: str = "slow") -> None:
    """A critical answer came in a minute ago, and the gateway died right after the commit: nothing is sent."""
    assert await deliver(f"msg-{ref}", body_of(ref, words)) == "accepted"
    async with Handrail.from_environment() as handrail:
        with handrail.database.write() as connection:
            of_them = (actions.c.state == "ready", actions.c.key.contains(ref))
            connection.execute(update(actions).where(*of_them).values(due_at=datetime.now(UTC) - timedelta(minutes=1)))


async def deliver(webhook_id: str, content: dict[str, Any]) -> str:
    """A signed delivery; what it came to."""
    now, body = datetime.now(UTC), json.dumps(content)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(webhook_id, now, body),
    }
    async with Handrail.from_environment() as handrail:
        answer = await receive_webhook(handrail, "standard", headers, body.encode())
    assert answer.http_status == 202, answer.body
    return str(answer.body["status"])


def move_all(database: Database, *states: str, **columns: Any) -> None:
    """Move every action along these states, and set columns."""
    with database.write() as connection:
        for state in states:
            connection.execute(update(actions).values(state=state))
        connection.execute(update(actions).values(**columns))
