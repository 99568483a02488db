"""Crowds: what may be one of too many is held back until that is known, and then all of it is asked about."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.review_rules import Risk, Rule
from services.crowds import Crowds

MANY, UNUSUAL = Rule.MANY_CUSTOMERS, Rule.UNUSUAL_VOLUME
CLASSES = {MANY: Risk.HIGH, UNUSUAL: Risk.MEDIUM}


def crowds(rooms: Mapping[Rule, int], most: int = 1_000) -> Crowds[int]:
    return Crowds(lambda _what: rooms, CLASSES.get, most=most)


def test_fewer_than_the_cap_go_as_they_are_at_the_end() -> None:
    some = crowds({MANY: 3})
    assert some.take("a", [1, 2]) == ((), [])
    assert some.take("a", [3]) == ((), [])
    assert list(some.rest()) == [("a", (), [1, 2, 3])]
    assert list(some.rest()) == []


def test_one_more_than_the_cap_makes_all_of_them_wait() -> None:
    some = crowds({MANY: 3})
    assert some.take("a", [1, 2, 3]) == ((), [])
    assert some.take("a", [4]) == ((MANY,), [1, 2, 3, 4])
    assert some.take("a", [5]) == ((MANY,), [5])  # nothing more is held
    assert list(some.rest()) == []


def test_who_comes_together_counts_as_many() -> None:
    some: Crowds[str] = Crowds(lambda _what: {MANY: 3, UNUSUAL: 5}, CLASSES.get, most=9, size_of=len)
    assert some.take("a", ["two"]) == ((), [])
    assert some.take("a", ["one"]) == ((MANY, UNUSUAL), ["two", "one"])
    held: Crowds[str] = Crowds(lambda _what: {UNUSUAL: 50}, CLASSES.get, most=5, size_of=len)
    assert held.take("a", ["seven", "-"]) == ((), ["seven", "-"])  # more than may be held


def test_what_other_runs_have_planned_counts() -> None:
    assert crowds({MANY: 0}).take("a", [1]) == ((MANY,), [1])


def test_each_purpose_is_counted_by_itself() -> None:
    some = crowds({MANY: 1})
    assert some.take("a", [1]) == ((), [])
    assert some.take("b", [2]) == ((), [])
    assert list(some.rest()) == [("a", (), [1]), ("b", (), [2])]


def test_where_nothing_is_counted_nothing_is_held() -> None:
    assert crowds({}).take("a", [1]) == ((), [1])


def test_what_may_still_come_into_a_higher_class_is_held_on() -> None:
    some = crowds({UNUSUAL: 1, MANY: 3})
    assert some.take("a", [1, 2]) == ((UNUSUAL,), [])
    assert some.take("a", [3, 4]) == ((UNUSUAL, MANY), [1, 2, 3, 4])


def test_the_highest_class_waits_for_no_lower_one() -> None:
    some = crowds({UNUSUAL: 100, MANY: 1})
    assert some.take("a", [1, 2]) == ((MANY,), [1, 2])


def test_no_more_is_held_than_memory_is_meant_for() -> None:
    some = crowds({MANY: 10}, most=2)
    assert some.take("a", [1, 2]) == ((), [])
    assert some.take("a", [3]) == ((), [1, 2, 3])
    assert some.take("a", list(range(4, 12))) == ((MANY,), list(range(4, 12)))


def test_one_that_stands_for_many_counts_as_many() -> None:
    some: Crowds[str] = Crowds(lambda _what: {MANY: 5}, CLASSES.get, most=8, size_of=len)
    assert some.take("a", ["aaa", "bb"]) == ((), [])
    assert some.take("a", ["c"]) == ((MANY,), ["aaa", "bb", "c"])
    assert some.take("b", ["aaa"]) == ((), [])
    assert list(some.rest()) == [("b", (), ["aaa"])]


@given(pages=st.lists(st.integers(1, 5), max_size=8), cap=st.integers(0, 20))
def test_in_one_run_all_wait_or_none(pages: list[int], cap: int) -> None:
    some, told, number = crowds({MANY: cap}), {}, 0
    for size in pages:
        those = list(range(number, number + size))
        number += size
        rules, free = some.take("a", those)
        told |= dict.fromkeys(free, rules)
    for _, rules, free in some.rest():
        told |= dict.fromkeys(free, rules)
    assert told == dict.fromkeys(range(number), (MANY,) if number > cap else ())


@pytest.mark.parametrize("rooms", [{MANY: 2}, {UNUSUAL: 2}])
def test_nothing_is_given_twice(rooms: Mapping[Rule, int]) -> None:
    some = crowds(rooms)
    given_ = [one for page in ([1], [2, 3], [4]) for one in some.take("a", page)[1]]
    given_ += [one for _, _, rest in some.rest() for one in rest]
    assert given_ == [1, 2, 3, 4]
