"""The breaker of one integration: when to stop sending, when to look again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

_LASTING = timedelta(minutes=1)
"""Closed this long, an earlier opening no longer makes probes rarer."""


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Policy's numbers."""

    open_after_failures: int  # in a row
    probe_seconds: float  # until the first probe
    probe_longest_seconds: float  # probes double up to this while it flaps


@dataclass(frozen=True, slots=True)
class Breaker:
    """`open` means: nothing is armed until a probe succeeds."""

    is_open: bool
    since: datetime
    failures: int = 0
    openings: int = 0
    reason: str | None = None
    next_probe_at: datetime | None = None

    def after_sends(
        self, *, successes: int, failures: int, reason: str, now: datetime, rules: BreakerRules
    ) -> "Breaker":
        """The breaker after a window's results. One success in it ends the row of failures."""
        if successes:
            lasting = not self.is_open and now - self.since >= _LASTING
            return replace(self, failures=0, openings=0 if lasting else self.openings)
        if not failures:
            return self
        counted = replace(self, failures=self.failures + failures)
        if self.is_open or counted.failures < rules.open_after_failures:
            return counted
        return counted.opened(f"{counted.failures} failures in a row: {reason}", now=now, rules=rules)

    def opened(self, reason: str, *, now: datetime, rules: BreakerRules) -> "Breaker":
        """The breaker, open; an open one keeps its beginning."""
        if self.is_open:
            return replace(self, reason=reason)
        wait = min(rules.probe_longest_seconds, rules.probe_seconds * 2 ** min(self.openings, 20))
        return replace(
            self,
            is_open=True,
            since=now,
            reason=reason,
            openings=self.openings + 1,
            next_probe_at=now + timedelta(seconds=wait),
        )

    def after_probe(self, *, ok: bool, reason: str, now: datetime, rules: BreakerRules) -> "Breaker":
        """The breaker after a check: closed by a good one, opened by bad ones in a row like by failed sends."""
        if ok and self.is_open:
            return replace(self, is_open=False, since=now, failures=0, reason=None, next_probe_at=None)
        if ok:
            return self
        if self.is_open:
            wait = min(rules.probe_longest_seconds, rules.probe_seconds * 2 ** min(self.openings, 20))
            return replace(self, reason=reason, next_probe_at=now + timedelta(seconds=wait))
        return self.after_sends(successes=0, failures=1, reason=reason, now=now, rules=rules)
