"""Triage: what a message is about, in which language, how urgent, and how sure we are of it.

By rules, that is by policy's phrases. A model would have to be better than they are on examples/messages.jsonl; what
was measured stands in docs/adr/0017-triage-by-rules.md.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from domain.distress import Distress, DistressRules, find_distress
from domain.messages import Message
from domain.phrases import Phrases, phrases_of


class Topic(StrEnum):
    """What a message is about."""

    DELIVERY = "delivery"  # where is it, when does it come
    BILLING = "billing"  # invoices, payments, prices
    RETURNS = "returns"  # back, exchanged, broken
    CANCELLATION = "cancellation"  # an order, a contract, an account to be ended
    TECHNICAL = "technical"  # signing in, the app, the site
    COMPLAINT = "complaint"  # how they were treated
    OTHER = "other"  # none of these: rules never say so, people do


class Urgency(StrEnum):
    """How soon somebody must look."""

    URGENT = "urgent"
    NORMAL = "normal"


class Acknowledge(StrEnum):
    """Whose message that opened a case, or joined one, is acknowledged. What a From says anybody can write."""

    NOBODY = "nobody"
    SIGNED_IN = "signed_in"  # the form says who they are
    EVERYBODY = "everybody"  # also who was found by their address


@dataclass(frozen=True, slots=True)
class TriageRules:
    """Policy's phrases, by language, and how sure they must be for nobody to look."""

    confident_at_least: float
    """Between 0 and 1; below it a person sorts."""
    acknowledge: Acknowledge
    topics: Mapping[Topic, Mapping[str, tuple[str, ...]]]
    urgent: Mapping[str, tuple[str, ...]]
    angry: Mapping[str, tuple[str, ...]]
    """Together with an urgent phrase they open a case, as a critical answer does."""
    _phrases: Phrases = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.confident_at_least <= 1:
            raise ValueError(f"confident_at_least is {self.confident_at_least:g} and must lie between 0 and 1")
        if Topic.OTHER in self.topics:
            raise ValueError("other has no phrases: it is what people sort under it")
        topics = [one for topic in self.topics for one in phrases_of(topic, self.topics[topic])]
        moods = (*phrases_of(_URGENT, self.urgent), *phrases_of(_ANGRY, self.angry))
        object.__setattr__(self, "_phrases", Phrases((*topics, *moods)))


_URGENT, _ANGRY = "urgent", "angry"


@dataclass(frozen=True, slots=True)
class Triage:
    """What rules made of a message."""

    topic: Topic | None  # the likeliest; None: no phrase tells
    confidence: float  # in the topic, 0 to 1
    language: str | None  # None: nothing tells
    urgency: Urgency
    is_angry: bool
    distress: Distress | None

    @property
    def calls_for_case(self) -> bool:
        """Words of distress, and anger that cannot wait."""
        return self.distress is not None or (self.is_angry and self.urgency is Urgency.URGENT)

    def is_sure(self, rules: TriageRules) -> bool:
        """True when nobody has to sort it."""
        return self.topic is not None and self.language is not None and self.confidence >= rules.confident_at_least


def triage(message: Message, rules: TriageRules, distress: DistressRules) -> Triage:
    """What a message means. Pure, and not for a transaction: a long one takes a while to read."""
    said = {hit.phrase for hit in rules._phrases.find(message.words)}
    topic, confidence = _topic(Counter(phrase.label for phrase in said if phrase.label in set(Topic)))
    labels = {phrase.label for phrase in said}
    language = find_language(message.words)
    found = None if message.is_automatic else find_distress(message.words, distress, language)
    is_urgent = _URGENT in labels or found is not None
    return Triage(
        topic=topic,
        confidence=confidence,
        language=language,
        urgency=Urgency.URGENT if is_urgent and not message.is_automatic else Urgency.NORMAL,
        is_angry=_ANGRY in labels and not message.is_automatic,
        distress=found,
    )


_DOUBT = 0.5
"""Added to all that was found: one phrase alone is 0.67 sure, two of one topic 0.8, one against another 0.4."""


def _topic(found: Counter[str]) -> tuple[Topic | None, float]:
    """The topic most phrases tell of; which of two equals it is does not matter, as a person sorts it."""
    if not found:
        return None, 0.0
    topic, most = found.most_common(1)[0]
    return Topic(topic), round(most / (found.total() + _DOUBT), 2)


_COMMON = {
    "pl": "nie się na do jest że czy jak od za mi po proszę prosze mam mnie dla moja moje chcę chce kiedy co już "
    "jestem ale mogę moge dzień dzien w z i o u",
    "cs": "ne se na do je že jak od za mi po prosím prosim mám mě pro moje má chci kdy co už jsem ale můžu muzu dobrý "
    "dobry den jsme jste by v z a o u k s si to",
    "en": "the a to is not my i you and of for from in on it how do can please have has was when what are we with at "
    "this be did",
}
_EVERYDAY_WORDS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_LETTERS: Mapping[str, frozenset[str]] = {"pl": frozenset("ąęłśżźćńó"), "cs": frozenset("ěřůžščýáíéďťňú")}
_WORD = re.compile(r"[^\W\d_]+")


def find_language(text: str) -> str | None:
    """`pl`, `cs` or `en` by its commonest words and own letters; None when none is ahead of the others."""
    text = text.lower()
    words = _WORD.findall(text)
    scores = {language: sum(word in common for word in words) for language, common in _EVERYDAY_WORDS.items()}
    for language, letters in _LETTERS.items():
        scores[language] += sum(letter in letters for letter in text)
    (best, most), (_, second) = sorted(scores.items(), key=lambda score: -score[1])[:2]
    return best if most > second else None
