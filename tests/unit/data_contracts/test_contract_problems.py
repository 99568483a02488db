"""Problems travel: as text, as JSON, through other processes."""

import pickle

from data_contracts.problems import ContractBroken, NotStrictJson, Problem

SCORE = Problem("data.score", "is 11", "send 0 to 10")


def test_problem_in_words_and_as_json() -> None:
    assert str(SCORE) == "data.score: is 11: send 0 to 10"
    assert str(Problem("", "the body is a list", "")) == "the body is a list"
    assert SCORE.as_json() == {"path": "data.score", "problem": "is 11", "fix": "send 0 to 10"}


def test_errors_say_everything_at_once() -> None:
    assert str(ContractBroken([SCORE, SCORE])) == f"{SCORE}; {SCORE}"
    refused = NotStrictJson("NaN is no JSON number", "a number", "send null")
    assert str(refused) == "not strict JSON: a number: NaN is no JSON number: send null"
    assert refused.problems == [Problem("a number", "NaN is no JSON number", "send null")]


def test_errors_survive_another_process() -> None:
    for error in (ContractBroken([SCORE]), NotStrictJson("what", "where", "fix")):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        assert (str(again), again.problems) == (str(error), error.problems)
