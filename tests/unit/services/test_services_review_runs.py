"""Paused runs equal open reviews, whatever happens to the runs; and nothing that happens to them changes a review."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from ledger_world import hasten
from prefect_double import API, PrefectDouble
from sqlalchemy import insert, select, update

from domain.reviews import Stand
from integrations.prefect_reviews import PrefectReviewRuns, PrefectSilent
from services.review_runs import ReviewRounds, Round, reconcile_runs
from services.wiring import Handrail
from store import review_asks
from store.database import Database, sqlite_url
from store.ledger.rows import reviews

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(seconds=90)


class Books:
    """Reviews, their asks, and a Prefect beside them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.server = PrefectDouble()
        self.runs = PrefectReviewRuns(API, transport=self.server)

    def review(self, stand: Stand = Stand.OPEN, *, minutes: int = 60, payload_hash: str = "h") -> int:
        """A review; its id."""
        row: dict[str, Any] = {
            "state": stand,
            "risk": "low",
            "payload_hash": payload_hash,
            "initiator": "run-1",
            "reviewers_needed": 1,
            "deadline": NOW + timedelta(minutes=minutes),
            "created_at": NOW,
            "collect_until": NOW,
            "subject": "actions",
            "what": "journey/onboarding/welcome",
            "rules": [],
            "content": {},
            "revision": 1,
            **dict.fromkeys(("count", "stage", "released"), 0),
            "told": -1,
        }
        with self.database.write() as connection:
            made = connection.execute(insert(reviews).values(**row, group_key=f"{stand}{NOW}{minutes}"))
            return int(made.inserted_primary_key[0])  # type: ignore[index]

    def ask(self, review: int, run: str, *, number: int = 1, payload_hash: str = "h", is_over: bool = False) -> None:
        """The review was asked in a run."""
        with self.database.write() as connection:
            assert review_asks.ask(connection, review, number, run=run, payload_hash=payload_hash, now=NOW)
            asked = review_asks.last(connection, review)
            assert asked is not None
            if is_over:
                assert review_asks.take(connection, asked, now=NOW)

    def asked(self, *, number: int = 1, **how: Any) -> tuple[int, str]:
        """An open review and the paused run that asks it."""
        review = self.review()
        run = self.server.add(review, number=number)
        self.ask(review, run, number=number, **how)
        return review, run

    async def round(self) -> list[str]:
        """One round; what it did."""
        its = Round(self.database, self.runs, now=NOW)
        await its.reconcile()
        return [deed.words for deed in its.deeds]

    def kinds(self, review: int) -> list[str]:
        """Where the runs of a review stand, the oldest first."""
        return [run["state_type"] for run in self.server.runs.values() if run["parameters"]["review"] == review]


@pytest.fixture
async def books(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Books]:
    """No review, and no run."""
    (tmp_path / "handrail.db").write_bytes(sqlite_template.read_bytes())
    made = Books(hasten(Database(sqlite_url(tmp_path / "handrail.db"))))
    yield made
    await made.runs.aclose()
    made.database.close()


async def test_each_open_review_gets_one_run_and_no_other_does(books: Books) -> None:
    is_open = books.review()
    others = [books.review(stand) for stand in Stand if stand is not Stand.OPEN]

    assert await books.round() == ["a run was begun"]
    assert await books.round() == []

    assert books.kinds(is_open) == ["SCHEDULED"]
    assert [books.kinds(review) for review in others] == [[]] * len(others)


async def test_one_that_is_asked_is_left_alone(books: Books) -> None:
    review, _ = books.asked()

    assert await books.round() == []
    assert books.kinds(review) == ["PAUSED"]


@pytest.mark.parametrize("kind", ["CRASHED", "FAILED", "CANCELLED", "COMPLETED", "deleted"])
async def test_one_whose_run_is_gone_is_asked_in_another(books: Books, kind: str) -> None:
    review, run = books.asked()
    if kind == "deleted":
        del books.server.runs[run]
    else:
        books.server.put(run, kind)

    assert await books.round() == ["a run was begun"]
    assert await books.round() == []

    assert books.kinds(review)[-1] == "SCHEDULED"


async def test_a_run_that_died_before_it_asked_is_followed_by_another(books: Books) -> None:
    review = books.review()
    await books.round()
    [first] = books.server.runs
    books.server.put(first, "CRASHED")

    assert await books.round() == ["a run was begun"]

    assert books.kinds(review) == ["CRASHED", "SCHEDULED"]
    keys = [run["idempotency_key"] for run in books.server.runs.values()]
    assert keys == [f"review-{review}-1", f"review-{review}-1-{NOW:%Y%m%dT%H%M}"]


async def test_many_who_begin_it_at_once_begin_one(books: Books) -> None:
    review = books.review()
    rounds = [Round(books.database, books.runs, now=NOW) for _ in range(5)]

    await asyncio.gather(*(one.reconcile() for one in rounds))

    assert books.kinds(review) == ["SCHEDULED"]


async def test_one_that_is_asked_twice_is_asked_in_the_run_of_the_last_ask(books: Books) -> None:
    review, first = books.asked()
    second = books.server.add(review, number=2)
    books.ask(review, second, number=2)

    assert await books.round() == [f"run {first} was ended: it is asked in another run"]
    assert await books.round() == []

    assert (books.server.state(first), books.server.state(second)) == ("CANCELLED", "PAUSED")


async def test_a_run_that_our_books_know_nothing_of_makes_way(books: Books) -> None:
    review = books.review()
    planted = books.server.add(review)

    await books.round()

    assert books.server.state(planted) == "CANCELLED"
    assert books.kinds(review) == ["CANCELLED", "SCHEDULED"]


async def test_a_run_that_lost_its_form_makes_way(books: Books) -> None:
    review, run = books.asked()
    books.server.inputs[run].discard(f"suspended-{review}-1-schema")

    assert await books.round() == [f"run {run} was ended: its form is lost", "a run was begun"]

    assert books.kinds(review) == ["CANCELLED", "SCHEDULED"]


async def test_an_answer_put_beside_a_sleeping_run_wakes_it(books: Books) -> None:
    """Nobody could answer its form any more: the server refuses a second answer of the same name."""
    review, run = books.asked()
    books.server.inputs[run].add(f"suspended-{review}-1-response")

    assert await books.round() == [f"run {run} was woken: an answer lies beside it"]


async def test_a_review_that_was_changed_is_shown_anew(books: Books) -> None:
    review, run = books.asked(payload_hash="what was asked before")

    assert await books.round() == [f"run {run} was woken: the review was changed"]
    assert books.kinds(review) == ["SCHEDULED"]


async def test_an_answer_that_was_heard_wakes_its_run_again(books: Books) -> None:
    _, run = books.asked(is_over=True)

    assert await books.round() == [f"run {run} was woken: its last answer was heard"]


async def test_a_run_set_to_running_by_hand_is_replaced_within_a_minute(books: Books) -> None:
    review, run = books.asked()
    books.server.put(run, "RUNNING", since=NOW)
    assert await books.round() == [], "it may be at work"

    books.server.put(run, "RUNNING", since=LONG_AGO)

    assert await books.round() == [f"run {run} was ended: its process is gone", "a run was begun"]
    assert books.kinds(review) == ["CRASHED", "SCHEDULED"]


async def test_a_run_that_asks_anew_between_two_looks_is_left_alone(books: Books) -> None:
    review, run = books.asked()
    books.ask(review, run, number=2)  # what the server showed is older than our table

    assert await books.round() == []

    books.server.put(run, "PAUSED", since=LONG_AGO, state_details=books.server.runs[run]["state"]["state_details"])
    assert await books.round() == [f"run {run} was ended: what it asks is not in our books", "a run was begun"]


@pytest.mark.parametrize("stand", [stand for stand in Stand if stand is not Stand.OPEN])
async def test_a_decision_elsewhere_wakes_the_run(books: Books, stand: Stand) -> None:
    review, run = books.asked()
    with books.database.write() as connection:
        connection.execute(update(reviews).values(state=stand))

    assert await books.round() == [f"run {run} was woken: the review is over"]
    assert books.kinds(review) == ["SCHEDULED"]
    assert await books.round() == [], "it comes when there is a worker"

    books.server.put(run, "PAUSED")  # the wake-up was lost
    assert await books.round() == [f"run {run} was woken: the review is over"]


@pytest.mark.parametrize("asked_for", [9_999, None, 10**30, "1"])
async def test_a_paused_run_of_no_review_is_ended(books: Books, asked_for: Any) -> None:
    run = books.server.add(asked_for)

    assert await books.round() == [f"run {run} was ended: there is no such review"]
    assert books.server.state(run) == "CANCELLED"


async def test_many_are_begun_some_at_a_time_the_nearest_deadline_first(books: Books) -> None:
    made = [books.review(minutes=minutes) for minutes in range(100, 70, -1)]

    begun = await books.round()

    assert len(begun) == 20
    assert [bool(books.kinds(review)) for review in made] == [False] * 10 + [True] * 20
    assert len(await books.round()) == 10


async def test_without_prefect_nothing_happens_and_the_next_round_catches_up(books: Books) -> None:
    review = books.review()
    books.server.is_silent = True
    with pytest.raises(PrefectSilent):
        await books.round()

    books.server.is_silent = False
    assert await books.round() == ["a run was begun"]

    books.server.runs.clear()  # its database was wiped
    assert await books.round() == ["a run was begun"]
    assert books.kinds(review) == ["SCHEDULED"]


async def test_no_round_changes_a_review(books: Books) -> None:
    books.asked()
    books.review(Stand.APPROVED)
    books.server.add(1, number=7)
    with books.database.read() as connection:
        before = connection.execute(select(reviews)).all()

    for _ in range(3):
        await books.round()

    with books.database.read() as connection:
        assert connection.execute(select(reviews)).all() == before


class Installation:
    """As much of one as a gateway's rounds need."""

    def __init__(self, books: Books, runs: PrefectReviewRuns | None) -> None:
        self.database, self.review_runs = books.database, runs


async def test_a_gateway_looks_when_it_starts_when_it_is_nudged_and_by_itself(books: Books) -> None:
    rounds = ReviewRounds(cast("Handrail", Installation(books, books.runs)), seconds=3_600)
    first = books.review()
    rounds.start()
    await until(lambda: books.kinds(first) == ["SCHEDULED"])

    second = books.review()
    books.server.is_silent = True
    rounds.nudge()
    asked = len(books.server.asked)
    await until(lambda: len(books.server.asked) > asked)
    books.server.is_silent = False
    rounds.nudge()
    await until(lambda: books.kinds(second) == ["SCHEDULED"])

    await rounds.stop()


async def test_a_gateway_goes_on_after_a_round_that_failed(books: Books, caplog: pytest.LogCaptureFixture) -> None:
    broken = Installation(books, books.runs)
    broken.database = cast("Database", None)
    rounds = ReviewRounds(cast("Handrail", broken), seconds=0.01)
    rounds.start()
    await until(lambda: "the next one tries again" in caplog.text)

    broken.database = books.database
    review = books.review()
    await until(lambda: books.kinds(review) == ["SCHEDULED"])

    await rounds.stop()


async def test_without_prefect_a_gateway_has_nothing_to_do(books: Books) -> None:
    rounds = ReviewRounds(cast("Handrail", Installation(books, None)))

    rounds.start()
    rounds.nudge()
    await rounds.stop()

    assert await reconcile_runs(cast("Handrail", Installation(books, None))) == []
    assert books.server.asked == []


async def test_a_silent_prefect_is_no_failure(books: Books) -> None:
    books.review()
    books.server.is_silent = True

    assert await reconcile_runs(cast("Handrail", Installation(books, books.runs))) == []


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for it, ten seconds at most."""
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)
