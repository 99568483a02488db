"""What of a customer's own data may stand in a message: names, numbers, and text without tricks."""

import re
import unicodedata
from functools import lru_cache

_LONGEST_NAME = 60  # characters; longer ones are greeted without a name
_MOST_WORDS = 5
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*\.?")
_PLAIN = re.compile(r"[ -~\u00a0-\u00ac\u00ae-\u02af–—‘’“”…]*")
_JOINERS = frozenset("\u200c\u200d")  # Persian and Indic names are spelled with them


@lru_cache(maxsize=32)  # what the messages of one window share: company, numbers, hours, instants
def one_line(text: str) -> str:
    """`text` on one line without what could trick a reader or a mail system.

    Control characters and line and paragraph separators become spaces, runs of spaces one space; direction overrides,
    zero-width and other invisible format characters and lone surrogates go. Letters of every script stay as they are.
    """
    if not _PLAIN.fullmatch(text):  # most texts are; `split` knows the no-break space among them
        text = "".join(map(_visible, text))
    return " ".join(text.split())


@lru_cache(maxsize=32)  # a message greets by name up to four times; nobody's name is kept for long
def as_name(text: str | None) -> str:
    """A display name fit for a greeting, or "" for none.

    A name comes from whoever filled in the survey, and our mail carries our good name: what holds digits, an address,
    a link or a whole sentence is no name, and the greeting does without. Combining marks count once composed.
    """
    name = unicodedata.normalize("NFC", one_line(text or ""))
    words = name.split(" ")
    if len(name) > _LONGEST_NAME or len(words) > _MOST_WORDS:
        return ""
    return name if all(map(_WORD.fullmatch, words)) else ""


@lru_cache(maxsize=32)
def dial(phone: str) -> str:
    """A phone number as it is dialled: "+48 22 000 00 00" → "+48220000000"."""
    return re.sub(r"[^+0-9]", "", phone)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp", "Zs"}:
        return " "
    return "" if category in {"Cf", "Cs"} and character not in _JOINERS else character
