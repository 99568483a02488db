"""Survey answers: the scales of NPS, CSAT and CES, and what a score means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SurveyKind(StrEnum):
    """Which question was asked."""

    NPS = "nps"  # how likely to recommend us
    CSAT = "csat"  # how satisfied
    CES = "ces"  # how easy we made it: 1 very hard, 7 very easy


SCALES: Mapping[SurveyKind, range] = {
    SurveyKind.NPS: range(0, 11),
    SurveyKind.CSAT: range(1, 6),
    SurveyKind.CES: range(1, 8),
}
"""The scores one can give. On each scale more is better."""


def scale_words(kind: SurveyKind) -> str:
    """The scale in words: "nps scores are whole numbers from 0 to 10"."""
    scale = SCALES[kind]
    return f"{kind} scores are whole numbers from {scale[0]} to {scale[-1]}"


class Sentiment(StrEnum):
    """What a score says about the customer's mood."""

    PROMOTER = "promoter"
    PASSIVE = "passive"
    DETRACTOR = "detractor"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where one scale is cut; every bound includes the score it names."""

    critical_at_most: int
    """Such answers open or join a case."""
    promoter_at_least: int
    detractor_at_most: int | None = None
    """None: every critical answer is a detractor's, and every detractor's answer is critical."""

    def __post_init__(self) -> None:
        if self.detractors_up_to >= self.promoter_at_least:
            raise ValueError(
                f"detractors go up to {self.detractors_up_to} and promoters start at {self.promoter_at_least}: "
                "a score cannot be both"
            )
        if self.critical_at_most >= self.promoter_at_least:
            raise ValueError(f"promoters start at {self.promoter_at_least}, so critical_at_most must be lower")

    @property
    def detractors_up_to(self) -> int:
        """The best score that is still a detractor's."""
        return self.critical_at_most if self.detractor_at_most is None else self.detractor_at_most


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer's score means under the policy's thresholds."""

    sentiment: Sentiment
    is_critical: bool


def judge(kind: SurveyKind, score: int, thresholds: Thresholds) -> Judgement:
    """What `score` means. Raises ValueError for a score that is not on the scale."""
    if score not in SCALES[kind]:
        raise ValueError(f"{score} is not on the scale: {scale_words(kind)}")
    return Judgement(_sentiment(score, thresholds), is_critical=score <= thresholds.critical_at_most)


def _sentiment(score: int, thresholds: Thresholds) -> Sentiment:
    if score >= thresholds.promoter_at_least:
        return Sentiment.PROMOTER
    return Sentiment.DETRACTOR if score <= thresholds.detractors_up_to else Sentiment.PASSIVE


@dataclass(frozen=True, slots=True)
class SurveyAnswer:
    """One customer's answer to one survey, known by (`source`, `response_id`)."""

    source: str
    response_id: str
    kind: SurveyKind
    score: int
    comment: str | None  # the verbatim: the customer's own words, untouched
    language: str | None  # the tag the answer came with, e.g. "pl-PL"
    answered_at: datetime  # UTC
    received_at: datetime  # UTC
