"""What a run of expiry detection found and planned, for people and for machines. Counts and days; nobody's name."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from domain.entitlements import EntitlementKind
from domain.hours import require_aware
from domain.instants import iso
from domain.policy import Policy
from services.ending_closing import Closing, close_needless
from services.expiry import CHART_DAYS, Detection, GateReport, Planning, detect, look_at_gates, plan_endings
from services.reviews_settling import seal_gathered
from services.wiring import Handrail

_BAR = 40
"""Characters of the longest bar."""

_NAMES = {"task": "tasks", "call": "calls", "task_note": "notes to tasks"}


@dataclass
class EndingReport:
    """One run, as far as it has come."""

    policy: Policy
    gates: GateReport
    detection: Detection
    closing: Closing = field(default_factory=Closing)
    planning: Planning = field(default_factory=Planning)
    dry_run: bool = False

    @property
    def needs_people(self) -> int:
        """Endings that nothing is planned about because of their gate."""
        return self.planning.held.total()

    @property
    def late(self) -> str:
        """Why nothing is done about endings that are near; nothing where there are none."""
        is_near = any(sum(counts.values()) for counts in self.detection.found.values())
        return "; ".join(self.gates.problems) if is_near else ""

    def words(self) -> str:
        """In one line: `3 tasks, 1 call planned; 2 skipped`."""
        planned = [f"{count} {_NAMES[kind]}" for kind, count in sorted(self.planning.planned.items()) if count]
        taken_back, closed = self.closing.taken_back.total(), self.closing.closed.total()
        told = [f"{', '.join(planned) or 'nothing'} {'to be planned' if self.dry_run else 'planned'}"]
        told += [f"{self.planning.reviewed} of them for a review"] if self.planning.reviewed else []
        told += [f"{self.planning.skipped.total()} skipped"] if self.planning.skipped.total() else []
        told += [f"{taken_back} taken back"] if taken_back else []
        told += [f"{closed} to be closed"] if closed else []
        return "; ".join(told)

    def found(self) -> list[dict[str, Any]]:
        """A row a kind: how many have reached which horizon, what they put at risk, what is left out and why."""
        return [
            {
                "kind": kind.value,
                "look": "whole window" if look.since is None else f"new since {iso(look.since)}",
                "because": look.why,
                "within_days": {str(days): count for days, count in self.detection.found[kind].items()},
                "value_at_risk": self.money(self.detection.at_risk_minor.get(kind, 0)),
                "left_out": self.detection.left_out[kind],
                "waits_for_its_gate": self.planning.held[kind],
            }
            for kind, look in ((look.kind, look) for look in self.detection.looks)
        ]

    def done(self) -> list[dict[str, Any]]:
        """A row for each thing that was planned, skipped, taken back or is to be closed."""
        rows = [{"what": _NAMES[kind], "count": count, "why": ""} for kind, count in self.planning.planned.items()]
        for what, counts in (
            ("skipped", self.planning.skipped),
            ("taken back", self.closing.taken_back),
            ("closed", self.closing.closed),
        ):
            rows += [{"what": what, "count": count, "why": why} for why, count in sorted(counts.items())]
        return [row for row in rows if row["count"]] or [{"what": "nothing new", "count": 0, "why": ""}]

    def days(self) -> list[dict[str, Any]]:
        """The endings of each of the next days."""
        first = self.detection.at.date()
        days = (first + timedelta(days=ahead) for ahead in range(CHART_DAYS))
        ending = ((day, self.detection.per_day.get(day, Counter[str]())) for day in days)
        return [{"day": str(day), **{kind.value: counts[kind] for kind in EntitlementKind}} for day, counts in ending]

    def chart(self) -> str:
        """The same as bars, in Markdown."""
        totals = {row.pop("day"): sum(row.values()) for row in self.days()}
        longest = max(totals.values(), default=0) or 1
        lines = [
            f"{date.fromisoformat(day):%a %d %b}  {'█' * round(_BAR * count / longest):{_BAR}}  {count}"
            for day, count in totals.items()
        ]
        return "\n".join(["**Endings of the next 30 days**, without what renews by itself", "```text", *lines, "```"])

    def summary(self) -> str:
        """For somebody who has ten seconds, in Markdown."""
        risk = self.money(sum(self.detection.at_risk_minor.values()))
        of_planned = self.money(self.planning.at_risk_minor)
        lines = [
            f"**{self.words()}**",
            "",
            f"- value at risk: **{risk}** in the window, {of_planned} of what was planned",
        ]
        lines += [f"- **{problem}**" for problem in self.gates.problems]
        lines += [f"- {key}: due again, though it was taken back or closed: see to it" for key in self.closing.again]
        lines += [f"- {self.needs_people} endings wait for their gate"] if self.needs_people else []
        lines += [f"- {self.planning.reviewed} of the calls wait for a review"] if self.planning.reviewed else []
        return "\n".join(lines)

    def money(self, minor: int) -> str:
        """An amount in the policy's currency."""
        return f"{minor / 100:,.2f} {self.policy.value.currency}"

    def as_json(self) -> dict[str, Any]:
        """Everything, for a machine."""
        return {
            "at": iso(self.detection.at),
            "dry_run": self.dry_run,
            "currency": self.policy.value.currency,
            "found": self.found(),
            "value_at_risk_minor": dict(_words(self.detection.at_risk_minor)),
            "planned": dict(_words(self.planning.planned)),
            "planned_value_at_risk_minor": self.planning.at_risk_minor,
            "for_review": self.planning.reviewed,
            "skipped": dict(self.planning.skipped),
            "taken_back": dict(self.closing.taken_back),
            "closed": dict(self.closing.closed),
            "due_again_without_task": self.closing.again,
            "gate_problems": self.gates.problems,
            "endings_per_day": self.days(),
        }


def run_detection(handrail: Handrail, *, at: datetime | None, run: str, dry_run: bool) -> EndingReport:
    """Gate, look, close, plan: the whole run but for sending. Blocks: it is for a thread."""
    now, policy, database = require_aware(at or handrail.clock()), handrail.policy, handrail.database
    gates = look_at_gates(database, policy, now=now)
    detection = detect(database, policy, now=now)
    closing = close_needless(database, policy, detection, run=run, dry_run=dry_run)
    planning = plan_endings(database, policy, detection, gates, run=run, dry_run=dry_run)
    if not dry_run:
        seal_gathered(database, policy, now=now)
    return EndingReport(policy, gates, detection, closing, planning, dry_run)


def _words(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    return ((str(word), count) for word, count in counts.items())
