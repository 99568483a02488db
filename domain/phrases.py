"""Phrases: what people write, as a native would, found in any text.

A phrase is in lower case, with its diacritics:

- `*` at a word's end stands for any ending: `unemploy*`.
- `|` separates alternatives for one word: `mother|father`.
- A lone `*` stands for up to three words of any kind: `died * cancer`.

Case, apostrophes and whatever stands between words (spaces, hyphens, full stops) do not matter. Letters typed without
their marks match ("zmarl" is "zmarł"), letters with other marks do not: Polish "rąk" (of hands) is not "rak" (cancer),
and Czech "žaloba" (a lawsuit) is not Polish "żałoba" (mourning).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_LONGEST_GAP = 3  # words a lone `*` stands for
_SHORTEST_STEM = 2  # letters before a `*`
_INDEXED = 4  # at most so many of them find its phrase; a whole word's phrase is found by all of its letters


@dataclass(frozen=True, slots=True)
class Phrase:
    """One phrase, and what it tells of."""

    label: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase that a text says."""

    phrase: Phrase
    words: range  # by number
    crosses_sentence: bool


@dataclass(frozen=True, slots=True)
class Phrases:
    """A list of phrases, ready to search with. Raises ValueError naming every malformed one."""

    phrases: tuple[Phrase, ...]
    _index: Mapping[str, tuple["_Rule", ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rules = [_Rule(number, phrase, _parse(phrase.text)) for number, phrase in enumerate(self.phrases)]
        malformed = [f'"{rule.phrase.text}"' for rule in rules if not _is_well_formed(rule.steps)]
        if malformed:
            raise ValueError(
                f"not a phrase: {', '.join(malformed)}: begin and end with a word; `*` may stand alone between two "
                "words, or at the end of a word of two letters or more"
            )
        object.__setattr__(self, "_index", _indexed(rules))

    def find(self, text: str) -> list[Hit]:
        """Every phrase that `text` says, in the order of its words."""
        words = _words(text)
        return list(_hits(words, self._index))


def phrases_of(label: str, by_language: Mapping[str, Iterable[str]]) -> Iterator[Phrase]:
    """The phrases of one label, as policy lists them: language → phrases."""
    return (Phrase(label, language, text) for language, texts in by_language.items() for text in texts)


@dataclass(frozen=True, slots=True)
class _Stem:
    letters: str
    bare: str  # the same without marks
    is_open: bool  # any ending may follow


_Step = tuple[_Stem, ...]  # the alternatives for one word; none: a gap


@dataclass(frozen=True, slots=True)
class _Rule:
    number: int
    phrase: Phrase
    steps: tuple[_Step, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    letters: str
    bare: str
    begins_sentence: bool


def _parse(phrase: str) -> tuple[_Step, ...]:
    return tuple(() if word == "*" else tuple(map(_stem, word.split("|"))) for word in phrase.split())


def _stem(word: str) -> _Stem:
    letters = _plain(word.removesuffix("*"))
    return _Stem(letters, _without_marks(letters), word.endswith("*"))


def _is_well_formed(steps: tuple[_Step, ...]) -> bool:
    if not steps or not steps[0] or not steps[-1]:
        return False
    stems = [stem for step in steps for stem in step]
    return all(stem.letters.isalnum() and (len(stem.letters) >= _SHORTEST_STEM or not stem.is_open) for stem in stems)


def _indexed(rules: list[_Rule]) -> Mapping[str, tuple[_Rule, ...]]:
    index: dict[str, list[_Rule]] = {}
    for rule in rules:
        for start in {stem.bare[:_INDEXED] if stem.is_open else stem.bare for stem in rule.steps[0]}:
            index.setdefault(start, []).append(rule)
    return {start: tuple(found) for start, found in index.items()}


def _hits(words: list[_Word], index: Mapping[str, tuple[_Rule, ...]]) -> Iterator[Hit]:
    for at, word in enumerate(words):
        for rule in _candidates(word.bare, index):
            end = _match(rule.steps, words, at)
            if end is not None:
                crosses = any(one.begins_sentence for one in words[at + 1 : end])
                yield Hit(rule.phrase, range(at, end), crosses)


def _candidates(bare: str, index: Mapping[str, tuple[_Rule, ...]]) -> Sequence[_Rule]:
    """The rules whose first word this may be, in their order."""
    found = [rules for start in _starts(bare) if (rules := index.get(start)) is not None]
    if len(found) < 2:
        return found[0] if found else ()
    by_number = {rule.number: rule for rules in found for rule in rules}
    return [by_number[number] for number in sorted(by_number)]


def _starts(bare: str) -> tuple[str, ...]:
    """By what a word may be indexed: all of its letters, or its first ones."""
    return (bare, *(bare[:length] for length in range(_SHORTEST_STEM, _INDEXED + 1)))


def _match(steps: tuple[_Step, ...], words: list[_Word], at: int) -> int | None:
    """Where the phrase that begins at word `at` ends, or None when it does not."""
    for number, step in enumerate(steps):
        if not step:
            rest = steps[number + 1 :]
            ends = (_match(rest, words, at + gap) for gap in range(_LONGEST_GAP + 1))
            return next((end for end in ends if end is not None), None)
        if at >= len(words) or not any(_says(words[at], stem) for stem in step):
            return None
        at += 1
    return at


def _says(word: _Word, stem: _Stem) -> bool:
    length = len(stem.letters)
    if not (word.bare.startswith(stem.bare) if stem.is_open else word.bare == stem.bare):
        return False
    typed = word.letters[:length]
    return all(letter in {meant, bare} for letter, meant, bare in zip(typed, stem.letters, stem.bare, strict=True))


_TOKEN = re.compile(r"[^\W_]+|[.,;:!?\n]")
_INVISIBLE = re.compile("['’ʼ`´\u00ad\u0300-\u036f\u200b-\u200f\u2060\ufeff]")  # after composing, marks are strays
_BASES = str.maketrans("łđøħı", "ldohi")  # letters whose mark Unicode does not take apart


def _words(text: str) -> list[_Word]:
    words: list[_Word] = []
    begins = True
    for token in _TOKEN.findall(_plain(text)):
        if token.isalnum():
            words.append(_Word(token, _without_marks(token), begins))
            begins = False
        else:
            begins = True
    return words


def _plain(text: str) -> str:
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).casefold())


def _without_marks(letters: str) -> str:
    """The same letters, one for one, without their marks."""
    if letters.isascii():
        return letters
    return "".join(unicodedata.normalize("NFD", letter)[0] for letter in letters).translate(_BASES)
