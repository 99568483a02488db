"""A first activation at the gateway's door: on the books before it is answered, and a hint to who plans its welcome."""

from datetime import datetime
from typing import Any

import pytest

from services.publishing import publish_journeys
from services.wiring import Handrail
from templates.journey_files import load_journeys


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the gateway would tell Prefect."""
    told: list[str] = []

    async def announce(_handrail: Handrail, subject: str) -> None:
        told.append(subject)

    monkeypatch.setattr(Handrail, "announce_activation", announce)
    return told


def an_event(clock: Any, what: str, **about: Any) -> dict[str, Any]:
    now: datetime = clock()
    who = {"ref": "C-1", "email": "anna@example.com"}
    return {"type": what, "timestamp": now.isoformat(), "data": {"customer": who, "at": now.isoformat(), **about}}


async def test_an_activation_enrols_and_is_hinted_at(
    door: Any, installation: Any, clock: Any, hints: list[str]
) -> None:
    publish_journeys(installation.database, load_journeys(), now=clock())
    told = await door.deliver(an_event(clock, "customer.activated"))
    [row] = installation.rows("enrolments")
    assert (told.status_code, row.journey, row.step, row.due_at) == (202, "onboarding", "welcome", clock())
    assert hints == [told.json()["event_id"]]
    await door.deliver(an_event(clock, "customer.activated"))
    await door.deliver(an_event(clock, "feature.used", feature="setup"), "msg_2")
    await door.deliver({**an_event(clock, "customer.activated"), "data": {}}, "msg_3")
    assert len(hints) == 1
    assert len(installation.rows("enrolments")) == 1
