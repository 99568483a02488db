"""How many parts a text message is sent, and paid, in (3GPP TS 23.038 §6.2, TS 23.040 §9.2.3.24.1)."""

from dataclasses import dataclass

GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet, seven bits a letter."""
_EXTENSION = frozenset("\f^{}\\[~]|€")
"""They take two places of it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """`used` of the `room` places of `count` parts, in places of the alphabet."""

    alphabet: str
    count: int
    used: int
    room: int


def parts_of(text: str) -> Parts:
    """A text in GSM 7-bit has 160 places, or 153 in each of several parts; any other, in UCS-2, 70 or 67."""
    if set(text) <= GSM_7 | _EXTENSION:
        return _parts("GSM-7", len(text) + sum(letter in _EXTENSION for letter in text), 160, 153)
    return _parts("UCS-2", len(text.encode("utf-16-be", "surrogatepass")) // 2, 70, 67)


def _parts(alphabet: str, used: int, alone: int, each: int) -> Parts:
    count = 1 if used <= alone else -(-used // each)
    return Parts(alphabet, count, used, alone if count == 1 else count * each)
