"""What a run of the onboarding drip planned, and how far customers come: counts, for people and machines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain.actions import Capability, State
from domain.channels import CHANNEL_OF
from domain.hours import require_aware
from domain.instants import iso
from domain.journey_steps import CAPABILITY_OF
from domain.journeys import Standing
from services.drip import DripReport, run_drip
from services.journeys import Journeys
from services.reviews_settling import seal_gathered
from services.wiring import Handrail
from store import drip, drop_off
from store.database import Database
from store.journeys import names

DROP_OFF_DAYS = 60
"""How far comes who entered within so many days: twice as long as the longest of our journeys."""

DROP_OFF_MOST = 50_000
"""Counted are the latest so many of a journey: enough for any share, and a second's work with a million in it."""

_BAR = 40
"""Characters of the longest bar."""

_UNDER_WAY = frozenset({State.PLANNED, State.AWAITING_REVIEW, State.READY, State.CLAIMED, State.SENDING})
_REVIEWED = f"their step {State.AWAITING_REVIEW.words}"
_WITH_PEOPLE = frozenset({State.UNCERTAIN, State.FAILED, State.NEEDS_HUMAN})


@dataclass(frozen=True)
class DripStory:
    """One run, told."""

    report: DripReport
    sendable: Sequence[Capability] = ()
    """Over which steps may go now: those planned by this run, and by earlier ones for this minute."""

    def words(self) -> str:
        """In one line: `12 steps planned, 3 skipped, 4 held by the hour; 2 finished`."""
        report = self.report
        planned = report.planned.total()
        told = [f"{planned or 'no'} steps {'to be planned' if report.dry_run else 'planned'}"]
        told += [f"{count} for a review" for count in [report.reviewed.total()] if count]
        told += [f"{count} skipped" for count in [report.skipped.total()] if count]
        told += [f"{count} later than due" for count in [report.deferred.total()] if count]
        told += [f"{count} finished" for count in [report.finished.total()] if count]
        return ", ".join(told)

    def planned(self) -> list[dict[str, Any]]:
        """A row a step and channel."""
        return [
            {"journey": one.journey, "step": one.step, "channel": one.channel.value, "customers": count}
            for one, count in sorted(self.report.planned.items())
        ]

    def skipped(self) -> list[dict[str, Any]]:
        """A row a step and reason."""
        return [
            {"journey": one.journey, "step": one.step, "customers": count, "why": one.reason}
            for one, count in sorted(self.report.skipped.items())
        ]

    def deferred(self) -> list[dict[str, Any]]:
        """A row an hour in which steps are done that the hour of the day or an outage held."""
        return [{"from": iso(hour), "steps": count} for hour, count in sorted(self.report.deferred.items())]

    def reviewed(self) -> list[dict[str, Any]]:
        """A row for the rules that ask, with how many planned steps wait for a review because of them."""
        return [{"rules": ", ".join(rules), "steps": count} for rules, count in sorted(self.report.reviewed.items())]

    def waiting(self) -> list[dict[str, Any]]:
        """Journeys that go on only when a person has done something."""
        rows = [
            {"journeys": count, "why": _REVIEWED if state == State.AWAITING_REVIEW else f"their step is {state}"}
            for state, count in self.report.waiting.items()
        ]
        return [*rows, *({"journeys": count, "why": why} for why, count in sorted(self.report.aside.items()))]

    def summary(self) -> str:
        """For somebody who has ten seconds, in Markdown."""
        report = self.report
        lines = [f"**{self.words()}**", "", f"- due within the look-ahead: {report.due}; over since: {report.landed}"]
        lines += [f"- {row['step']} by {row['channel']}: {row['customers']}" for row in self.planned()]
        lines += [f"- from {row['from']}: {row['steps']} that were held" for row in self.deferred()]
        lines += [f"- {row['steps']} wait for a review: {row['rules']}" for row in self.reviewed()]
        lines += [f"- **{row['journeys']} journeys wait: {row['why']}**" for row in self.waiting()]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Everything, for a machine."""
        report = self.report
        return {
            "at": iso(report.at),
            "dry_run": report.dry_run,
            "due": report.due,
            "planned": self.planned(),
            "skipped": self.skipped(),
            "deferred": self.deferred(),
            "for_review": self.reviewed(),
            "finished": dict(report.finished),
            "journeys_waiting": self.waiting(),
        }


@dataclass
class StepFate:
    """What became of one step of everybody who came to it."""

    step: str
    done: Counter[str] = field(default_factory=Counter)  # by channel
    skipped: int = 0
    under_way: int = 0
    with_people: int = 0
    taken_back: int = 0  # the customer left, or it was pointless by then

    @property
    def came(self) -> int:
        """How many came to it."""
        return self.done.total() + self.skipped + self.under_way + self.with_people + self.taken_back

    def count(self, one: drop_off.StepCount) -> None:
        """Count in what stands alike."""
        if one.state is State.DONE:
            self.done[CHANNEL_OF[Capability(one.capability)].value] += one.customers
        elif one.state is State.SKIPPED:
            self.skipped += one.customers
        elif one.state in _UNDER_WAY:
            self.under_way += one.customers
        elif one.state in _WITH_PEOPLE:
            self.with_people += one.customers
        else:
            self.taken_back += one.customers


@dataclass(frozen=True)
class DropOff:
    """How far the customers of one journey came who entered lately."""

    journey: str
    standings: dict[str, int]  # by `domain.journeys.Standing`
    steps: Sequence[StepFate]  # in the order of the live version, then what older ones had beside

    @property
    def entered(self) -> int:
        """Everybody."""
        return sum(self.standings.values())

    def rows(self) -> list[dict[str, Any]]:
        """A row a step."""
        return [
            {
                "journey": self.journey,
                "step": one.step,
                "came": one.came,
                "sent": ", ".join(f"{count} {channel}" for channel, count in sorted(one.done.items())),
                "skipped": one.skipped,
                "on_its_way": one.under_way,
                "with_people": one.with_people,
                "taken_back": one.taken_back,
            }
            for one in self.steps
        ]

    def chart(self) -> str:
        """How many of those who entered came to each step, as bars, in Markdown."""
        named = ["entered", *(one.step for one in self.steps)]
        counts = [self.entered, *(one.came for one in self.steps)]
        longest, widest = max(counts) or 1, max(map(len, named))
        bars = [
            f"{name:{widest}}  {'█' * round(_BAR * count / longest):{_BAR}}  {count}"
            for name, count in zip(named, counts, strict=True)
        ]
        stand = ", ".join(f"{self.standings.get(state, 0)} {state}" for state in Standing)
        who = f"the latest {DROP_OFF_MOST} who" if self.entered == DROP_OFF_MOST else "who"
        title = f"**{self.journey}: {who} entered in the last {DROP_OFF_DAYS} days** ({stand})"
        return "\n".join([title, "```text", *bars, "```"])


def run_onboarding(handrail: Handrail, *, at: datetime | None, run: str, dry_run: bool) -> DripStory:
    """Settle and plan: the whole run but for sending. Blocks: it is for a thread."""
    now = require_aware(at or handrail.clock())
    report = run_drip(handrail.database, handrail.policy, handrail.journeys, run=run, now=now, dry_run=dry_run)
    if not dry_run:
        seal_gathered(handrail.database, handrail.policy, now=now)
    with handrail.database.read() as connection:
        return DripStory(report, () if dry_run else drip.sendable(connection, CAPABILITY_OF.values(), now=now))


def count_drop_off(database: Database, *, now: datetime) -> list[DropOff]:
    """How far the customers of each journey came who entered lately, the latest of them where there are many."""
    since = require_aware(now) - timedelta(days=DROP_OFF_DAYS)
    told = []
    with database.read() as connection:
        live = Journeys().live(connection)
        for name in sorted(names(connection)):
            standings = drop_off.standings(connection, name, since=since, most=DROP_OFF_MOST)
            if not standings:
                continue
            order = [step.id for step in live[name][1].steps] if name in live else []
            fates = {step: StepFate(step) for step in order}
            for one in drop_off.steps(connection, name, since=since, most=DROP_OFF_MOST):
                fates.setdefault(one.step, StepFate(one.step)).count(one)
            told.append(DropOff(name, standings, [fate for fate in fates.values() if fate.came]))
    return told
