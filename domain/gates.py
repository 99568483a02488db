"""Gates: what a batch of imported data must pass before anything is done because of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


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
    newest_within_days: int | None  # the newest row is at most so old, else halt; None: the data has no such date
    stale_after_hours: int  # since the feed's last accepted batch: then nothing more is done because of it

    def __post_init__(self) -> None:
        if self.compared_with < 1 or self.stale_after_hours < 1:
            raise ValueError("compared_with and stale_after_hours must be 1 or more")
        if not 0 <= self.volume_at_least <= 1 <= self.volume_at_most:
            raise ValueError("volume_at_least lies between 0 and 1, volume_at_most is 1 or more")
        if not 0 <= self.broken_at_most < 1:
            raise ValueError("broken_at_most is a share, from 0 to below 1")


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
    last_passed_at: datetime | None
