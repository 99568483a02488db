"""What the scenes of endings play on: the example files, written for today, and what must come of them."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from domain.entitlements import EntitlementKind, occurrence_after, occurrence_of
from domain.policy import Policy
from handrail.demo_dates import moved
from handrail.demo_night import noon_zone
from services.settings import ROOT

EXAMPLES = ROOT / "examples"

AWAKE = "2201"
"""A customer added to the examples, for whom it is noon and who likes to be called: the one whose phone rings."""

RENEWS_MEANWHILE = "2202"
"""Another one, whose subscription is renewed between plan and send."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """Files as systems export them."""

    customers: Path
    entitlements: Path
    purchases: Path
    called: str
    """The ref of the subscription about which `AWAKE` is called."""


def write_feeds(directory: Path, now: datetime) -> Feeds:
    """Write the examples for today, with two more customers."""
    today = now.date()
    feeds = Feeds(
        customers=directory / f"shop-customers-{today}.csv",
        entitlements=directory / f"shop-entitlements-{today}.csv",
        purchases=directory / f"shop-purchases-{today}.csv",
        called=f"S-{AWAKE}",
    )
    place = noon_zone()
    people = _rows(EXAMPLES / "expiry-customers.csv")
    people.append(
        {"ref": AWAKE, "name": "Ewa Sikora", "phone": "+48000000401", "language": "pl", "time_zone": place}
        | {"tier": "core", "window_start": "09:00", "window_end": "19:00", "consent_reminders_voice": "yes"}
    )
    people.append(
        {"ref": RENEWS_MEANWHILE, "name": "Jan Kowal", "email": "jan.kowal@example.com", "language": "pl"}
        | {"time_zone": "Europe/Warsaw", "tier": "vip", "dedicated_agent": "Anna Lis"}
    )
    _write(feeds.customers, people)
    moved(EXAMPLES / "entitlements.csv", feeds.entitlements, today=today)
    moved(EXAMPLES / "purchases.csv", feeds.purchases, today=today)
    ends_on = now.astimezone(ZoneInfo(place)).date() + timedelta(days=10)
    called = {"ref": feeds.called, "customer_ref": AWAKE, "kind": "subscription", "product": "coffee club"}
    called |= {"ends_on": str(ends_on), "state": "active", "auto_renews": "no", "currency": "PLN", "value": "240.00"}
    _write(feeds.entitlements, [*_rows(feeds.entitlements), called])
    return feeds


def due(feeds: Feeds, policy: Policy, now: datetime) -> set[tuple[str, str]]:
    """Ref and occurrence of what is about to end, counted from the file and nothing else."""
    zones = {row["ref"]: row["time_zone"] for row in _rows(feeds.customers)}
    found = set()
    for row in _rows(feeds.entitlements):
        kind, ends_on = EntitlementKind(row["kind"]), date.fromisoformat(row["ends_on"])
        place = ZoneInfo(zones[row["customer_ref"]] or policy.default_time_zone)
        days_left = (ends_on - now.astimezone(place).date()).days
        if row["state"] != "active" or row["auto_renews"] == "yes":
            continue
        if 0 <= days_left <= policy.expiry.kinds[kind].horizons[0]:
            bought = row["bought_on"]
            found.add((row["ref"], occurrence_after(date.fromisoformat(bought)) if bought else occurrence_of(ends_on)))
    return found


def half(feeds: Feeds, now: datetime) -> Path:
    """The entitlements' next file, with half of its rows missing."""
    rows = _rows(feeds.entitlements)
    file = feeds.entitlements.with_name(f"shop-entitlements-{now.date() + timedelta(days=1)}.csv")
    _write(file, rows[: len(rows) // 2])
    return file


def broken(feeds: Feeds, now: datetime) -> tuple[Path, int]:
    """The purchases' next file, one row in a hundred broken by an export that writes amounts in words; how many are."""
    rows = _rows(feeds.purchases)
    for number, row in enumerate(rows):
        row["ref"] = f"{row['ref']}-b"
        row["amount"] = row["amount"] if number % 100 else f"{row['amount']} {row['currency'].lower()} only"
    file = feeds.purchases.with_name(f"shop-purchases-{now.date() + timedelta(days=1)}.csv")
    _write(file, rows)
    return file, len(range(0, len(rows), 100))


def corrected(row: str) -> str:
    """One of those rows as it was meant."""
    words = row.split(",")
    return ",".join(word.split(" ")[0] if word.endswith(" only") else word for word in words)


def renewing(now: datetime, *, renewed: bool) -> Mapping[str, object]:
    """How the subscription of `RENEWS_MEANWHILE` stands: it ends in three weeks, or a year later."""
    ends_on = now.date() + timedelta(days=20 + (365 if renewed else 0))
    return {
        "ref": f"S-{RENEWS_MEANWHILE}",
        "customer_ref": RENEWS_MEANWHILE,
        "kind": "subscription",
        "product": "coffee club",
        "ends_on": str(ends_on),
        "value_minor": 90_000,
        "currency": "PLN",
        "changed_at": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
    }


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as read:
        return list(csv.DictReader(read))


def _write(file: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as written:
        writer = csv.DictWriter(written, fieldnames=list(rows[0]), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
