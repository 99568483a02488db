"""Words people mistype: the nearest valid one, said the same way everywhere; and how many there are of something."""

import difflib
from collections.abc import Iterable

_CLOSE_ENOUGH = 0.6  # difflib's ratio; below it a suggestion misleads more than it helps


MISSPELT = 0.85
"""How alike a misspelt name is to the one that was meant; below it, two names of variables are two names."""


def nearest(word: str, valid: Iterable[str], *, close: float = _CLOSE_ENOUGH) -> str | None:
    """The valid word most like `word` (case, `-` and `_` do not matter), or None when none is alike."""
    return next(iter(all_near(word, valid, most=1, close=close)), None)


def all_near(word: str, valid: Iterable[str], *, most: int = 5, close: float = _CLOSE_ENOUGH) -> list[str]:
    """The valid words like `word`, the nearest first."""
    spelled = {_plain(candidate): candidate for candidate in valid}
    return [spelled[near] for near in difflib.get_close_matches(_plain(word), list(spelled), most, close)]


def did_you_mean(word: str, valid: Iterable[str], *, close: float = _CLOSE_ENOUGH) -> str:
    """The end of an error about `word`: a suggestion, or nothing.

    >>> did_you_mean("nsp", ["nps", "csat", "ces"])
    ' (did you mean "nps"?)'
    >>> did_you_mean("banana", ["nps", "csat", "ces"])
    ''
    """
    best = nearest(word, valid, close=close)
    return f' (did you mean "{best}"?)' if best is not None else ""


def one_of(valid: Iterable[str]) -> str:
    """The valid words as a sentence's end.

    >>> one_of(["nps", "csat", "ces"])
    'nps, csat or ces'
    """
    words = list(valid)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def how_many(count: int, one: str, several: str | None = None) -> str:
    """A number of things; `several` where it is not `one` with an s.

    >>> how_many(1, "review"), how_many(2, "review"), how_many(0, "person", "people")
    ('1 review', '2 reviews', '0 people')
    """
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def _plain(word: str) -> str:
    return word.strip().casefold().replace("-", "_")
