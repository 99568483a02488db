"""A campaign against Prefect: what it does while answers arrive, and what the vendor's record says of it afterwards."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from finding import Finding
from oracle import judge
from prefect_chaos_stage import Stage
from prefect_chaos_work import Delivery, due_of, latencies, percentile

SETTLED = 150.0
"""Seconds after a campaign within which everything due must have come to pass: a schedule is a minute."""

IN_TIME = 1.0
"""P8: seconds until ticket and acknowledgement have left."""

_BUSY = 0.1
_ENOUGH = 50
"""Answers below which a 99th percentile is the slowest one, and says more of the machine than of us."""


@contextmanager
def campaign(stage: Stage, what: str, *, promises: tuple[str, ...] = ("P25", "P8")) -> Iterator[Finding]:
    """The trouble is what happens inside; afterwards all that was owed in it is waited for and judged."""
    finding = Finding("prefect", what, list(promises), stage.seed, runs=1)
    begun, before = time.time(), len(stage.work)
    try:
        yield finding
    except Exception as problem:
        finding.violations.append(f"the campaign broke off: {type(problem).__name__} {problem}")
    ended = time.time()
    stage.quick()
    _settle(stage, finding, begun, ended, list(stage.work)[before:])
    finding.seconds = round(time.time() - begun, 1)


def _settle(stage: Stage, finding: Finding, begun: float, ended: float, work: list[str]) -> None:
    answers = [one for one in stage.answers.begun if begun <= one.planned < ended]
    answers = [one for one in answers if due_of(one)[0] not in stage.judged]
    due = [key for key in [*work, *(key for one in answers for key in due_of(one))] if key not in stage.judged]
    stage.judged.update(due)
    deadline = time.time() + SETTLED
    while True:
        made = stage.effects().made
        people, resends = stage.admitted()
        open_now = [key for key in due if key not in made and key not in people]
        if not open_now or time.time() > deadline:
            break
        time.sleep(0.5)
    verdict = judge(stage.effects(), due, seen_by_people=people, resends=resends)
    finding.effects_due = len(due)
    finding.lost, finding.doubled = len(verdict.lost), len(verdict.doubled)
    finding.resent, finding.left_to_people = len(verdict.resent), len(verdict.left_to_people)
    finding.uncertain = stage.uncertain_since(begun)
    finding.settled = max(0, finding.uncertain - finding.left_to_people)
    last = max((made[key][0].timestamp() for key in work if key in made), default=ended)
    finding.longest_recovery_seconds = round(max(0.0, last - ended), 1)
    if verdict.lost or verdict.doubled:
        finding.violations.append(f"lost {verdict.lost[:5]}, doubled {verdict.doubled[:5]}")
    refused = sum(one.status != 202 for one in answers)
    if refused:
        finding.violations.append(f"{refused} answers were not accepted")
    _judge_latency(finding, answers, latencies(answers, made))


def _judge_latency(finding: Finding, answers: list[Delivery], ordered: list[float]) -> None:
    """P8, also in trouble; not on a machine so busy that our own sender is late by more than a tenth of a second."""
    finding.p50_seconds = round(percentile(ordered, 0.5), 3)
    finding.p99_seconds = round(percentile(ordered, 0.99), 3)
    share = 0.99 if len(ordered) >= _ENOUGH else 0.9
    judged, late = percentile(ordered, share), percentile(sorted(one.late for one in answers), share)
    if late > _BUSY:
        finding.not_covered.append(f"P8: the machine was too busy to tell (the sender itself was {late:.2f} s late)")
    elif judged > IN_TIME:
        finding.violations.append(
            f"ticket and acknowledgement took {judged:.2f} s ({share:.0%} of {len(ordered)} answers were faster)"
        )
