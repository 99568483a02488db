"""Gates: what a batch of imported data must pass before anything is done because of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil, floor
from statistics import median


class DataSet(StrEnum):
    """What is imported through a gate."""

    CUSTOMERS = "customers"
    ENTITLEMENTS = "entitlements"
    PURCHASES = "purchases"


class GateVerdict(StrEnum):
    """What a gate says of a batch as a whole."""

    PASS = "pass"  # noqa: S105 - no password
    WARNINGS = "pass_with_warnings"
    HALT = "halt"  # nothing of the batch is taken

    @property
    def lets_through(self) -> bool:
        """True when the batch may be taken, and acted on."""
        return self is not GateVerdict.HALT


@dataclass(frozen=True, slots=True)
class GateRules:
    """The numbers that a data set's suite is judged with (the suites are in data_contracts/suites/)."""

    compared_with: int  # how many of the feed's last accepted batches a new one is compared with
    volume_at_least: float  # share of their median volume; less halts
    volume_at_most: float  # more than this share is a warning
    broken_at_most: float  # share of rows that may break the row contract; more halts
    shares_fall_at_most: float  # a share (of filled cells, say) may be so much lower than usual; lower is a warning
    newest_within_days: int | None  # the newest row is at most so old, else halt; None: the data has no such date
    stale_after_hours: int  # since the feed's last accepted batch: then nothing more is done because of it

    def __post_init__(self) -> None:
        if self.compared_with < 1 or self.stale_after_hours < 1:
            raise ValueError("compared_with and stale_after_hours must be 1 or more")
        if not 0 <= self.volume_at_least <= 1 <= self.volume_at_most:
            raise ValueError("volume_at_least lies between 0 and 1, volume_at_most is 1 or more")
        if not 0 <= self.broken_at_most < 1:
            raise ValueError("broken_at_most is a share, from 0 to below 1")
        if not 0 <= self.shares_fall_at_most <= 1:
            raise ValueError("shares_fall_at_most is a share, from 0 to 1")


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """The gates of all data sets."""

    data_sets: Mapping[DataSet, GateRules]
    events_stale_after_hours: int  # since a source's last event, where the data comes by webhook

    def __post_init__(self) -> None:
        missing = [word for word in DataSet if word not in self.data_sets]
        if missing:
            raise ValueError(f"data_sets says nothing for {', '.join(missing)}")

    def stale_after(self, data_set: DataSet, *, is_events: bool) -> timedelta:
        """How long a feed's last accepted batch is good for."""
        hours = self.events_stale_after_hours if is_events else self.data_sets[data_set].stale_after_hours
        return timedelta(hours=hours)


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate an action's data came through, and when its feed last passed one."""

    id: int
    data_set: DataSet
    verdict: GateVerdict
    is_events: bool
    last_passed_at: datetime  # when a whole batch of its feed last did, or this one where none ever has

    @property
    def feed(self) -> str:
        """What comes through it, in words."""
        return f"{self.data_set} told by events" if self.is_events else f"imported {self.data_set}"

    def is_stale(self, policy: GatePolicy, *, now: datetime) -> bool:
        """True when nobody has brought its data anew for longer than policy allows."""
        return now - self.last_passed_at > policy.stale_after(self.data_set, is_events=self.is_events)


@dataclass(frozen=True, slots=True)
class Measures:
    """What a batch is remembered by."""

    rows: int
    shares: Mapping[str, float]  # by name: of filled cells, of active ones


@dataclass(frozen=True, slots=True)
class Bound:
    """A number that a batch is judged with, and where it comes from."""

    number: float
    why: str


_NOTHING_TO_COMPARE = "there is no accepted batch to compare with"
_SHARE = "_share_at_least"


ANYTHING = 1e15
"""More than anything counted here, where there is no bound."""


def bounds(names: Sequence[str], rules: GateRules, history: Sequence[Measures], *, rows: int) -> dict[str, Bound]:
    """The numbers that a suite asks for by these names, for a batch of so many rows.

    `history`: the feed's last accepted batches, as many as count; without any a bound lets everything through but an
    empty batch. One row may always be broken: that of a small batch does not stop the others. Raises KeyError for a
    name nobody knows.
    """
    return {name: _bound(name, rules, history, rows) for name in names}


def _bound(name: str, rules: GateRules, history: Sequence[Measures], rows: int) -> Bound:
    if name == "fits_at_least":
        one_row = max(rows - 1, 0) / max(rows, 1)  # as the share is worked out: 1 - 1/3 is a little more than 2/3
        return Bound(min(1 - rules.broken_at_most, one_row), f"all but {rules.broken_at_most:.0%}, or one row")
    if name == "newest_within_days":
        days = rules.newest_within_days
        return Bound(ANYTHING, "any age will do") if days is None else Bound(days, "by policy")
    if name in {"volume_at_least", "volume_at_most"}:
        return _volume(rules, history, at_least=name == "volume_at_least")
    if not name.endswith(_SHARE):
        raise KeyError(name)
    known = [one.shares[what] for one in history if (what := name.removesuffix(_SHARE)) in one.shares]
    if not known:
        return Bound(0.0, _NOTHING_TO_COMPARE)
    usual = median(known)
    return Bound(max(0.0, usual - rules.shares_fall_at_most), f"usually {usual:.1%}")


def _volume(rules: GateRules, history: Sequence[Measures], *, at_least: bool) -> Bound:
    if not history:
        return Bound(1 if at_least else ANYTHING, _NOTHING_TO_COMPARE)
    usual = median(one.rows for one in history)
    share = rules.volume_at_least if at_least else rules.volume_at_most
    batches = f"the last {len(history)} accepted batches" if len(history) > 1 else "the last accepted batch"
    what = f"the median of {batches}" if len(history) > 1 else batches
    rows = round(usual * share, 6)  # 0.7 * 20 is a little more than 14
    return Bound(max(1, ceil(rows) if at_least else floor(rows)), f"{share:.0%} of {usual:,.0f}, {what}")


def verdict_of(*, critical: int, warnings: int) -> GateVerdict:
    """The verdict, from how many critical checks and how many others failed."""
    if critical:
        return GateVerdict.HALT
    return GateVerdict.WARNINGS if warnings else GateVerdict.PASS


_DATES = re.compile(r"(?:[\W_]+|\A)\d[\dTZ.:_-]*|\d{4,}[\dTZ.:_-]*")


def feed_of(file_name: str, data_set: DataSet) -> str:
    """What a file that comes again and again is called, without its dates and ending.

    >>> feed_of("entitlements-2026-11-28.csv", DataSet.ENTITLEMENTS)
    'entitlements'
    >>> feed_of("20261128.csv", DataSet.PURCHASES)
    'purchases'
    """
    stem = re.sub(r"\.\w+\Z", "", file_name)
    return _DATES.sub("", stem).strip(" -_.") or data_set.value
