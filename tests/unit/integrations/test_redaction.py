"""What may be quoted of a vendor's refusal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.redaction import excerpt


def said(text: str, sent: object = None, secrets: tuple[str, ...] = ()) -> str:
    return excerpt(text.encode(), secrets=secrets, sent=sent)


def test_what_helps_an_operator_stays() -> None:
    text = '{"error": "RecordInvalid", "details": {"priority": "is not one of low, normal, high", "code": 422}}'
    assert said(text) == text


@pytest.mark.parametrize(
    "hidden", ["jan.kowalski@example.com", "+48 601 234 567", "0048601234567", "4111 1111 1111 1111", "(020) 7946-0018"]
)
def test_addresses_and_long_numbers_are_hidden(hidden: str) -> None:
    assert said(f"cannot reach <{hidden}> today") == "cannot reach <…> today"


def test_what_we_sent_is_hidden_in_whatever_case_and_however_deep() -> None:
    sent = {"context": {"history": [{"words": "Bardzo długo, panie Wójcik"}]}, "score": 2, "name": None}
    assert said("no such customer: WÓJCIK (długo)", sent) == "no such customer: … (…)"


@pytest.mark.parametrize("echo", [r"\u0142ukasz", "&#322;ukasz", "&lstrok;ukasz", "%C5%82ukasz", "łukasz"])
def test_what_we_sent_is_hidden_also_when_it_comes_back_escaped(echo: str) -> None:
    assert said(f"no customer {echo}", {"name": "Łukasz"}) == "no customer …"


def test_half_of_a_character_does_no_harm() -> None:
    assert said(r"bad \ud83d here") == "bad … here"


def test_secrets_are_hidden_whole_and_as_parts_of_words() -> None:
    assert said("token=abc-123-xyz! Bearer abc-123-xyz", None, ("abc-123-xyz", "Bearer abc-123-xyz")) == "token=…! …"


def test_it_is_one_short_printable_line() -> None:
    text = said("a\r\nb\x1b[31m\x00c " + "word " * 500)
    assert text.startswith("a b…[31m…c word word")
    assert len(text) == 200
    assert text.isprintable()
    assert excerpt(b"\xff\xfe" * 10, secrets=(), sent=None)


@given(st.text(min_size=4, max_size=40, alphabet=st.characters(categories=["L", "N"])), st.text(max_size=100))
def test_no_word_that_we_sent_comes_back(name: str, around: str) -> None:
    assert name.casefold() not in said(f"{around} {name} {around}", {"name": name}).casefold()
