"""Parts of a text message, by the standard's own numbers."""

import pytest

from templates.text_messages import GSM_7, parts_of


@pytest.mark.parametrize(
    ("text", "alphabet", "count", "used", "room"),
    [
        ("", "GSM-7", 1, 0, 160),
        ("a" * 160, "GSM-7", 1, 160, 160),
        ("a" * 161, "GSM-7", 2, 161, 306),
        ("a" * 306, "GSM-7", 2, 306, 306),
        ("a" * 307, "GSM-7", 3, 307, 459),
        ("€" * 80, "GSM-7", 1, 160, 160),
        ("€" * 80 + "a", "GSM-7", 2, 161, 306),
        ("à la carte", "GSM-7", 1, 10, 160),
        ("ą" * 70, "UCS-2", 1, 70, 70),
        ("ą" * 71, "UCS-2", 2, 71, 134),
        ("ą" * 134, "UCS-2", 2, 134, 134),
        ("ą" * 135, "UCS-2", 3, 135, 201),
        ("a" * 69 + "ř", "UCS-2", 1, 70, 70),
        ("🚀" * 35, "UCS-2", 1, 70, 70),
        ("🚀" * 36, "UCS-2", 2, 72, 134),
        ("„a”", "UCS-2", 1, 3, 70),
    ],
)
def test_parts(text: str, alphabet: str, count: int, used: int, room: int) -> None:
    parts = parts_of(text)
    assert (parts.alphabet, parts.count, parts.used, parts.room) == (alphabet, count, used, room)


def test_the_alphabet_has_its_letters() -> None:
    assert len(GSM_7) == 127  # 128 less the escape
    assert not GSM_7 & set("ąćęłńśźżčďěňřšťůž„”–`")
