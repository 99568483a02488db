"""Pages of what one transaction takes, and transactions beside each other."""

import time
from functools import partial
from threading import Barrier, get_ident
from threading import enumerate as threads

import pytest

from store.database import Database
from store.pages import Aside, Pace


def test_items_fill_pages_and_one_that_is_larger_has_its_own() -> None:
    pace = Pace(1.0, first=5, smallest=1, largest=9)
    assert list(pace.pages(["aa", "bbb", "c", "dddddd", "ee"], len)) == [["aa", "bbb"], ["c"], ["dddddd"], ["ee"]]
    assert list(pace.pages([], len)) == []


def test_a_page_is_as_large_as_the_one_before_taught() -> None:
    pace, seen = Pace(1.0, first=1, smallest=1, largest=9), []
    for page in pace.pages("abcdefg", len):
        seen.append(len(page))
        pace.took(len(page), 0.0)
    assert seen == [1, 2, 4]


def test_what_is_done_aside_is_told_in_order_by_who_handed_it_over(database: Database) -> None:
    told: list[int] = []
    doing: list[int] = []
    both = Barrier(1 if database.is_sqlite else 2)

    def job(number: int) -> int:
        doing.append(get_ident())
        both.wait(timeout=10)  # on PostgreSQL nobody goes on until two are under way
        time.sleep(0.02 * (number % 2))
        return number

    with Aside(database) as aside:
        for number in range(4):
            aside.do(partial(job, number), told.append)
        assert told == ([0, 1, 2, 3] if database.is_sqlite else [0, 1])
        aside.finish()
    assert told == [0, 1, 2, 3]
    assert (get_ident() in doing) == database.is_sqlite


def test_what_goes_wrong_aside_is_raised_and_nothing_is_under_way_then(database: Database) -> None:
    done: list[str] = []

    def fail() -> None:
        raise LookupError("gone")

    def work() -> None:
        time.sleep(0.05)
        done.append("work")

    def hand_over() -> None:
        with Aside(database) as aside:
            aside.do(work, lambda _: done.append("told"))
            aside.do(fail, lambda _: done.append("never"))
            aside.do(work, lambda _: None)
            aside.finish()

    with pytest.raises(LookupError, match="gone"):
        hand_over()
    assert done in (["work", "told"], ["work", "told", "work"])
    assert not [one for one in threads() if one.name.startswith("aside")]
