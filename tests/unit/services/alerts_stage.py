"""Reviews on the books, and people who are told of them on a virtual clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from open_reviews import open_review
from sqlalchemy import insert, update

from domain.actions import Capability
from domain.review_rules import Risk
from domain.reviews import Stand
from services.review_alerts import tell_reviews
from services.wiring import Handrail
from store.ledger.rows import review_votes, reviews

EWA, JAN = "Ewa Lis", "Jan Nowak"  # on call in the week of the test's noon, and next
ROUND_THE_CLOCK = timedelta(minutes=240)
STAFFED_END = datetime(2026, 3, 5, 9, tzinfo=UTC)  # noon and 480 staffed minutes: 10:00 of the next day


@pytest.fixture
def opens(installation: Any) -> Callable[..., int]:
    """`opens(Risk.HIGH)`: a review is sealed now; of high risk it is alone and round the clock, else neither."""

    numbers = count(1)

    def put(risk: Risk = Risk.LOW, *, deadline: datetime | None = None, **facts: Any) -> int:
        now = installation.clock()
        until = deadline or (now + ROUND_THE_CLOCK if risk is Risk.HIGH else STAFFED_END)
        return open_review(installation.database, next(numbers), risk, now=now, deadline=until, **facts)

    return put


@pytest.fixture
def told(installation: Any, handrail: Handrail) -> Callable[..., Any]:
    """`await told()`: a round of telling and sending; the keys of the alerts it sent, without `review/`."""

    async def run() -> list[str]:
        before = len(installation.alert.effects)
        await tell_reviews(handrail, run="t")
        await handrail.dispatcher.run_once(capability=Capability.ALERT, run="t")
        return [key.removeprefix("review/") for _, key, _ in installation.alert.effects[before:]]

    return run


def change(installation: Any, review_id: int, **values: Any) -> None:
    with installation.database.write() as connection:
        connection.execute(update(reviews).where(reviews.c.id == review_id).values(values))


def decide(installation: Any, review_id: int, stand: Stand = Stand.APPROVED, by: str = EWA) -> None:
    change(installation, review_id, state=stand, decided_by=by, decided_at=installation.clock())


def says_yes(installation: Any, review_id: int, name: str, revision: int = 1) -> None:
    vote = {"review_id": review_id, "reviewer": name, "decision": "approve", "payload_hash": "h", "revision": revision}
    with installation.database.write() as connection:
        connection.execute(
            insert(review_votes).values(**vote, reason="as intended", way="page", at=installation.clock())
        )


def alerts(installation: Any) -> list[Any]:
    return [alert for _, _, alert in installation.alert.effects]
