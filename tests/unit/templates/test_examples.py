"""The example files: what the demo and the README load must pass our own border."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

from data_contracts.customers import CONTRACT, as_customer
from data_contracts.problems import ContractBroken
from data_contracts.surveys import survey_row
from domain.policy import Policy
from services.simulation_input import read_customers, read_events

EXAMPLES = Path(__file__).parents[3] / "examples"
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def test_every_example_customer_is_accepted() -> None:
    with (EXAMPLES / "customers.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert CONTRACT.columns.check(reader.fieldnames or []) == []
        customers = [as_customer(CONTRACT.read(row)) for row in reader]
    assert len({customer.ref for customer in customers}) == 12
    assert all(customer.is_reachable for customer in customers)
    assert {customer.language for customer in customers} == {"pl", "cs", "en"}
    assert [customer.ref for customer in customers if customer.email is None] == ["1007"]


def test_every_example_answer_is_accepted_and_from_an_example_customer() -> None:
    lines = (EXAMPLES / "surveys.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [survey_row(json.loads(line), now=NOW) for line in lines]
    assert len({answer.response_id for answer in answers}) == 12
    assert {answer.kind.value for answer in answers} == {"nps", "csat", "ces"}
    with (EXAMPLES / "customers.csv").open(encoding="utf-8", newline="") as file:
        assert {row["ref"] for row in csv.DictReader(file)} == {answer.customer.ref for answer in answers}


def test_the_demos_answers_are_accepted_and_from_example_customers() -> None:
    lines = (EXAMPLES / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [survey_row(json.loads(line), now=NOW) for line in lines]
    with (EXAMPLES / "customers.csv").open(encoding="utf-8", newline="") as file:
        assert {answer.customer.ref for answer in answers} <= {row["ref"] for row in csv.DictReader(file)}


def test_three_of_the_broken_rows_are_broken_and_each_in_its_own_way() -> None:
    broken: dict[str, list[str]] = {}
    with (EXAMPLES / "broken-rows.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                survey_row(row, now=NOW)
            except ContractBroken as problem:
                broken[row["response_id"]] = [found.path for found in problem.problems]
    assert broken == {"r-4003": ["kind"], "r-4004": ["comment"], "r-4005": ["score"]}


def test_a_month_of_onboarding_can_be_simulated_whole(policy: Policy) -> None:
    began = datetime(2027, 3, 1, tzinfo=UTC)
    entrants = read_customers(EXAMPLES / "onboarding-month-customers.csv", policy, began=began)
    feed = read_events(EXAMPLES / "onboarding-month-events.jsonl", entrants.refs)
    assert (len(entrants.good), entrants.refused, feed.refused) == (300, 0, 0)
    assert len(feed.good) == 456
    assert {one.row["time_zone"] for one in entrants.good} > {
        "Europe/Warsaw",
        "America/New_York",
        "Australia/Lord_Howe",
    }
