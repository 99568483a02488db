"""A published journey and customers in it, for tests of the ledger: rows as they stand, whatever brought them there."""

from typing import Any

from ledger_world import NOON, World
from sqlalchemy import insert, select

from store.tables import metadata

JOURNEY_HASH = "j" * 64


def a_published_journey(world: World, **content: Any) -> str:
    """A version that customers are in; its hash."""
    known = {"name": "onboarding", "version": 1, "published_at": NOON, "approved_at": NOON, "approved_by": "the tests"}
    with world.database.write() as connection:
        journeys = metadata.tables["journeys"]
        connection.execute(
            insert(journeys).values(hash=JOURNEY_HASH, content={"name": "onboarding", **content}, **known)
        )
    return JOURNEY_HASH


def an_enrolment(world: World, customer_id: int, **stands: Any) -> int:
    """A customer in the journey, active unless told; the enrolment's id."""
    customers = metadata.tables["customers"]
    with world.database.read() as connection:
        ref = connection.execute(select(customers.c.ref).where(customers.c.id == customer_id)).scalar_one()
    known = {"state": "active", "step": "guide", "number": 1, "entered_at": NOON, "previous_at": NOON}
    return world.add(
        "enrolments",
        customer_id=customer_id,
        journey="onboarding",
        journey_hash=JOURNEY_HASH,
        key_part=ref,
        created_at=NOON,
        updated_at=NOON,
        updated_by="the tests",
        **{**known, **stands},
    )
