"""How phrases of distress are matched, whatever the words are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.distress import Category, Distress, DistressRules, find_distress


def rules(*phrases: str, everyday: tuple[str, ...] = (), category: Category = Category.HARDSHIP) -> DistressRules:
    return DistressRules({category: {"pl": phrases}}, {"pl": everyday})


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("lost my job", "I LOST my\n job."),
        ("lost my job", "lost... my, job"),
        ("laid off", "laid-off"),
        ("can't pay", "I can’t pay"),
        ("can't pay", "I cant pay"),
        ("unemploy*", "unemployment"),
        ("unemploy*", "unemploy"),
        ("mother|father", "my father"),
        ("died * cancer", "died cancer"),
        ("died * cancer", "died of lung cancer"),
        ("died * cancer", "died of a rare cancer"),
        ("zmarł*", "ZMARŁA"),
        ("zmarł*", "zmarla"),  # typed without marks
        ("śmierć", "smierć"),  # typed with some of them
        ("śmierć", "s\u0301mierc\u0301"),  # taken apart by a keyboard
        ("szpital*", "szpi\u00adtalu"),  # a soft hyphen from a copied page
        ("szpital*", "\u200bszpital"),
        ("w sądzie", "w sądzie"),
    ],
)
def test_phrase_is_found(phrase: str, text: str) -> None:
    assert find_distress(text, rules(phrase)) == Distress(Category.HARDSHIP, phrase)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("ill", "still, a pill of will"),
        ("lost my job", "lost job my"),
        ("lost my job", "lost my"),
        ("unemploy*", "employ"),
        ("died * cancer", "died of a very rare cancer"),
        ("rak", "rąk"),  # other marks are other words
        ("rak", "ra\u0328k"),  # also when taken apart
        ("żałob*", "žalobu"),
        ("mother|father", "grandmother"),
    ],
)
def test_phrase_is_not_found(phrase: str, text: str) -> None:
    assert find_distress(text, rules(phrase)) is None


@pytest.mark.parametrize("text", [None, "", " ", "\0", "?!", "\ud800"])
def test_nothing_said_is_no_distress(text: str | None) -> None:
    assert find_distress(text, rules("ill")) is None


def test_idiom_silences_only_what_it_overlaps() -> None:
    both = rules("died", everyday=("phone * died",))
    assert find_distress("my phone has died", both) is None
    assert find_distress("my phone has died since my wife died", both) is not None


def test_idiom_does_not_reach_into_the_next_sentence() -> None:
    both = rules("died", everyday=("died * phone",))
    assert find_distress("he died. My phone rang", both) is not None
    assert find_distress("he died, my phone rang", both) is not None
    assert find_distress("it died, this phone", rules("died")) is not None


def test_gravest_is_reported_whatever_comes_first() -> None:
    all_three = DistressRules(
        {
            Category.LEGAL: {"en": ("lawyer",)},
            Category.HARDSHIP: {"en": ("ill",)},
            Category.BEREAVEMENT: {"en": ("died",)},
        }
    )
    assert find_distress("lawyer, ill, died", all_three) == Distress(Category.BEREAVEMENT, "died")
    assert find_distress("lawyer, ill", all_three) == Distress(Category.HARDSHIP, "ill")


def test_all_languages_are_searched_and_ones_own_wins_within_a_category() -> None:
    two = DistressRules({Category.LEGAL: {"pl": ("prawnik*",), "cs": ("prawn*",)}})
    assert find_distress("prawnikowi", two) == Distress(Category.LEGAL, "prawnik*")
    assert find_distress("prawnikowi", two, language="cs") == Distress(Category.LEGAL, "prawn*")
    assert find_distress("prawnikowi", two, language="en") is not None


@pytest.mark.parametrize("phrase", ["", "*", "* died", "died *", "a*", "co-op", "died|", "died.", "d*ed"])
def test_malformed_phrase_is_refused_by_name(phrase: str) -> None:
    with pytest.raises(ValueError, match="not a phrase") as caught:
        rules("fine", phrase, "also bad*ly")
    assert f'"{phrase}"' in str(caught.value)
    assert '"also bad*ly"' in str(caught.value)


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_text_gets_an_answer(text: str) -> None:
    find_distress(text, rules("died * cancer", "zmarł*", everyday=("phone died",)))


@given(before=st.text(max_size=50), after=st.text(max_size=50))
@settings(max_examples=60, deadline=None)
def test_what_stands_around_a_phrase_does_not_hide_it(before: str, after: str) -> None:
    assert find_distress(f"{before} my mother died {after}", rules("mother died")) is not None
