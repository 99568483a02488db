"""Row contracts of data sets: what one row may be, and that many at once are judged and read as each by itself."""

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts import customers, entitlements, purchases
from data_contracts.problems import ContractBroken
from data_contracts.row_contracts import RowContract

pytestmark = pytest.mark.slow  # many examples

ENTITLEMENT = {
    "ref": "E-1",
    "customer_ref": "C-1",
    "kind": "policy",
    "product": "household",
    "ends_on": "2026-12-31",
    "time_zone": "Europe/Prague",
    "state": "active",
    "auto_renews": "no",
    "currency": "CZK",
    "value": "1290.50",
    "bought_on": "",
    "changed_at": "2026-03-01T10:59:58.25+01:00",
}
PURCHASE = {
    "ref": "P-1",
    "customer_ref": "C-1",
    "product": "coffee",
    "bought_on": "2026-03-01",
    "quantity": "2",
    "currency": "PLN",
    "amount": "129.90",
    "is_supply": "yes",
}
CUSTOMER = {
    "ref": "C-1",
    "name": "Anna Żak",
    "email": "anna@example.com",
    "phone": "+48 601 234 567",
    "language": "pl",
    "time_zone": "Europe/Warsaw",
    "tier": "vip",
    "preferred_channel": "sms",
    "window_start": "9:00",
    "window_end": "17:30",
    "dedicated_agent": "Ola",
    "ltv_currency": "KWD",
    "ltv": "10.125",
    "consent_onboarding_mail": "yes",
    "consent_reminders_sms": "No",
}
GOOD: list[tuple[RowContract, Mapping[str, str]]] = [
    (entitlements.CONTRACT, ENTITLEMENT),
    (purchases.CONTRACT, PURCHASE),
    (customers.CONTRACT, CUSTOMER),
]
OF_EACH = pytest.mark.parametrize(("contract", "good"), GOOD, ids=["entitlements", "purchases", "customers"])


def by_itself(contract: RowContract, row: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        return contract.read(row)
    except ContractBroken:
        return None


def many_at_once(contract: RowContract, rows: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    names = sorted({name for row in rows for name in row})
    table = pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in names}, schema=dict.fromkeys(names, pl.String)
    )
    return [row if row.pop("fits") else None for row in contract.read_all(table).iter_rows(named=True)]


@OF_EACH
def test_the_fixture_is_good(contract: RowContract, good: Mapping[str, str]) -> None:
    assert by_itself(contract, good) is not None


def test_an_entitlement_is_read() -> None:
    assert entitlements.CONTRACT.read(ENTITLEMENT) == {
        "ref": "E-1",
        "customer_ref": "C-1",
        "kind": "policy",
        "product": "household",
        "ends_on": date(2026, 12, 31),
        "time_zone": "Europe/Prague",
        "state": "active",
        "auto_renews": False,
        "currency": "CZK",
        "value": 129_050,
        "bought_on": None,
        "changed_at": datetime(2026, 3, 1, 9, 59, 58, 250_000, UTC),
    }


def test_what_an_entitlement_does_not_say_has_its_default() -> None:
    required = {name: ENTITLEMENT[name] for name in entitlements.CONTRACT.columns.required}
    read = entitlements.CONTRACT.read(required)
    assert (read["state"], read["auto_renews"], read["value"], read["time_zone"]) == ("active", False, None, None)
    assert entitlements.CONTRACT.read({**dict.fromkeys(ENTITLEMENT, ""), **required}) == read


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [
        ("PLN", "129.90", 12_990),
        ("PLN", "129.9", 12_990),
        ("PLN", "0", 0),
        ("JPY", "1500", 1500),
        ("JPY", "1500.00", 1500),
        ("KWD", "10.125", 10_125),
        ("EUR", 129.9, 12_990),
        ("EUR", 129, 12_900),
    ],
)
def test_amounts_are_read_by_the_decimals_of_their_currency(currency: str, amount: object, minor: int) -> None:
    assert purchases.CONTRACT.read({**PURCHASE, "currency": currency, "amount": amount})["amount"] == minor


MISTAKES = [
    (entitlements.CONTRACT, ENTITLEMENT, {"ref": ""}, "ref", "is empty"),
    (entitlements.CONTRACT, ENTITLEMENT, {"customer_ref": "a\nb"}, "customer_ref", "control character"),
    (entitlements.CONTRACT, ENTITLEMENT, {"kind": "polcy"}, "kind", '(did you mean "policy"?)'),
    (entitlements.CONTRACT, ENTITLEMENT, {"ends_on": "31.12.2026"}, "ends_on", "is not a date"),
    (entitlements.CONTRACT, ENTITLEMENT, {"ends_on": "20261231"}, "ends_on", "is not a date"),
    (entitlements.CONTRACT, ENTITLEMENT, {"ends_on": "2026-12-31 00:00:00"}, "ends_on", "is not a date"),
    (entitlements.CONTRACT, ENTITLEMENT, {"ends_on": "2026-02-30"}, "ends_on", "is not on the calendar"),
    (entitlements.CONTRACT, ENTITLEMENT, {"ends_on": "9999-12-31"}, "ends_on", "lies outside 1970 to 2100"),
    (entitlements.CONTRACT, ENTITLEMENT, {"time_zone": "Europe/Warsav"}, "time_zone", "Europe/Warsaw"),
    (entitlements.CONTRACT, ENTITLEMENT, {"state": "ended"}, "state", 'is "ended"'),
    (entitlements.CONTRACT, ENTITLEMENT, {"auto_renews": "maybe"}, "auto_renews", "neither yes nor no"),
    (entitlements.CONTRACT, ENTITLEMENT, {"currency": "zł"}, "currency", "three capital letters"),
    (entitlements.CONTRACT, ENTITLEMENT, {"currency": ""}, "value", "has no currency"),
    (entitlements.CONTRACT, ENTITLEMENT, {"value": "-1"}, "value", "is below 0"),
    (entitlements.CONTRACT, ENTITLEMENT, {"value": "NaN"}, "value", "is not a number"),
    (entitlements.CONTRACT, ENTITLEMENT, {"value": "1e9"}, "value", "is not a number"),
    (entitlements.CONTRACT, ENTITLEMENT, {"value": "1,290.50"}, "value", "is not a plain number"),
    (entitlements.CONTRACT, ENTITLEMENT, {"value": "129,90"}, "value", "is not a plain number"),
    (entitlements.CONTRACT, ENTITLEMENT, {"value": "129.905"}, "value", "has more decimals than CZK"),
    (entitlements.CONTRACT, ENTITLEMENT, {"kind": "supply"}, "bought_on", "named by the purchase it follows"),
    (entitlements.CONTRACT, ENTITLEMENT, {"changed_at": "2026-03-01 10:59:58"}, "changed_at", "its offset from UTC"),
    (entitlements.CONTRACT, ENTITLEMENT, {"changed_at": "1.3.2026"}, "changed_at", "not an ISO 8601 time"),
    (entitlements.CONTRACT, ENTITLEMENT, {"product": "=1+1"}, "product", "spreadsheet formula"),
    (entitlements.CONTRACT, ENTITLEMENT, {"note": "=HYPERLINK(x)"}, "note", "spreadsheet formula"),
    (entitlements.CONTRACT, ENTITLEMENT, {"product": "a\0b"}, "product", "zero character"),
    (purchases.CONTRACT, PURCHASE, {"quantity": "0"}, "quantity", "is not more than 0"),
    (purchases.CONTRACT, PURCHASE, {"quantity": "-2"}, "quantity", "is not more than 0"),
    (purchases.CONTRACT, PURCHASE, {"quantity": "10000000"}, "quantity", "at most 1000000"),
    (purchases.CONTRACT, PURCHASE, {"amount": ""}, "amount", "is empty"),
    (purchases.CONTRACT, PURCHASE, {"amount": "-5.00"}, "amount", "is below 0"),
    (purchases.CONTRACT, PURCHASE, {"currency": "JPY"}, "amount", "has more decimals than JPY"),
    (customers.CONTRACT, CUSTOMER, {"ltv_currency": ""}, "ltv", "has no currency"),
    (customers.CONTRACT, CUSTOMER, {"window_end": ""}, "window_end", "half of a contact window"),
    (customers.CONTRACT, CUSTOMER, {"consent_reminders_sms": "maybe"}, "consent_reminders_sms", "neither yes nor no"),
]


@pytest.mark.parametrize(("contract", "good", "changes", "path", "said"), MISTAKES)
def test_a_mistake_is_named_and_found_among_many(
    contract: RowContract, good: Mapping[str, str], changes: dict[str, str], path: str, said: str
) -> None:
    with pytest.raises(ContractBroken) as caught:
        contract.read({**good, **changes})
    [problem] = caught.value.problems
    assert problem.path == path
    assert said in problem.problem
    assert problem.fix
    many = many_at_once(contract, [dict(good), {**good, **changes}, dict(good)])
    assert [row is None for row in many] == [False, True, False]


@OF_EACH
def test_a_column_that_is_not_there_is_an_empty_one(contract: RowContract, good: Mapping[str, str]) -> None:
    required = {name: good[name] for name in contract.columns.required}
    assert many_at_once(contract, [required]) == [by_itself(contract, required)] != [None]


BLANKS = st.sampled_from(["", " ", "\t", "\x1f", "\x85", "\u2003", "\u200b", "\xa0 "])
WORDS = st.sampled_from(
    [
        *("policy", "supply", "subscription", "Policy", "active", "cancelled", "vip", "basic", "mail", "sms"),
        *("yes", "No", "TRUE", "1", "0", "2", "maybe"),
        *("PLN", "JPY", "KWD", "pln", "XXX", "PL", "€"),
        *("0", "1", "-1", "129.90", "129.905", "1.", ".5", "1e3", "NaN", "inf", "1,5", "1 000", "٣", "1" * 13, "007"),
        *("2026-12-31", "2026-02-29", "2024-02-29", "1969-12-31", "2101-01-01", "2026-1-1"),
        *("２０２６-01-01", "0000-00-00"),
        *("2026-03-01T10:59:58Z", "2026-03-01T10:59:58.1234567+23:59", "2026-03-01T10:59:60Z", "2026-02-29T10:59:58Z"),
        *("2026-03-01T24:00:00Z", "2026-03-01T10:59:58+24:00", "2026-03-01T10:59:58-0530", "20260301T1059Z"),
        *("0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59.999999-01:00", "2026-03-01T10:59:58-00:00:30"),
        *("Europe/Warsaw", "europe/warsaw", "UTC", "localtime", "Etc/GMT+1", "../etc/passwd"),
        *("9:00", "09:00", "24:00", "17:30", "9", "09:00:00"),
        *("anna@example.com", "ANNA@Example.COM", "żaneta@příklad.cz", "a@b", "a@b.test", "a b@example.com"),
        *("+48601234567", "0048 601 234 567", "+48 (0) 601-234-567", "601", "pl", "cs-CZ", "pl_PL", "p"),
        *("=1+1", " =A1", "+48601|cmd", "-2+3", "@SUM(A1)", "=cmd|' /C calc'!A0", "\x1c=1+1", "a=b(c"),
        *("a\nb", "a\0b", "a\u2028b", "a\x85b", "x" * 200, "x" * 201, " " * 201, "a" + " " * 200),
        *("zażółć", "\u202eabc"),
    ]
)  # fmt: skip
CELLS = st.none() | BLANKS | WORDS | st.text(max_size=12) | st.builds("{}{}{}".format, BLANKS, WORDS, BLANKS)


@OF_EACH
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(data=st.data())
def test_many_at_once_are_judged_and_read_as_each_by_itself(
    contract: RowContract, good: Mapping[str, str], data: st.DataObject
) -> None:
    changes = st.dictionaries(st.sampled_from([*good, "note"]), CELLS, max_size=3)
    rows = [{**good, **data.draw(changes)} for _ in range(data.draw(st.integers(1, 6)))]
    assert many_at_once(contract, rows) == [by_itself(contract, row) for row in rows]


def test_every_blank_that_python_knows_is_taken_off() -> None:
    blanks = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    rows = [{**CUSTOMER, "name": f"{blank}Anna{blank}"} for blank in blanks]
    assert many_at_once(customers.CONTRACT, rows) == [by_itself(customers.CONTRACT, row) for row in rows]


@OF_EACH
@settings(max_examples=100)
@given(data=st.data())
def test_json_values_mean_the_same_as_their_text(
    contract: RowContract, good: Mapping[str, str], data: st.DataObject
) -> None:
    values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | CELLS
    row: dict[str, Any] = {**good, **data.draw(st.dictionaries(st.sampled_from(sorted(good)), values, max_size=3))}
    texts = contract.as_texts(row)
    if texts is not None:
        assert many_at_once(contract, [dict(texts)]) == [by_itself(contract, row)]


def test_a_column_of_the_family_that_is_none_is_never_let_be() -> None:
    assert [one.path for one in customers.CONTRACT.columns.check(["ref", "consent_x_y_z"])] == ["consent_x_y_z"]
    with pytest.raises(ContractBroken, match="no such column"):
        customers.CONTRACT.read({"ref": "C-1", "consent_x_y_z": None})
    assert customers.CONTRACT.as_texts({"ref": "C-1", "consent_x_y_z": None}) is None
