"""What a simulation reads: the customers an import would take, and when each was activated."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from data_contracts.policy import load_policy
from domain.policy import Policy
from services.import_files import UnreadableFile
from services.settings import ROOT
from services.simulation_input import SHOWN, read_customers, read_events

BEGAN = datetime(2026, 3, 4, 11, tzinfo=UTC)


@pytest.fixture(scope="module")
def policy() -> Policy:
    path = ROOT / "deployments" / "policy.yaml"
    return load_policy(path.read_text(encoding="utf-8"), str(path))


def written(directory: Path, *lines: str, name: str = "customers.csv") -> Path:
    path = directory / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_what_an_import_takes_is_taken_and_who_has_no_time_is_activated_when_it_begins(
    policy: Policy, tmp_path: Path
) -> None:
    path = written(
        tmp_path,
        "ref,name,email,language,consent_onboarding_mail,activated_at",
        "C-1,Anna,anna@example.com,pl,yes,2026-03-05T10:00:00+01:00",
        'C-2,"Novák, Jan",jan@example.com,cs,no,',
    )
    read = read_customers(path, policy, began=BEGAN)
    assert [(one.ref, one.activated_at) for one in read.good] == [
        ("C-1", datetime(2026, 3, 5, 9, tzinfo=UTC)),
        ("C-2", BEGAN),
    ]
    assert [one.row["consent_onboarding_mail"] for one in read.good] == [True, False]
    assert read.refused == 0


def test_a_file_of_customers_as_it_is_imported_will_do(policy: Policy) -> None:
    read = read_customers(ROOT / "examples" / "customers.csv", policy, began=BEGAN)
    assert read.refused == 0
    assert {one.activated_at for one in read.good} == {BEGAN}


def test_columns_of_times_in_parquet_are_read(policy: Policy, tmp_path: Path) -> None:
    path = tmp_path / "customers.parquet"
    pl.DataFrame({"ref": ["C-1"], "activated_at": [datetime(2026, 3, 5, 9, 30, tzinfo=UTC)]}).write_parquet(path)
    [one] = read_customers(path, policy, began=BEGAN).good
    assert one.activated_at == datetime(2026, 3, 5, 9, 30, tzinfo=UTC)


def test_json_lines_are_read(policy: Policy, tmp_path: Path) -> None:
    path = written(tmp_path, '{"ref": "C-1", "activated_at": "2026-03-05T09:30:00Z"}', "not json", name="c.jsonl")
    read = read_customers(path, policy, began=BEGAN)
    assert [(one.ref, one.activated_at) for one in read.good] == [("C-1", datetime(2026, 3, 5, 9, 30, tzinfo=UTC))]
    assert [one.line for one in read.told] == [2]


def test_rows_that_will_not_do_are_left_out_and_told_with_their_line(policy: Policy, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "ref,email,ltv,ltv_currency,activated_at",
        "C-1,,,,2026-03-05T10:00",
        "C-2,,,,yesterday",
        "C-3,,10.00,XTS,",
        "C-4,,,,",
        "C-4,other@example.com,,,",
        'C-5,"open,,,',
    )
    read = read_customers(path, policy, began=BEGAN)
    assert [one.ref for one in read.good] == ["C-4"]
    assert read.refused == 5
    said = {one.line: str(one.problems[0]) for one in read.told}
    assert "offset" in said[2]
    assert "ISO 8601" in said[3]
    assert "no rate" in said[4]
    assert "other lines" in said[6]
    assert sorted(said) == [2, 3, 4, 6, 7]


def test_many_bad_rows_are_counted_and_the_first_are_told(policy: Policy, tmp_path: Path) -> None:
    path = written(tmp_path, "ref,activated_at", *(f"C-{n},never" for n in range(100)))
    read = read_customers(path, policy, began=BEGAN)
    assert (read.refused, len(read.told), read.told[0].line) == (100, SHOWN, 2)


def test_a_misspelt_column_is_told(policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="consent_onboarding_mail"):
        read_customers(written(tmp_path, "ref,consent_onboarding_male", "C-1,yes"), policy, began=BEGAN)


def an_event(what: str = "feature.used", at: str = "2026-03-05T10:00:00Z", **data: object) -> str:
    told = {"customer": {"ref": "C-1"}, "at": at, **data}
    return json.dumps({"type": what, "timestamp": "2026-03-05T10:00:01Z", "data": told})


def test_events_happen_when_they_say_and_to_whom(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        an_event(feature="setup"),
        an_event("message.bounced", message="journey/onboarding/C%2F2/1/welcome", kind="hard"),
        name="events.jsonl",
    )
    read = read_events(path, {"C-1", "C/2"})
    assert read.told == []
    at = datetime(2026, 3, 5, 10, tzinfo=UTC)
    assert [(fed.at, fed.ref) for fed in read.good] == [(at, "C-1"), (at, "C/2")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("not json", "JSON"),
        (an_event(feature="setup", customer={"ref": "C-9"}), "nobody in the customers' file"),
        (an_event("message.opened", message="survey/1/acknowledgement"), "nobody in the customers' file"),
        (an_event(), "feature"),
        (an_event("goal.reachd"), "goal.reached"),
        (
            json.dumps(
                {
                    "type": "call.ended",
                    "timestamp": "2026-03-05T10:00:00Z",
                    "data": {"call": "k", "outcome": "no_answer", "ended_at": "2026-03-05T10:00:00Z"},
                }
            ),
            "nothing that journeys follow",
        ),
    ],
)
def test_events_that_will_not_do_are_told_with_their_line(tmp_path: Path, line: str, words: str) -> None:
    read = read_events(written(tmp_path, an_event(feature="setup"), line, name="events.jsonl"), {"C-1"})
    assert (len(read.good), read.refused) == (1, 1)
    [refused] = read.told
    assert refused.line == 2
    assert words in " ".join(map(str, refused.problems))
