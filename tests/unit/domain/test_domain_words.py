"""The nearest valid word."""

import pytest

from domain.words import MISSPELT, all_near, did_you_mean, how_many, nearest, one_of

KINDS = ["nps", "csat", "ces"]


@pytest.mark.parametrize(
    ("word", "meant"), [("nsp", "nps"), ("NPS", "nps"), ("csta", "csat"), (" ces", "ces"), ("cs-at", "csat")]
)
def test_typo_is_recognised(word: str, meant: str) -> None:
    assert nearest(word, KINDS) == meant
    assert did_you_mean(word, KINDS) == f' (did you mean "{meant}"?)'


@pytest.mark.parametrize("word", ["", "banana", "x" * 1_000_000])
def test_nothing_alike_suggests_nothing(word: str) -> None:
    assert did_you_mean(word, KINDS) == ""
    assert did_you_mean(word, []) == ""


def test_several_are_named_the_nearest_first() -> None:
    assert all_near("c-1024", ["c-10999", "c-1025", "x"]) == ["c-1025", "c-10999"]
    assert all_near("c-1024", ["c-10999", "c-1025"], most=1) == ["c-1025"]
    assert all_near("c-1024", []) == []


def test_hyphens_and_underscores_are_one() -> None:
    assert nearest("open-ticket", ["open_ticket", "add_note"]) == "open_ticket"


@pytest.mark.parametrize(
    ("words", "said"), [(["mail"], "mail"), (["mail", "sms"], "mail or sms"), (KINDS, "nps, csat or ces")]
)
def test_words_are_listed(words: list[str], said: str) -> None:
    assert one_of(words) == said


def test_a_name_that_is_another_name_is_no_misspelling() -> None:
    names = ["HANDRAIL_DATABASE_URL", "IS_SANDBOX", "ZENDESK_TOKEN"]
    assert nearest("HANDRAIL_SANDBOX_URL", names, close=MISSPELT) is None
    assert did_you_mean("ZENDESK_TOKN", names, close=MISSPELT) == ' (did you mean "ZENDESK_TOKEN"?)'


@pytest.mark.parametrize(("count", "told"), [(0, "0 people"), (1, "1 person"), (2, "2 people"), (21, "21 people")])
def test_one_is_one_and_all_else_is_several(count: int, told: str) -> None:
    assert how_many(count, "person", "people") == told
    assert how_many(count, "review") == (f"{count} review" if count == 1 else f"{count} reviews")
