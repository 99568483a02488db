"""Imports: good rows go into the books, bad rows wait in quarantine, the same file twice is once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journey_stage import NOON, ONBOARDING, publish

from domain.gates import DataSet
from services.import_files import LONGEST_ROW, UnreadableFile
from services.importing import BatchReport, Source, import_batch
from services.imports import ImportReport, import_surveys
from services.settings import ROOT
from store.enrolments import NO_CONSENT, NewEnrolment, enrol

HEADER = "response_id,kind,score,answered_at,customer_ref,customer_email,comment"
WHEN = "2026-03-04T10:00:00+01:00"

Importing = Callable[..., ImportReport]


def row(response: str, *, score: object = 2, ref: str = "C-1", comment: str = "too slow") -> str:
    """One line of a CSV of answers."""
    return f"{response},nps,{score},{WHEN},{ref},{ref.lower()}@example.com,{comment}"


@pytest.fixture
def surveys(installation: Any, tmp_path: Path) -> Importing:
    """`surveys(*lines)`: import these lines as a CSV of answers."""

    def run(*lines: str | bytes, header: str = HEADER, name: str = "answers.csv") -> ImportReport:
        file = tmp_path / name
        whole = [line if isinstance(line, bytes) else line.encode() for line in (header, *lines)]
        file.write_bytes(b"\n".join(whole) + b"\n")
        return import_surveys(installation.database, installation.policy, file, clock=installation.clock)

    return run


@pytest.fixture
def customers(installation: Any, tmp_path: Path) -> Importing:
    """`customers(*lines)`: import these lines, the header first, as a CSV of customers."""

    def run(*lines: str) -> ImportReport:
        file = tmp_path / "customers.csv"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return import_file(installation, file, DataSet.CUSTOMERS)

    return run


def import_file(installation: Any, file: Path, data_set: DataSet) -> BatchReport:
    """Import a file of a data set through its gate."""
    return import_batch(installation.database, installation.policy, Source(file, data_set), clock=installation.clock)


def counts(report: ImportReport) -> tuple[int, int, int]:
    """Accepted, known, quarantined."""
    return report.accepted, report.known, report.quarantined


def test_a_bad_answer_plans_a_ticket_and_an_acknowledgement(surveys: Importing, installation: Any) -> None:
    assert counts(surveys(row("r-1"), row("r-2", score=9, ref="C-2"))) == (2, 0, 0)

    assert set(installation.states()) == {"case/C-1/1/ticket", "survey/import/r-1/acknowledgement"}


def test_the_same_file_twice_changes_nothing(surveys: Importing, installation: Any) -> None:
    lines = (row("r-1"), row("r-2", score=77), "only,three,cells")
    surveys(*lines)
    tables = ("customers", "survey_responses", "cases", "actions", "inbox", "quarantine", "audit")
    before = {table: installation.rows(table) for table in tables}

    assert counts(surveys(*lines)) == (0, 1, 2)

    assert {table: installation.rows(table) for table in tables} == before


def test_a_bad_row_is_kept_byte_for_byte_with_its_line(surveys: Importing, installation: Any) -> None:
    report = surveys(row("r-1"), row("r-2", score=11), row("r-3"))

    assert counts(report) == (2, 0, 1)
    [kept] = installation.rows("quarantine")
    assert (kept.source, kept.origin, kept.body) == ("import", "answers.csv:3", row("r-2", score=11).encode() + b"\n")
    assert kept.problems[0]["path"] == "score"
    assert report.bad[0]["line"] == 3


def test_a_row_may_name_its_survey_tool(surveys: Importing, installation: Any) -> None:
    surveys(f"{row('r-1')},standard", f"{row('r-2', ref='C-2')},", header=f"{HEADER},source")

    assert [answer.source for answer in installation.rows("survey_responses")] == ["standard", "import"]


def test_an_unknown_customer_without_address_waits_for_a_person(surveys: Importing, installation: Any) -> None:
    report = surveys(f"r-1,nps,2,{WHEN},C-9,,too slow")

    assert counts(report) == (0, 0, 1)
    assert installation.rows("quarantine")[0].problems[0]["path"] == "data.customer"


def test_a_missing_column_is_named_with_what_was_probably_meant(surveys: Importing, installation: Any) -> None:
    with pytest.raises(UnreadableFile, match=r'answers\.csv, line 1: customer_reff: .*did you mean "customer_ref"'):
        surveys(row("r-1"), header=HEADER.replace("customer_ref", "customer_reff"))

    assert installation.rows("survey_responses") == []


def test_a_field_of_ten_megabytes_is_one_bad_row(surveys: Importing, installation: Any) -> None:
    huge = row("r-2", comment="x" * 10 * 1024 * 1024)

    assert counts(surveys(row("r-1"), huge, row("r-3"))) == (2, 0, 1)

    [kept] = installation.rows("quarantine")
    assert kept.body == huge.encode() + b"\n"
    assert f"at most {LONGEST_ROW}" in kept.problems[0]["fix"]


def test_a_quote_that_is_never_closed_costs_its_own_line_only(surveys: Importing, installation: Any) -> None:
    lines = [row(f"r-{number}", score=9, ref=f"C-{number}") for number in range(40)]

    assert counts(surveys(row("r-a", comment='"half'), *lines)) == (40, 0, 1)


def test_quotes_that_were_not_doubled_let_no_row_in(surveys: Importing, installation: Any) -> None:
    smuggled = row("r-evil", score=0, ref="C-2")

    report = surveys(row("r-1", comment=f'"he said "no"\n{smuggled}"'), row("r-3", ref="C-3"))

    assert counts(report) == (1, 0, 1)
    assert [answer.response_id for answer in installation.rows("survey_responses")] == ["r-3"]


def test_words_over_several_lines_are_one_row(surveys: Importing, installation: Any) -> None:
    assert counts(surveys(row("r-1", comment='"first\n""second"", third"'), row("r-2", ref="C-2"))) == (2, 0, 0)

    assert installation.rows("survey_responses")[0].comment == 'first\n"second", third'


def test_an_inch_sign_is_a_letter_like_any_other(surveys: Importing, installation: Any) -> None:
    assert counts(surveys(row("r-1", comment='a 5" pipe'), row("r-2", ref="C-2"))) == (2, 0, 0)

    assert installation.rows("survey_responses")[0].comment == 'a 5" pipe'


def test_a_row_in_another_encoding_is_one_bad_row(surveys: Importing, installation: Any) -> None:
    polish = row("r-1", comment="źle").encode("cp1250")

    assert counts(surveys(polish, row("r-2"))) == (1, 0, 1)
    assert "UTF-8" in installation.rows("quarantine")[0].problems[0]["fix"]


def test_a_spreadsheet_of_central_europe_is_read(surveys: Importing, tmp_path: Path) -> None:
    report = surveys(row("r-1").replace(",", ";"), header="\ufeff" + HEADER.replace(",", ";"))

    assert counts(report) == (1, 0, 0)


def test_a_formula_is_never_taken_for_a_value(surveys: Importing, installation: Any) -> None:
    assert counts(surveys(row("r-1", comment='"=HYPERLINK(""http://x"")"'))) == (0, 0, 1)
    assert installation.rows("actions") == []


def test_json_lines_are_read_one_by_one(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    who = '{"ref":"C-1","phone":"+48600100200"}'
    good = '{"response_id":"r-1","kind":"csat","score":1,"answered_at":"%s","customer":%s}'
    file.write_text(
        "\n".join((good % (WHEN, who), "", '{"score": NaN}', "[1]", '{"response_id": "r-2", "response_id": "r-2"}'))
        + "\n",
        encoding="utf-8",
    )

    report = import_surveys(installation.database, installation.policy, file, clock=installation.clock)

    assert counts(report) == (1, 0, 3)
    assert [bad["line"] for bad in report.bad] == [3, 4, 5]


def test_an_unknown_kind_of_file_is_refused(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "answers.xlsx"
    file.touch()

    with pytest.raises(UnreadableFile, match=r"\.csv, \.jsonl or \.ndjson"):
        import_surveys(installation.database, installation.policy, file, clock=installation.clock)


def test_an_empty_file_is_refused(installation: Any, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.touch()

    with pytest.raises(UnreadableFile, match="empty"):
        import_surveys(installation.database, installation.policy, file, clock=installation.clock)


def test_the_examples_are_good(installation: Any) -> None:
    installation.clock.go(days=300)
    examples = ROOT / "examples"

    assert counts(import_file(installation, examples / "customers.csv", DataSet.CUSTOMERS)) == (12, 0, 0)
    surveys = import_surveys(
        installation.database, installation.policy, examples / "surveys.jsonl", clock=installation.clock
    )
    assert counts(surveys) == (12, 0, 0)


def test_what_a_file_of_customers_says_wins_and_an_empty_cell_says_nothing(
    customers: Importing, installation: Any
) -> None:
    customers("ref,email,tier,language", "C-1,old@example.com,vip,pl")

    assert counts(customers("ref,email,tier,language", "C-1,new@example.com,,")) == (1, 0, 0)

    [person] = installation.rows("customers")
    assert (person.email, person.tier, person.language) == ("new@example.com", "vip", "pl")


def test_customers_twice_are_once(customers: Importing, installation: Any) -> None:
    lines = ("ref,email,tier,consent_marketing_mail", "C-1,a@example.com,vip,yes", "C-2,b@example.com,,no")
    customers(*lines)
    before = installation.rows("customers"), installation.rows("consents")

    assert counts(customers(*lines)) == (0, 2, 0)

    assert (installation.rows("customers"), installation.rows("consents")) == before


def test_a_file_takes_consent_back_and_never_gives_it_again(customers: Importing, installation: Any) -> None:
    header = "ref,consent_marketing_mail"
    for said in ("yes", "no", "yes"):
        customers(header, f"C-1,{said}")

    assert [consent.granted for consent in installation.rows("consents")] == [False]


def test_a_file_that_takes_the_last_consent_back_ends_the_journey(customers: Importing, installation: Any) -> None:
    header = "ref,device,consent_onboarding_mail,consent_onboarding_push"
    customers(header, "C-1,token-1,yes,yes")
    [person] = installation.rows("customers")
    [published] = publish(installation.database, ONBOARDING)
    entering = NewEnrolment(person.id, "onboarding", published, 1, "C-1", NOON, "welcome", NOON)
    with installation.database.write() as connection:
        enrol(connection, [entering], run="t", now=NOON)

    customers(header, "C-1,token-2,no,")
    assert [(row.device, row.version) for row in installation.rows("customers")] == [("token-2", 2)]
    assert [row.state for row in installation.rows("enrolments")] == ["active"], "a notification is still allowed"
    customers(header, "C-1,,,no")
    assert [row.device for row in installation.rows("customers")] == ["token-2"], "an empty cell says nothing"
    assert [(row.state, row.reason) for row in installation.rows("enrolments")] == [("left", NO_CONSENT)]


def test_an_erased_customer_stays_blank(customers: Importing, installation: Any) -> None:
    from store.customers import erase

    customers("ref,email", "C-1,a@example.com")
    with installation.database.write() as connection:
        erase(connection, installation.rows("customers")[0].id, now=installation.clock())

    assert counts(customers("ref,email,consent_marketing_mail", "C-1,a@example.com,yes")) == (0, 1, 0)

    assert installation.rows("customers")[0].email is None
    assert installation.rows("consents") == []


def test_a_long_file_is_many_short_transactions(
    surveys: Importing, installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    write = installation.database.write
    monkeypatch.setattr(installation.database, "write", lambda name: begun.append(name) or write(name))
    monkeypatch.setattr("services.imports._HOLD_SECONDS", 0.0)

    surveys(*(row(f"r-{number}", score=9) for number in range(20)))

    assert len(begun) == 20
