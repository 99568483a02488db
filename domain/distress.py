"""Words of distress: what a customer wrote that a person must read, at any score. How phrases are written and read is
said in `domain.phrases`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.phrases import Phrases, phrases_of


class Category(StrEnum):
    """What kind of distress, the gravest first: of several, the first is reported."""

    BEREAVEMENT = "bereavement"
    HARDSHIP = "hardship"  # job lost, nothing to pay with, illness
    LEGAL = "legal"  # a lawyer, a court, the police


@dataclass(frozen=True, slots=True)
class Distress:
    """What was found: why a person is asked, and the rule that says so (never the customer's own words)."""

    category: Category
    phrase: str


@dataclass(frozen=True, slots=True)
class DistressRules:
    """Policy's phrases: category → language → phrases. Raises ValueError naming every malformed one."""

    phrases: Mapping[Category, Mapping[str, tuple[str, ...]]]
    everyday: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language → idioms that mean no distress ("my phone died"); inside one sentence they silence what they touch."""
    _phrases: Phrases = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        grave = [one for category in Category for one in phrases_of(category, self.phrases.get(category, {}))]
        object.__setattr__(self, "_phrases", Phrases((*grave, *phrases_of(_EVERYDAY, self.everyday))))


def find_distress(text: str | None, rules: DistressRules, language: str | None = None) -> Distress | None:
    """The gravest distress in `text`, or None. All languages are searched: one may answer in another than one's own.

    `language` (a primary tag such as "pl") only settles which language's rule wins within a category, and is optional.
    """
    if not text:
        return None
    hits = rules._phrases.find(text)
    calm = {at for hit in hits if hit.phrase.label == _EVERYDAY and not hit.crosses_sentence for at in hit.words}
    grave = [
        (
            _GRAVEST_FIRST.index(Category(phrase.label)),
            phrase.language != language,
            hit.words.start,
            Distress(Category(phrase.label), phrase.text),
        )
        for hit in hits
        if (phrase := hit.phrase).label != _EVERYDAY and calm.isdisjoint(hit.words)
    ]
    return min(grave, key=lambda found: found[:3])[3] if grave else None


_GRAVEST_FIRST = tuple(Category)
_EVERYDAY = "everyday"  # no category: idioms that mean no distress
