"""What is different between two texts, for people: word by word, or line by line where there are many."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import NamedTuple

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_MOST = 3_000
"""Words of both texts that are compared one by one: it takes some 0.1 s."""


class Change(StrEnum):
    """What became of a stretch of text."""

    SAME = "same"
    GONE = "gone"
    NEW = "new"


class Stretch(NamedTuple):
    """A piece of either text, or of both."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Differing:
    """How one text of several differs; `name` says which."""

    name: str
    stretches: Sequence[Stretch]


def differences(before: str, after: str) -> list[Stretch]:
    """Both texts as one; `SAME` and `GONE` make up the one before, `SAME` and `NEW` the one after."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    if len(old) + len(new) > _MOST:
        old, new = _LINE.findall(before), _LINE.findall(after)
    return list(_joined(_stretches(old, new)))


def line_differences(before: str, after: str) -> list[Stretch]:
    """The same by whole lines."""
    return list(_joined(_stretches(_LINE.findall(before), _LINE.findall(after))))


def is_different(stretches: Sequence[Stretch]) -> bool:
    """True unless both texts are the same."""
    return any(one.change is not Change.SAME for one in stretches)


def _stretches(old: list[str], new: list[str]) -> Iterator[Stretch]:
    for verb, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if verb == "equal":
            yield Stretch(Change.SAME, "".join(old[old_from:old_to]))
            continue
        if old_to > old_from:
            yield Stretch(Change.GONE, "".join(old[old_from:old_to]))
        if new_to > new_from:
            yield Stretch(Change.NEW, "".join(new[new_from:new_to]))


def _joined(stretches: Iterator[Stretch]) -> Iterator[Stretch]:
    """A space alone between two changes is part of them: one reads phrases, not every other word."""
    gone = new = ""
    for one in stretches:
        if one.change is Change.GONE:
            gone += one.text
        elif one.change is Change.NEW:
            new += one.text
        elif one.text.isspace() and "\n" not in one.text and (gone or new):
            gone, new = gone + one.text, new + one.text
        else:
            yield from _of(gone, new)
            gone = new = ""
            yield one
    yield from _of(gone, new)


def _of(gone: str, new: str) -> Iterator[Stretch]:
    for change, text in ((Change.GONE, gone), (Change.NEW, new)):
        if text:
            yield Stretch(change, text)
