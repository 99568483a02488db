"""Whose a text is, and what is taken out of one that stays."""

import pytest

from domain.customers import Customer
from domain.erasure import Known, blanked, erasure_key

KNOWN = Known.of(Customer("c-1042", name="Ewa Lis", email="Ewa@Lis.pl ", phone="+48600123987"))


@pytest.mark.parametrize(
    ("field", "value", "is_theirs"),
    [
        ("data.customer.ref", "c-1042", True),
        ("anything", " c-1042 ", True),
        ("data.customer.ref", "c-10421", False),
        ("data.comment", "about c-1042", False),  # somebody else may speak of them
        ("x", "EWA@lis.PL", True),
        ("x", "Ewa <ewa@lis.pl>, again", True),
        ("phone", "600 123 987", True),
        ("phone", "0048 (600) 123-987", True),
        ("phone", "600 123 988", False),
        ("name", "Ewa Lis", False),
    ],
)
def test_a_field_is_theirs_by_ref_and_address_not_by_a_name(field: str, value: str, is_theirs: bool) -> None:
    assert KNOWN.is_about([("other", "x"), (field, value)]) is is_theirs


@pytest.mark.parametrize(("field", "is_theirs"), [("customer_ref", True), ("data.user", True), ("score", False)])
def test_a_short_ref_is_one_only_where_a_field_says_so(field: str, is_theirs: bool) -> None:
    assert Known("7").is_about([(field, "7")]) is is_theirs


def test_nobody_without_an_address_owns_everything() -> None:
    nobody = Known.of(Customer("c-1042", email="", phone=" "))
    assert not nobody.is_about([("x", ""), ("phone", "+48 600 123 987"), ("y", "a@b.pl")])


def test_a_name_makes_it_worth_a_look() -> None:
    assert KNOWN.may_be_about("… EWA LIS wrote")
    assert not KNOWN.may_be_about("Ewa Listowska wrote")
    assert not Known("c-1", name="Jo").may_be_about("John")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("550 <ewa@lis.pl> unknown", "550 <[erased]> unknown"),
        (
            "for EWA LIS: call +48 600 123 987 by 2026-03-04 15:00 UTC",
            "for [erased]: call [erased] by 2026-03-04 15:00 UTC",
        ),
        ("another@example.com bounced", "[erased] bounced"),
        ("tact lock: bereavement", "tact lock: [erased]"),
        ("nps 2 of c-1042, attempt 3 of 5", "nps 2 of c-1042, attempt 3 of 5"),
        ("the vendor's rate", "the vendor's rate"),
    ],
)
def test_texts_stay_without_the_person(text: str, left: str) -> None:
    assert KNOWN.taken_out_of(text) == left


def test_a_payload_keeps_its_kind_and_loses_its_params() -> None:
    letter = {"schema": "letter/1", "template": "t", "template_hash": "h", "params": {"name": "Ewa"}}
    assert blanked(letter) == {**letter, "params": {}}
    thin = {"schema": "journey-step/1", "params": {"step": "welcome"}}
    assert blanked(thin) == thin


def test_one_request_an_integration() -> None:
    assert erasure_key("a/b", "crm via hubspot") == "customer/a%2Fb/erasure/crm via hubspot"
