"""Words people mistype: the nearest valid one, said the same way everywhere."""

import difflib
from collections.abc import Iterable

_CLOSE_ENOUGH = 0.6  # difflib's ratio; below it a suggestion misleads more than it helps


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word most like `word` (case, `-` and `_` do not matter), or None when none is alike."""
    spelled = {_plain(candidate): candidate for candidate in valid}
    found = difflib.get_close_matches(_plain(word), list(spelled), n=1, cutoff=_CLOSE_ENOUGH)
    return spelled[found[0]] if found else None


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """The end of an error about `word`: a suggestion, or nothing.

    >>> did_you_mean("nsp", ["nps", "csat", "ces"])
    ' (did you mean "nps"?)'
    >>> did_you_mean("banana", ["nps", "csat", "ces"])
    ''
    """
    best = nearest(word, valid)
    return f' (did you mean "{best}"?)' if best is not None else ""


def one_of(valid: Iterable[str]) -> str:
    """The valid words as a sentence's end.

    >>> one_of(["nps", "csat", "ces"])
    'nps, csat or ces'
    """
    words = list(valid)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _plain(word: str) -> str:
    return word.strip().casefold().replace("-", "_")
