"""Survey responses: once per (source, response), newer words kept."""

from dataclasses import replace

from ledger_world import NOON, World, later
from sqlalchemy import event

from domain.surveys import Judgement, Sentiment, SurveyAnswer, SurveyKind
from store import surveys

ANSWER = SurveyAnswer("standard", "r-1", SurveyKind.CES, 2, "żółć\n<b>late</b>", "pl-PL", later(hours=-1), NOON)
BAD, GOOD = Judgement(Sentiment.DETRACTOR, is_critical=True), Judgement(Sentiment.PROMOTER, is_critical=False)


def _save(world: World, customer: int, answer: SurveyAnswer = ANSWER) -> tuple[int, bool]:
    with world.database.write() as connection:
        made = surveys.save(connection, [surveys.NewAnswer(answer, customer, BAD, "hardship")])
        standing = surveys.standing(connection, [(answer.source, answer.response_id)])
        found = standing[answer.source, answer.response_id]
        assert made in ({}, {(answer.source, answer.response_id): found.id})
        return found.id, bool(made)


def test_an_answer_comes_back_as_it_was_given(world: World) -> None:
    customer = world.customer()
    response, is_new = _save(world, customer)
    assert is_new
    with world.database.read() as connection:
        stored = surveys.stored(connection, response)
    assert stored == surveys.StoredAnswer(response, customer, None, "hardship", ANSWER)


def test_the_same_answer_again_changes_nothing(world: World) -> None:
    customer = world.customer()
    first, _ = _save(world, customer)
    assert _save(world, customer, replace(ANSWER, score=7)) == (first, False)
    assert world.rows("survey_responses")[0].score == 2
    assert _save(world, customer, replace(ANSWER, source="other"))[1]


def test_newer_words_are_kept_and_only_a_change_is_one(world: World) -> None:
    response, _ = _save(world, world.customer())

    def revise(answer: SurveyAnswer, judgement: Judgement = GOOD) -> bool:
        with world.database.write() as connection:
            return surveys.revise(connection, response, answer, judgement, None)

    assert not revise(ANSWER)
    assert not revise(replace(ANSWER, comment=None)), "no words are no news"
    assert revise(replace(ANSWER, comment="Other words."))
    assert not revise(replace(ANSWER, comment="Other words."))
    assert revise(replace(ANSWER, score=7, comment=None))
    (row,) = world.rows("survey_responses")
    wanted = (7, "Other words.", "promoter", False, None)
    assert (row.score, row.comment, row.sentiment, row.is_critical, row.distress) == wanted


def test_answers_of_cases_are_read_oldest_first(world: World) -> None:
    anna, bert = world.customer("A"), world.customer("B")
    case = world.case(anna)
    for number in range(4):
        answer = replace(ANSWER, response_id=f"r-{number}", received_at=later(minutes=number))
        response, _ = _save(world, anna if number else bert, answer)
        with world.database.write() as connection:
            surveys.conclude(connection, [(response, "joined", case if number > 1 else None)])
    with world.database.read() as connection:
        of_cases = surveys.received_since(connection, later(minutes=1))
    assert [stored.answer.response_id for stored in of_cases] == ["r-2", "r-3"]
    assert {row.outcome for row in world.rows("survey_responses")} == {"joined"}


def test_standing_answers_are_found_by_the_index(world: World) -> None:
    if not world.database.is_sqlite:
        return
    wanted = [("standard", "r-1"), ("other", "r-2")]
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(world.database.engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    with world.database.read() as connection:
        surveys.standing(connection, wanted)
        statement, parameters = asked[-1]
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert any(step.startswith("SEARCH survey_responses USING INDEX") for step in plan), plan
