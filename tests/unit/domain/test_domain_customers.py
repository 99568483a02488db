"""What an event may add to a customer on file."""

from dataclasses import fields
from datetime import time

import pytest

from domain.actions import Capability
from domain.customers import Customer, Tier, choose_language, fill_blanks, primary_language
from domain.hours import ContactWindow

FULL = Customer(
    ref="C-1",
    name="Anna",
    email="anna@example.com",
    phone="+48601234567",
    language="pl",
    time_zone="Europe/Warsaw",
    tier=Tier.VIP,
    preferred_channel=Capability.SMS,
    window=ContactWindow(time(9), time(12)),
    dedicated_agent="Ola",
    tact_lock="bereavement",
)
EVENT = Customer("C-1", "Ania", "ania@example.org", "+420601234567", "cs", "Europe/Prague", Tier.CORE)


def test_what_is_on_file_wins() -> None:
    assert fill_blanks(FULL, EVENT) == FULL


def test_event_fills_blanks_and_nothing_else() -> None:
    on_file = Customer("C-1", email="anna@example.com", tier=Tier.VIP)
    filled = fill_blanks(on_file, EVENT)
    assert filled == Customer("C-1", "Ania", "anna@example.com", "+420601234567", "cs", "Europe/Prague", Tier.VIP)


def test_standing_and_wishes_never_come_from_an_event() -> None:
    filled = fill_blanks(Customer("C-1"), FULL)
    mine = {"ref", "name", "email", "phone", "language", "time_zone"}
    blank = Customer("C-1")
    others = [field.name for field in fields(blank) if field.name not in mine]
    assert all(getattr(filled, name) == getattr(blank, name) for name in others)


def test_erased_customer_stays_blank() -> None:
    erased = Customer("C-1", erased=True)
    assert fill_blanks(erased, EVENT) == erased


def test_another_customers_event_is_refused() -> None:
    with pytest.raises(ValueError, match="its own customer"):
        fill_blanks(FULL, Customer("C-2"))


@pytest.mark.parametrize(
    ("customer", "reachable"),
    [(Customer("C"), False), (Customer("C", email="a@example.com"), True), (Customer("C", phone="+48601234567"), True)],
)
def test_reachable(customer: Customer, reachable: bool) -> None:
    assert customer.is_reachable is reachable


@pytest.mark.parametrize(
    ("tag", "primary"), [("pl", "pl"), ("pl-PL", "pl"), ("PL_pl", "pl"), ("zh-Hant-TW", "zh"), (" cs ", "cs")]
)
def test_primary_language(tag: str, primary: str) -> None:
    assert primary_language(tag) == primary


@pytest.mark.parametrize(
    ("tags", "language"),
    [
        (("pl-PL",), "pl"),
        ((None, "cs"), "cs"),
        (("de", "cs"), "cs"),
        (("de",), "en"),
        ((None, ""), "en"),
        (("pl", "cs"), "pl"),
    ],
)
def test_first_language_we_write_in(tags: tuple[str | None, ...], language: str) -> None:
    assert choose_language(*tags, supported=("pl", "cs", "en"), default="en") == language
