"""Rounds: sets without a common subject, in the order of those who share one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.rounds import rounds

ITEMS = st.lists(st.text("abcde", min_size=1, max_size=3))


@given(ITEMS)
def test_nothing_is_lost_and_nobody_meets_or_overtakes_one_who_shares_a_subject(words: list[str]) -> None:
    numbered = list(enumerate(words))
    told = list(rounds(numbered, lambda item: frozenset(item[1])))
    assert sorted(item for together in told for item in together) == numbered
    for together in told:
        assert sum(len(set(word)) for _, word in together) == len(set("".join(word for _, word in together)))
    for letter in "abcde":
        places = [number for together in told for number, word in together if letter in word]
        assert all(earlier < later for earlier, later in pairwise(places))


def test_without_a_common_subject_there_is_one_round() -> None:
    assert list(rounds(["a", "b", "c"], frozenset)) == [["a", "b", "c"]]
    assert list(rounds([], frozenset)) == []
