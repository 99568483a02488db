"""What a sender is told: the happy answers, word for word."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook


async def test_critical_answer_is_accepted_and_leaves_a_ticket_and_an_acknowledgement(
    door: Any, installation: Any, answer: Callable[..., dict[str, Any]]
) -> None:
    response = await door.deliver(answer())
    event = installation.rows("inbox")[0]
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "event_id": f"evt_{event.id}",
        "duplicate": False,
        "status": "accepted",
        "problems": [],
    }
    await installation.settled()
    assert installation.effects() == [
        ("send_mail", "survey/standard/r-1/acknowledgement"),
        ("open_ticket", "case/C-1/1/ticket"),
    ]
