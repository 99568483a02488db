"""What was asked in Prefect: one ask a number, each is over once, and the last one counts."""

from datetime import timedelta

import pytest
from ledger_world import NOON, World, a_message

from domain.reviews import Stand
from store import review_asks
from store.review_asks import Ask, Waiting

RUN = "fa632f3d-578c-4df6-9468-06f098dd87b5"


@pytest.fixture
def review(world: World) -> int:
    """An open review."""
    world.put(a_message("m"))
    return world.review("m", state="open")


def ask(world: World, review: int, number: int) -> bool:
    """Ask in a run of this number."""
    with world.database.write() as connection:
        return review_asks.ask(connection, review, number, run=f"{RUN}-{number}", payload_hash="asked", now=NOON)


def last(world: World, review: int) -> Ask | None:
    """Its last ask."""
    with world.database.read() as connection:
        return review_asks.last(connection, review)


def test_a_number_is_asked_once_and_the_last_one_counts(world: World, review: int) -> None:
    assert last(world, review) is None

    assert [ask(world, review, number) for number in (1, 2, 2, 1)] == [True, True, False, False]

    assert last(world, review) == Ask(review, 2, f"{RUN}-2", "asked", is_over=False, outcome=None)


def test_an_ask_is_over_once(world: World, review: int) -> None:
    ask(world, review, 1)
    asked = last(world, review)
    assert asked is not None

    with world.database.write() as connection:
        assert [review_asks.take(connection, asked, now=NOON) for _ in range(3)] == [True, False, False]
    with world.database.write() as connection:
        review_asks.tell(connection, asked, "Ewa Lis said yes.", is_accepted=True)

    assert last(world, review) == Ask(review, 1, f"{RUN}-1", "asked", is_over=True, outcome="Ewa Lis said yes.")


def test_only_open_reviews_wait_the_nearest_deadline_first(world: World, review: int) -> None:
    for stand in Stand:
        world.put(a_message(stand))
        world.review(stand, state=stand)
    ask(world, review, 1)
    nearer = world.review("m", state="open")
    with world.database.write() as connection:
        soon = review_asks.reviews.update().where(review_asks.reviews.c.id == nearer)
        connection.execute(soon.values(deadline=NOON + timedelta(hours=1)))

    with world.database.read() as connection:
        found = review_asks.waiting(connection)
        known = review_asks.among(connection, [review, nearer, 9_999])

    assert [one.review for one in found][:2] == [nearer, review]
    assert len(found) == 3
    assert found[1] == Waiting(review, "asked", last(world, review))
    assert [one.next_number for one in found] == [1, 2, 1]
    assert known == {review, nearer}


def test_what_prefect_calls_it() -> None:
    asked = Ask(5, 3, RUN, "asked", is_over=False, outcome=None)

    assert (asked.pause_key, asked.key) == ("5-3", "suspended-5-3")
