"""Rows of imported answers, as CSV cells and as JSONL objects."""

import json
from datetime import UTC, datetime

import pytest

from data_contracts.events import read_standard
from data_contracts.problems import ContractBroken, Problem
from data_contracts.surveys import check_header, survey_row
from domain.customers import Customer
from domain.surveys import SurveyKind

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CELLS = {
    "response_id": "r-1",
    "kind": "csat",
    "score": " 2 ",
    "comment": "Zimno, drogo",
    "language": "",
    "answered_at": "2026-03-01T08:00:00+01:00",
    "customer_ref": "C-1",
    "customer_name": "",
    "customer_email": "anna@example.com",
    "customer_phone": "",
    "customer_language": "pl",
    "customer_time_zone": "",
}


def row_problems(**changes: object) -> list[Problem]:
    with pytest.raises(ContractBroken) as caught:
        survey_row({**CELLS, **changes}, now=NOW)
    return caught.value.problems


def test_row_of_a_csv() -> None:
    answered = survey_row(CELLS, now=NOW)
    assert (answered.kind, answered.score, answered.language) == (SurveyKind.CSAT, 2, None)
    assert answered.customer.as_customer() == Customer("C-1", email="anna@example.com", language="pl")


def test_row_of_a_jsonl_is_the_webhooks_data() -> None:
    data = {
        "response_id": "r-1",
        "kind": "csat",
        "score": 2,
        "comment": "Zimno, drogo",
        "answered_at": "2026-03-01T07:00:00Z",
        "customer": {"ref": "C-1", "email": "anna@example.com", "language": "pl"},
    }
    body = {"type": "survey.responded", "timestamp": "2026-03-01T07:00:00Z", "data": data}
    assert survey_row(data, now=NOW) == read_standard(json.dumps(body).encode()) == survey_row(CELLS, now=NOW)


@pytest.mark.parametrize("score", ["", "two", "2.0", "²", "٢", "-1", "6", "9" * 5000])
def test_score_in_a_cell(score: str) -> None:
    assert [problem.path for problem in row_problems(score=score)] == ["score"]


def test_problems_of_a_row_name_its_columns() -> None:
    found = row_problems(customer_email="anna", customer_ref="", kind="cast")
    assert [problem.path for problem in found] == ["kind", "customer_ref", "customer_email"]


def test_answer_from_the_future_is_refused() -> None:
    assert [problem.path for problem in row_problems(answered_at="2026-03-09T08:00:00+01:00")] == ["answered_at"]


def test_runaway_cell_is_refused() -> None:
    assert "at most 262144" in row_problems(comment="x" * 10_000_000)[0].problem


def test_shifted_row_is_refused() -> None:
    with pytest.raises(ContractBroken, match="more cells than the header"):
        survey_row({**CELLS, None: ["surplus"]}, now=NOW)


@pytest.mark.parametrize(
    "cell",
    [
        '=HYPERLINK("https://evil.example","here")',
        "=cmd|' /C calc'!A0",
        " =1+1",
        "=A1",
        "='My sheet'!B2",
        "@SUM(1+1)",
        "+cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        "=SUMA.JEŻELI(A:A)",
    ],
)
def test_spreadsheet_formula_is_refused(cell: str) -> None:
    assert "spreadsheet formula" in row_problems(comment=cell)[0].problem


@pytest.mark.parametrize(
    "cell", ["=) super", "=D", "- nikt nie oddzwonił (dwa razy)", "@obsługa: dramat", "+1", "-5!", "==", "= słabo"]
)
def test_words_that_only_begin_like_a_formula_are_words(cell: str) -> None:
    assert survey_row({**CELLS, "comment": cell}, now=NOW).comment == cell


@pytest.mark.timeout(5)
def test_hostile_cell_is_judged_in_time() -> None:
    assert survey_row({**CELLS, "comment": "=" + "a " * 100_000}, now=NOW)


def test_header() -> None:
    assert check_header(CELLS) == []
    assert check_header([*CELLS, "region"]) == []


def test_header_with_mistakes() -> None:
    header = ["response_id", "knd", "answered_at", "customer_ref", "customer_mail", "comment", "comment", "region"]
    assert [(problem.path, problem.problem) for problem in check_header(header)] == [
        ("score", "this column is missing"),
        ("knd", 'no such column (did you mean "kind"?)'),
        ("customer_mail", 'no such column (did you mean "customer_email"?)'),
        ("comment", "this column is there twice"),
    ]
