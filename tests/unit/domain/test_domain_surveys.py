"""Every score of every scale, and thresholds that contradict themselves."""

import pytest

from domain.surveys import SCALES, Sentiment, SurveyKind, Thresholds, judge, scale_words

SHIPPED = {
    SurveyKind.NPS: Thresholds(critical_at_most=6, promoter_at_least=9),
    SurveyKind.CSAT: Thresholds(critical_at_most=2, promoter_at_least=4),
    SurveyKind.CES: Thresholds(critical_at_most=3, promoter_at_least=5),
}
D, P, A = Sentiment.DETRACTOR, Sentiment.PASSIVE, Sentiment.PROMOTER


@pytest.mark.parametrize(
    ("kind", "sentiments"),
    [
        (SurveyKind.NPS, [D, D, D, D, D, D, D, P, P, A, A]),
        (SurveyKind.CSAT, [D, D, P, A, A]),
        (SurveyKind.CES, [D, D, D, P, A, A, A]),
    ],
)
def test_every_score_has_its_sentiment_and_every_detractor_is_critical(
    kind: SurveyKind, sentiments: list[Sentiment]
) -> None:
    judgements = [judge(kind, score, SHIPPED[kind]) for score in SCALES[kind]]
    assert [judgement.sentiment for judgement in judgements] == sentiments
    assert [judgement.is_critical for judgement in judgements] == [sentiment is D for sentiment in sentiments]


@pytest.mark.parametrize(
    ("kind", "score"),
    [(SurveyKind.NPS, -1), (SurveyKind.NPS, 11), (SurveyKind.CSAT, 0), (SurveyKind.CSAT, 6), (SurveyKind.CES, 8)],
)
def test_score_off_the_scale_is_refused_with_the_scale(kind: SurveyKind, score: int) -> None:
    with pytest.raises(ValueError, match=scale_words(kind)):
        judge(kind, score, SHIPPED[kind])


def test_policy_may_call_fewer_answers_critical_than_detractors() -> None:
    only_the_worst = Thresholds(critical_at_most=3, promoter_at_least=9, detractor_at_most=6)
    judgement = judge(SurveyKind.NPS, 5, only_the_worst)
    assert judgement.sentiment is Sentiment.DETRACTOR
    assert not judgement.is_critical


def test_policy_may_call_passives_critical() -> None:
    judgement = judge(SurveyKind.NPS, 7, Thresholds(critical_at_most=7, promoter_at_least=9, detractor_at_most=6))
    assert judgement.sentiment is Sentiment.PASSIVE
    assert judgement.is_critical


@pytest.mark.parametrize(("critical", "detractor"), [(9, None), (9, 6), (6, 9)])
def test_thresholds_that_cross_are_refused(critical: int, detractor: int | None) -> None:
    with pytest.raises(ValueError, match="promoters start at 9"):
        Thresholds(critical_at_most=critical, promoter_at_least=9, detractor_at_most=detractor)
