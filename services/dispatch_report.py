"""What one dispatch did, counted, in words for people and in numbers for machines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain import recheck
from domain.actions import Capability, State
from store.ledger.record import Recorded

_MOVED = {
    recheck.Skip: "skipped",
    recheck.Expire: "expired",
    recheck.Defer: "deferred",
    recheck.Replan: "replanned",
    recheck.ToPerson: "needs_human",
}


@dataclass
class DispatchReport:
    """One capability's share of a dispatch."""

    capability: Capability
    vendor: str | None
    taken: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    next_try: datetime | None = None  # the earliest retry among what did not go

    def count_moved(self, moved: Sequence[tuple[str, recheck.Verdict]]) -> None:
        """Rows that arming did not let go."""
        self.counts.update(_MOVED[type(verdict)] for _, verdict in moved)

    def count_results(self, recorded: Recorded, *, now: datetime) -> None:
        """Rows that were sent, or tried to be."""
        self.counts += Counter(stale=len(recorded.refused))
        for result in recorded.written:
            self.counts["retried" if result.state is State.READY else str(result.state)] += 1
            later = result.due_at
            if result.check_in_seconds is not None:
                later = now + timedelta(seconds=result.check_in_seconds)
            if later is not None and (self.next_try is None or later < self.next_try):
                self.next_try = later

    def add(self, other: "DispatchReport") -> None:
        """Count another dispatch of the same capability in."""
        self.taken += other.taken
        self.counts.update(other.counts)
        self.next_try = min(filter(None, (self.next_try, other.next_try)), default=None)

    @property
    def done(self) -> int:
        """Confirmed by the vendor."""
        return self.counts["done"]

    @property
    def waiting_for_people(self) -> int:
        """Left to a person by this dispatch."""
        return self.counts["needs_human"] + self.counts["failed"]

    def words(self) -> str:
        """For a task's name: `ticketing via sandbox: 37 done, 2 retried 14:05`."""
        if self.vendor is None:
            return f"{self.capability}: nobody serves it (integrations.yaml)"
        parts = [f"{count} {word}" for word, count in sorted(self.counts.items()) if count]
        if self.next_try is not None:
            parts.append(f"next try {self.next_try:%H:%M}")
        return f"{self.capability} via {self.vendor}: {', '.join(parts) or 'nothing due'}"
