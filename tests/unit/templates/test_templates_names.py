"""What of a customer's data may stand in a message."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.names import as_name, dial, one_line

ANYTHING = st.text(st.characters(), max_size=60)


@pytest.mark.parametrize(
    "name",
    ["Anna Kowalska-Nowak", "Zdeněk Říha", "Seán O’Brien", "Dr. J. Smith", "Nguyễn Thị Minh Khai", "李小龍", "Žofie"],
)
def test_names_are_names(name: str) -> None:
    assert as_name(name) == name


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   ",
        "www.evil.example",
        "https://evil.example",
        "anna@example.com",
        "+48 600",
        "Agent 007",
        "{{ 7 * 7 }}",
        "<b>Anna</b>",
        "Congratulations you have won a new phone",
        "A" * 61,
        "Kowalska, Anna",
        "!!!",
    ],
)
def test_what_is_no_name_is_left_out(text: str | None) -> None:
    assert as_name(text) == ""


def test_a_decomposed_name_is_composed() -> None:
    assert as_name(unicodedata.normalize("NFD", "Zdeněk")) == "Zdeněk"


def test_tricks_go_and_letters_stay() -> None:
    assert one_line("Anna\r\nBcc: x\u2028y\tz\x00\u00a0!") == "Anna Bcc: x y z !"
    assert one_line("ab\u202egnp\u2066c\u200b\ufeff\u00ad\ud800") == "abgnpc"
    assert one_line("می\u200cخواهم") == "می\u200cخواهم"  # Persian needs the joiner
    assert one_line("Žluťoučký kůň – „ąęć”") == "Žluťoučký kůň – „ąęć”"


@given(ANYTHING)
def test_one_line_is_one_line_of_visible_text(text: str) -> None:
    line = one_line(text)
    assert one_line(line) == line
    assert line == line.strip()
    assert "  " not in line
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in line)
    line.encode("utf-8")


@given(ANYTHING)
def test_a_greeting_holds_no_address_and_no_markup(text: str) -> None:
    assert not set(as_name(text)) & set('@/:<>{}[]()"\\&%#=0123456789\n')


def test_a_number_is_dialled_without_its_spaces() -> None:
    assert dial("+48 (22) 000-00 00") == "+48220000000"
