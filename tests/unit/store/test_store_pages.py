"""Pages of what one transaction takes."""

from store.pages import Pace


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
