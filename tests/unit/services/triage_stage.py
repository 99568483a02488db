"""A message that a customer on file writes to us."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake import Answer
from services.triage import receive_message
from services.wiring import Handrail

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
GRIEF = "Mój mąż zmarł w zeszłym tygodniu i nie wiem, co z umową."
ACKNOWLEDGEMENT = "message/standard/m-1/acknowledgement"
FURY = "I am furious about this, answer me immediately"


@pytest.fixture
def write(handrail: Handrail, signed: Any, on_file: Callable[..., int]) -> Callable[..., Any]:
    """`await write(text)`: the web form's message of C-1, who is on file; nothing is sent."""
    on_file("C-1", email="anna@example.com", language="pl")

    async def send(text: str, message_id: str = "m-1", webhook_id: str | None = None, **more: Any) -> Answer:
        body = json.dumps({"message_id": message_id, "text": text, "customer_ref": "C-1", **more}).encode()
        headers = signed(body, webhook_id or f"w-{message_id}")
        return await receive_message(handrail, "standard", headers, body, is_mail=False)

    return send
