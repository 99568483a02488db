"""The dates of example files, moved so that what they tell is about to happen."""

import csv
from datetime import date
from pathlib import Path

EXAMPLES_DAY = date(2026, 11, 30)
"""The day that examples/purchases.csv and examples/entitlements.csv are written for."""

_DATES = ("bought_on", "ends_on")


def moved(file: Path, to: Path, *, today: date) -> None:
    """Write a CSV of examples as if it had been written for `today`: every date of its rows so many days later.

    Distances between dates stay, so that estimates and days left come out the same on whatever day.
    """
    days = today - EXAMPLES_DAY
    with file.open(encoding="utf-8", newline="") as source, to.open("w", encoding="utf-8", newline="") as target:
        rows = csv.DictReader(source)
        writer = csv.DictWriter(target, rows.fieldnames or (), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            dates = {name: str(date.fromisoformat(row[name]) + days) for name in _DATES if row.get(name)}
            writer.writerow({**row, **dates})
