"""What comes in together is taken in set by set: the books must not show it."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import NOON, POLICY, check_audit, hasten
from sqlalchemy import select

from data_contracts.problems import Problem
from domain.customers import Customer
from domain.surveys import SurveyAnswer, SurveyKind
from services.intake import Answer, _Delivered, _store
from services.journeys import Journeys
from services.preparing import prepare
from services.surveys import Given, judge_answer
from store.database import Database, sqlite_url
from store.inbox import Arrival
from store.tables import metadata

BROKEN = Problem("data.score", "is 42", "nps scores go from 0 to 10")

Wanted = tuple[str, str, str, int, str | None, str]
WANTED = st.tuples(
    st.sampled_from(["w1", "w2", "w3", "w4", "w5"]),  # webhook id
    st.sampled_from(["r1", "r2", "r3", "r4"]),  # response
    st.sampled_from(["A", "B", "nobody"]),  # customer
    st.sampled_from([1, 2, 10]),
    st.sampled_from([None, "I lost my job"]),
    st.sampled_from(["fine", "fine", "fine", "broken"]),
)


def _delivered(wanted: Wanted, number: int) -> _Delivered:
    webhook, response, ref, score, comment, state = wanted
    now = NOON + timedelta(seconds=number)
    told = Customer(ref, email=None if ref == "nobody" else f"{ref.lower()}@example.com", language="en")
    answer = SurveyAnswer("s", response, SurveyKind.NPS, score, comment, "en", NOON, now)
    is_broken = state == "broken"
    given_ = None if is_broken else Given(judge_answer(answer, POLICY), told)
    body = repr(wanted).encode()
    arrival = Arrival("s", webhook, sha256(body).hexdigest(), NOON)
    return _Delivered(arrival, body, given_, [BROKEN] if is_broken else [], 202, POLICY, Journeys())


@pytest.fixture(scope="module")
def fresh(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Database]:
    worded = tmp_path_factory.mktemp("worded") / "handrail.db"
    worded.write_bytes(sqlite_template.read_bytes())
    database = Database(sqlite_url(worded))
    prepare(database, now=NOON)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()

    def make(path: Path) -> Database:
        path.write_bytes(worded.read_bytes())
        return hasten(Database(sqlite_url(path)))

    return make


def _books(database: Database) -> dict[str, Any]:
    """What is written down, by business facts: ids may differ."""
    with database.read() as connection:
        rows = {
            name: [row._asdict() for row in connection.execute(select(metadata.tables[name]))]
            for name in ("customers", "cases", "survey_responses", "actions", "evidence", "quarantine", "inbox")
        }
    refs = {row["id"]: row["ref"] for row in rows["customers"]}
    cases = {row["id"]: (refs[row["customer_id"]], row["number"]) for row in rows["cases"]}
    keys = {row["id"]: row["key"] for row in rows["actions"]}
    return {
        "customers": {(row["ref"], row["email"], row["tact_lock"], row["version"]) for row in rows["customers"]},
        "cases": {(*cases[row["id"]], row["state"], row["reason"], row["priority"]) for row in rows["cases"]},
        "answers": {
            (row["response_id"], refs[row["customer_id"]], row["score"], row["outcome"], cases.get(row["case_id"]))
            for row in rows["survey_responses"]
        },
        "actions": {
            (row["key"], row["state"], row["payload_hash"], cases[row["case_id"]], keys.get(row["after_id"]))
            for row in rows["actions"]
        },
        "evidence": {(keys[row["action_id"]], row["fact"], row["version"]) for row in rows["evidence"]},
        "quarantine": sorted((row["origin"], row["body"]) for row in rows["quarantine"]),
        "inbox": {(row["webhook_id"], row["status"], row["body_hash"]) for row in rows["inbox"]},
    }


def _told(answers: Sequence[Answer]) -> list[Any]:
    return [replace(answer, body={**answer.body, "event_id": ""}) for answer in answers]


@given(st.lists(WANTED, max_size=8), st.integers(1, 8))
def test_together_or_one_by_one_the_books_and_the_answers_are_the_same(
    fresh: Callable[[Path], Database], wanted: list[Wanted], size: int
) -> None:
    deliveries = [_delivered(one, number) for number, one in enumerate(wanted)]
    with tempfile.TemporaryDirectory() as directory:
        found = []
        for name, step in (("one by one", 1), ("together", size)):
            database = fresh(Path(directory) / name)
            answers: list[Answer] = []
            for begin in range(0, len(deliveries), step):
                with database.write() as connection:
                    answers += _store(connection, deliveries[begin : begin + step])
            found.append((_told(answers), _books(database)))
            check_audit(database)
            database.close()
    assert found[0] == found[1]
