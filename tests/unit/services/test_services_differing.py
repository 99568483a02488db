"""What differs between two texts: nothing of either is lost, and phrases stay together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.differing import Change, Stretch, differences, is_different, line_differences

TEXTS = st.text(alphabet="ab \n.,ąż", max_size=60)


@pytest.mark.parametrize("compare", [differences, line_differences])
@given(before=TEXTS, after=TEXTS)
def test_both_texts_can_be_read_from_it(compare: object, before: str, after: str) -> None:
    found = compare(before, after)  # type: ignore[operator]

    assert "".join(one.text for one in found if one.change is not Change.NEW) == before
    assert "".join(one.text for one in found if one.change is not Change.GONE) == after
    assert is_different(found) is (before != after)
    assert all(one.text for one in found)


def test_words_next_to_each_other_change_as_one_phrase() -> None:
    assert differences("a short video guide for you", "a tiny little film for you") == [
        Stretch(Change.SAME, "a "),
        Stretch(Change.GONE, "short video guide"),
        Stretch(Change.NEW, "tiny little film"),
        Stretch(Change.SAME, " for you"),
    ]


def test_long_texts_are_compared_by_lines() -> None:
    before = "".join(f"line {number} of many\n" for number in range(2_000))

    found = differences(before, before.replace("line 700 ", "line seven hundred "))

    assert [one.change for one in found] == [Change.SAME, Change.GONE, Change.NEW, Change.SAME]
    assert found[1].text == "line 700 of many\n"
