"""Batches through their gate: what is let in, what is held back and why, and that nothing goes in halfway."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain.gates import DataSet, GateVerdict
from services.gate_story import as_table, story_of, volume_chart
from services.gates import Approver, CannotApprove, approve_gate
from services.importing import BatchReport, Source, import_batch
from store import crash_points

ENTITLEMENTS = "ref,customer_ref,kind,product,ends_on,value,currency"
PURCHASES = "ref,customer_ref,product,bought_on,quantity,amount,currency"
EWA = Approver("Ewa Lis", "the warehouse confirmed the numbers")
BOOKS = ("customers", "consents", "entitlements", "purchases", "quarantine", "inbox", "actions")

Importing = Callable[..., BatchReport]


def ending(number: int, *, ends_on: str = "2026-12-31", value: str = "129.90", ref: str = "") -> str:
    """One line of a CSV of entitlements, of one of ten customers."""
    return f"{ref or f'E-{number}'},C-{number % 10},policy,household,{ends_on},{value},PLN"


def endings(count: int, **says: str) -> list[str]:
    """So many lines."""
    return [ending(number, **says) for number in range(count)]


@pytest.fixture
def imported(installation: Any, tmp_path: Path) -> Importing:
    """`imported(*lines)`: import these lines as a CSV of entitlements, or of another data set."""

    def run(
        *lines: str | bytes, header: str = ENTITLEMENTS, data_set: str = "entitlements", name: str = "", **more: Any
    ) -> BatchReport:
        file = tmp_path / (name or f"{data_set}.csv")
        whole = [line if isinstance(line, bytes) else line.encode() for line in (header, *lines)]
        file.write_bytes(b"\n".join(whole) + b"\n")
        source = Source(file, DataSet(data_set), **more)
        return import_batch(installation.database, installation.policy, source, clock=installation.clock)

    return run


@pytest.fixture
def people(imported: Importing) -> None:
    """Ten customers, C-0 to C-9."""
    lines = [f"C-{number},Europe/Prague" for number in range(10)]
    assert imported(*lines, header="ref,time_zone", data_set="customers").accepted == 10


def counts(report: BatchReport) -> tuple[int, int, int]:
    """Accepted, known, quarantined."""
    return report.accepted, report.known, report.quarantined


def books(installation: Any) -> dict[str, list[Any]]:
    """Everything but the verdicts."""
    return {table: installation.rows(table) for table in BOOKS}


def failed(report: BatchReport) -> list[str]:
    """The checks that said no."""
    return [one["check"] for one in report.gate["findings"] if not one["passed"]]


@pytest.mark.usefixtures("people")
def test_a_first_batch_has_nothing_to_be_compared_with_and_passes(imported: Importing, installation: Any) -> None:
    report = imported(*endings(20))
    assert (counts(report), report.gate["verdict"], failed(report)) == ((20, 0, 0), "pass", [])
    first = installation.rows("entitlements")[0]
    assert (first.ref, first.ends_on, first.value_minor, first.currency) == ("E-0", date(2026, 12, 31), 12_990, "PLN")
    assert (first.occurrence, first.time_zone, first.gate_id) == ("2026-12-31", "Europe/Prague", report.gate["id"])


@pytest.mark.usefixtures("people")
def test_the_same_bytes_again_change_nothing_and_have_no_second_gate(imported: Importing, installation: Any) -> None:
    first = imported(*endings(20), ending(21, ends_on="soon"))
    before = books(installation), installation.rows("gates")
    again = imported(*endings(20), ending(21, ends_on="soon"))
    assert (counts(again), again.gate["id"]) == ((0, 20, 1), first.gate["id"])
    assert (books(installation), installation.rows("gates")) == before


@pytest.mark.usefixtures("people")
def test_half_of_the_volume_missing_halts_and_changes_nothing(imported: Importing, installation: Any) -> None:
    imported(*endings(20))
    before = books(installation)
    report = imported(*endings(10, ends_on="2027-12-31"), name="entitlements-2026-03-05.csv")
    assert (counts(report), report.gate["verdict"], failed(report)) == ((0, 0, 0), "halt", ["enough rows"])
    assert books(installation) == before
    assert report.in_words() == (
        "Are there as many rows as usual? No: 10 rows; expected: at least 14 rows (70% of 20, the last accepted "
        "batch). Ask whoever sends the file whether it is complete."
    )


@pytest.mark.usefixtures("people")
def test_volume_is_compared_with_the_median_of_the_last_accepted_batches(imported: Importing) -> None:
    for count in (20, 30, 100, 24, 22, 26):
        assert not imported(*endings(count)).is_halted
    # 26 of the last five, whatever the one before them had; what is halted is no history.
    assert imported(*endings(18)).is_halted
    report = imported(*endings(19))
    assert report.gate["verdict"] == "pass"
    assert report.gate["findings"][0]["expected"] == (
        "at least 19 rows (70% of 26, the median of the last 5 accepted batches)"
    )


@pytest.mark.usefixtures("people")
def test_twice_the_volume_is_a_warning_and_is_taken(imported: Importing) -> None:
    imported(*endings(20))
    report = imported(*endings(40))
    assert (counts(report), report.gate["verdict"]) == ((20, 20, 0), "pass_with_warnings")
    assert failed(report) == ["not too many rows"]


@pytest.mark.usefixtures("people")
def test_a_feed_is_compared_with_itself_only(imported: Importing) -> None:
    imported(*endings(20), feed="insurance")
    assert imported(*endings(2), feed="phones").gate["verdict"] == "pass"
    assert imported(*endings(3), feed="insurance").is_halted


@pytest.mark.usefixtures("people")
def test_more_broken_rows_than_policy_allows_halt_and_none_is_lost(imported: Importing, installation: Any) -> None:
    lines = [*endings(18), ending(18, ends_on="soon"), ending(19, value="a lot")]
    report = imported(*lines)
    assert (counts(report), failed(report)) == ((0, 0, 0), ["rows fit their contract"])
    assert [bad["line"] for bad in report.bad] == [20, 21]  # the file keeps them
    assert installation.rows("quarantine") == installation.rows("entitlements") == []


@pytest.mark.usefixtures("people")
def test_bad_rows_of_a_batch_that_passes_are_kept_byte_for_byte(imported: Importing, installation: Any) -> None:
    lines: list[str | bytes] = [*endings(60)]
    bad = [b"E-x,C-1,policy,caf\xe9,2026-12-31,1.00,PLN", b'E-y,C-1,policy,"say "no"",2026-12-31,1.00,PLN', b"E-z,C-1"]
    lines[10:10], lines[20:20], lines[30:30] = [bad[0]], [bad[1]], [bad[2]]
    report = imported(*lines)
    assert counts(report) == (60, 0, 3)
    kept = installation.rows("quarantine")
    assert [row.body for row in kept] == [one + b"\n" for one in bad]
    assert [row.origin for row in kept] == ["entitlements.csv:12", "entitlements.csv:22", "entitlements.csv:32"]
    assert kept[0].layout == {
        "contract": "entitlements",
        "csv": {"columns": ENTITLEMENTS.split(","), "separator": ","},
        "feed": "entitlements",
    }


@pytest.mark.usefixtures("people")
def test_one_bad_row_never_stops_a_small_batch(imported: Importing, installation: Any) -> None:
    assert counts(imported(ending(1), ending(2, ends_on="soon"))) == (1, 0, 1)
    assert installation.rows("quarantine")[0].problems[0]["path"] == "ends_on"


@pytest.mark.usefixtures("people")
def test_a_customer_nobody_knows_and_a_currency_without_rate_wait_for_a_person(
    imported: Importing, installation: Any
) -> None:
    lines = [*endings(40), "E-a,C-99,policy,car,2026-12-31,1.00,PLN", "E-b,C-1,policy,car,2026-12-31,1.00,XAU"]
    assert counts(imported(*lines)) == (40, 0, 2)
    problems = [row.problems[0] for row in installation.rows("quarantine")]
    assert [one["path"] for one in problems] == ["customer_ref", "currency"]
    assert all(one["problem"] and one["fix"] for one in problems)


@pytest.mark.usefixtures("people")
def test_many_unknown_customers_halt(imported: Importing) -> None:
    report = imported(*endings(10), *(f"E-a{n},C-99,policy,car,2026-12-31,1.00,PLN" for n in range(5)))
    assert failed(report) == ["customers are known"]


@pytest.mark.usefixtures("people")
def test_a_ref_on_lines_that_differ_lets_neither_in(imported: Importing, installation: Any) -> None:
    report = imported(*endings(60), ending(1, ends_on="2027-12-31"), ending(2))
    assert counts(report) == (59, 1, 2)  # E-1 is not taken, E-2 is there twice word for word
    assert "E-1" not in {row.ref for row in installation.rows("entitlements")}
    assert [row.origin for row in installation.rows("quarantine")] == ["entitlements.csv:3", "entitlements.csv:62"]
    assert (report.gate["verdict"], failed(report)) == ("pass_with_warnings", ["refs are unique"])


@pytest.mark.usefixtures("people")
def test_a_file_in_which_everything_has_ended_is_old(imported: Importing) -> None:
    assert failed(imported(*endings(20, ends_on="2025-12-31"))) == ["something is yet to end"]


@pytest.mark.usefixtures("people")
def test_values_that_are_gone_are_a_warning(imported: Importing) -> None:
    imported(*endings(20))
    report = imported(*endings(20, value=""))
    assert (report.gate["verdict"], failed(report)) == ("pass_with_warnings", ["values are filled in"])


@pytest.mark.usefixtures("people")
def test_an_old_file_would_put_back_what_changed_and_halts(imported: Importing, installation: Any) -> None:
    imported(*endings(20), name="entitlements-1.csv")
    imported(*endings(20, ends_on="2027-12-31"), name="entitlements-2.csv")
    report = imported(*endings(20), name="entitlements-1.csv")
    assert (report.is_halted, failed(report)) == (True, ["not an old file"])
    assert {row.ends_on for row in installation.rows("entitlements")} == {date(2027, 12, 31)}


@pytest.mark.usefixtures("people")
def test_a_person_lets_exactly_the_halted_bytes_through(imported: Importing, installation: Any) -> None:
    imported(*endings(20))
    halted = imported(*endings(10, ends_on="2027-12-31"))
    approve_gate(installation.database, halted.gate["id"], EWA)
    assert imported(*endings(9, ends_on="2027-12-31")).is_halted  # other bytes

    report = imported(*endings(10, ends_on="2027-12-31"))
    assert (counts(report), report.gate["verdict"]) == ((10, 0, 0), "pass_with_warnings")
    assert report.gate["approved_by"] == "Ewa Lis"
    gate = installation.rows("gates")[-1]
    assert (gate.approved_by, gate.approved_reason) == (EWA.name, EWA.reason)


@pytest.mark.usefixtures("people")
def test_an_approval_is_for_once(imported: Importing, installation: Any) -> None:
    imported(*endings(20))
    halted = imported(*endings(10))
    approve_gate(installation.database, halted.gate["id"], EWA)
    assert not imported(*endings(10)).is_halted
    assert not imported(*endings(12, ends_on="2027-12-31")).is_halted
    assert imported(*endings(10)).is_halted


@pytest.mark.usefixtures("people")
def test_what_cannot_be_approved(imported: Importing, installation: Any) -> None:
    passed, halted = imported(*endings(20)).gate["id"], imported(*endings(10)).gate["id"]
    for gate_id, who, why in (
        (passed, EWA, "halted nothing"),
        (99, EWA, "there is no gate 99"),
        (2**70, EWA, "there is no gate"),
        (halted, Approver("", "x"), "who you are"),
        (halted, Approver("Ewa", " "), "a reason is missing"),
    ):
        with pytest.raises(CannotApprove, match=why):
            approve_gate(installation.database, gate_id, who)
    approve_gate(installation.database, halted, EWA)
    with pytest.raises(CannotApprove, match=r"approved gate \d+ already"):
        approve_gate(installation.database, halted, EWA)


@pytest.mark.usefixtures("people")
def test_purchases_are_taken_and_an_old_file_of_them_is_not(imported: Importing, installation: Any) -> None:
    def bought(*days: str) -> BatchReport:
        lines = [f"P-{day},C-1,coffee,{day},2.5,129.90,PLN" for day in days]
        return imported(*lines, header=PURCHASES, data_set="purchases")

    assert counts(bought("2026-03-03", "2026-02-01")) == (2, 0, 0)
    [_, first] = installation.rows("purchases")
    assert (first.ref, first.quantity, first.amount_minor, first.is_supply) == ("P-2026-03-03", 2.5, 12_990, True)
    rules = installation.policy.gates.data_sets[DataSet.PURCHASES]
    assert rules.newest_within_days == 14
    assert failed(bought("2026-02-02", "2026-02-03")) == ["purchases are recent"]
    assert counts(bought("2026-03-04", "2026-03-09")) == (1, 0, 1)  # one is not bought yet
    assert installation.rows("quarantine")[0].problems[0]["path"] == "bought_on"


@pytest.mark.usefixtures("people")
def test_last_nights_export_does_not_undo_what_an_event_told_this_morning(
    imported: Importing, installation: Any
) -> None:
    header = f"{ENTITLEMENTS},changed_at"
    seven, eleven = "2026-03-04T06:00:00Z", "2026-03-04T10:00:00.5Z"
    imported(f"{ending(1, ends_on='2027-12-31')},{eleven}", header=header, name="events.csv")
    nightly = imported(f"{ending(1)},{seven}", f"{ending(2)},{seven}", header=header, name="nightly.csv")
    assert (counts(nightly), nightly.outdated) == ((1, 1, 0), 1)
    assert nightly.known_in_words() == "1 known already, 1 of them outdated"
    first, second = installation.rows("entitlements")
    assert (first.ends_on, second.ends_on) == (date(2027, 12, 31), date(2026, 12, 31))


@pytest.mark.usefixtures("people")
def test_what_is_said_to_be_so_since_next_week_waits_for_a_person(imported: Importing, installation: Any) -> None:
    lines = (f"{ending(1)},2026-03-11T12:00:00Z", f"{ending(2)},2026-03-04T12:00:00+01:00", f"{ending(3)},")
    report = imported(*lines, header=f"{ENTITLEMENTS},changed_at")
    assert counts(report) == (2, 0, 1)
    assert report.bad[0]["problems"][0]["path"] == "changed_at"
    assert [row.ref for row in installation.rows("entitlements")] == ["E-2", "E-3"]


def test_what_a_customer_is_worth_and_their_tier_are_kept_as_stated(imported: Importing, installation: Any) -> None:
    header = "ref,tier,ltv,ltv_currency"
    imported("C-1,vip,1000.00,PLN", "C-2,,,", header=header, data_set="customers")
    stated, counted = installation.rows("customers")
    rate = installation.policy.value.rates["PLN"]
    assert (stated.ltv_minor, stated.is_ltv_stated, stated.is_tier_stated) == (round(100_000 * rate), True, True)
    assert (counted.ltv_minor, counted.is_ltv_stated, counted.is_tier_stated, counted.tier) == (
        None, False, False, "basic")  # fmt: skip
    assert stated.gate_id == counted.gate_id == installation.rows("gates")[0].id
    imported("C-1,,,", "C-2,basic,,", header=header, data_set="customers")
    stated, counted = installation.rows("customers")
    assert (stated.tier, stated.is_tier_stated, counted.is_tier_stated) == ("vip", True, True)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("ending_of_name", ["csv", "jsonl", "parquet"])
def test_every_kind_of_file_says_the_same(installation: Any, tmp_path: Path, ending_of_name: str) -> None:
    table = pl.DataFrame(
        {
            "ref": ["E-1", "E-2"],
            "customer_ref": ["C-1", "C-2"],
            "kind": ["subscription", "supply"],
            "product": ["ženeva", "toner, black"],
            "ends_on": [date(2026, 12, 31), date(2026, 6, 1)],
            "auto_renews": [True, False],
            "value": [129.9, None],
            "currency": ["EUR", None],
            "bought_on": [None, date(2026, 3, 1)],
            "changed_at": [None, datetime(2026, 3, 1, 10, 59, 58, tzinfo=UTC)],
        }
    )
    file = tmp_path / f"entitlements.{ending_of_name}"
    if ending_of_name == "parquet":
        table.write_parquet(file)
    elif ending_of_name == "csv":
        table.write_csv(file)
    else:
        file.write_text("\n".join(json.dumps(row, default=str) for row in table.to_dicts()), encoding="utf-8")
    source = Source(file, DataSet.ENTITLEMENTS)
    report = import_batch(installation.database, installation.policy, source, clock=installation.clock)
    assert (counts(report), report.bad) == ((2, 0, 0), [])
    first, second = installation.rows("entitlements")
    assert (first.value_minor, first.currency, first.auto_renews) == (12_990, "EUR", True)
    assert (second.product, second.value_minor, second.occurrence) == ("toner, black", None, "after-2026-03-01")


class Died(BaseException):
    """The process is gone."""


@pytest.fixture
def dying() -> Iterator[Callable[[str, int], None]]:
    """`dying("import-apply.written", 2)`: the process dies when it is there the second time."""

    def die(place: str, time: int) -> None:
        left = [time]

        def watcher(reached: str) -> None:
            left[0] -= reached == place
            if left[0] == 0:
                crash_points.watch(None)
                raise Died

        crash_points.watch(watcher)

    yield die
    crash_points.watch(None)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("place", "time"),
    [
        ("import-gate.written", 1),
        ("import-gate.committed", 1),
        ("import-quarantine.written", 1),
        ("import-quarantine.committed", 1),
        ("import-apply.written", 2),
        ("import-apply.committed", 2),
    ],
)
def test_whoever_dies_halfway_is_made_good_by_the_same_bytes(
    imported: Importing, installation: Any, dying: Any, place: str, time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.importing._HOLD_SECONDS", 0.0)  # small pages
    lines = [*endings(400), *(ending(number, ends_on="soon") for number in range(400, 410))]
    dying(place, time)
    with pytest.raises(Died):
        imported(*lines)

    report = imported(*lines)

    assert report.quarantined == 10
    assert report.accepted + report.known == 400
    entitled = installation.rows("entitlements")
    assert len({row.ref for row in entitled}) == len(entitled) == 400
    assert {row.version for row in entitled} == {1}
    assert len(installation.rows("quarantine")) == 10
    assert {row.gate_id for row in entitled} == {row.id for row in installation.rows("gates")[1:]}


@pytest.mark.usefixtures("people")
def test_a_long_file_is_many_short_transactions(
    imported: Importing, installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    write = installation.database.write
    monkeypatch.setattr(installation.database, "write", lambda name: begun.append(name) or write(name))
    monkeypatch.setattr("services.importing._HOLD_SECONDS", 0.0)
    imported(*endings(1000))
    assert begun.count("import-apply") > 10


def test_a_verdict_is_written_before_anything_is_done(
    imported: Importing, installation: Any, dying: Any, people: None
) -> None:
    dying("import-gate.committed", 1)
    with pytest.raises(Died):
        imported(*endings(5))
    assert installation.rows("gates")[-1].verdict == GateVerdict.PASS
    assert installation.rows("entitlements") == []


@pytest.mark.usefixtures("people")
def test_the_story_of_a_verdict_has_its_history_as_a_chart_and_nothing_of_a_row(
    imported: Importing, installation: Any
) -> None:
    imported(*endings(20))
    installation.clock.go(hours=24)
    report = imported(*endings(10, ends_on="2027-12-31"))
    story = story_of(
        installation.database, report, name="entitlements.csv", compared_with=5, gateway_url="http://here/"
    )  # fmt: skip
    assert "# entitlements from entitlements: halted: nothing of it was taken" in story
    assert "2026-03-04 11:00  ██████████████████████████████  20\nthis one          ███████████████" in story
    assert f"handrail gates approve {report.gate['id']} --by NAME" in story
    assert "E-1" not in story
    assert "household" not in story
    [first, *_] = as_table(report.gate["findings"])
    assert (first["question"], first["answer"]) == ("Are there as many rows as usual?", "no: halts")


def test_a_bar_is_as_long_as_its_share() -> None:
    assert volume_chart([("a", 100), ("b", 0), ("this", 50)]).splitlines() == [
        "a     ██████████████████████████████  100",
        "b                                     0",
        "this  ███████████████                 50",
    ]
