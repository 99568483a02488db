"""P19 by itself: attempts are bounded, waits are spread, and a vendor that comes back meets no storm."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from finding import Finding
from oracle import Effects
from vendor_faults_rules import APPLIED
from vendor_faults_stage import RETRY, Stage

from domain.actions import Capability, Kind, State
from handrail.sandbox.modes import Mode

RELENTLESS = (
    ("A", [], Mode.STATUS_503),
    ("B", [], Mode.CONFLICT_UNCLEAR),
    ("D", [], Mode.STATUS_429),
    ("B", [Mode.STATUS_500_AFTER], Mode.STATUS_429),  # the vendor has it, and never says so
    ("A", [], Mode.CONFLICT_BUSY),
)
"""A write class, what its first attempts meet, and what all the others do."""

_FOREVER = 1_000_000
_RATE = 30
_STORM = 2.5 * _RATE
"""A second's worth, one burst of another, and some that a busy machine sent late; a crowd let loose is 5 * `_RATE`."""
_SECOND = timedelta(seconds=1)


async def pace(stage: Stage, *, seed: int, quick: bool) -> Finding:
    """A vendor that never gets well, and one that comes back to a crowd."""
    began = time.monotonic()
    finding = Finding(
        part="vendor faults",
        what="vendors that refuse for ever, and vendors that come back to a crowd: attempts, spread, requests a second",
        promises=["P19"],
        seed=seed,
    )
    for write_class, first, mode in RELENTLESS[-2:] if quick else RELENTLESS:
        await _never_well(stage, finding, write_class, [*first, mode], count=6 if quick else 24)
    for mode in (Mode.STATUS_503,) if quick else (Mode.STATUS_503, Mode.STATUS_429):
        await _comes_back(stage, finding, mode, count=5 * _RATE)
    finding.seconds = round(time.monotonic() - began, 1)
    return finding


async def _never_well(stage: Stage, finding: Finding, write_class: str, modes: Sequence[Mode], *, count: int) -> None:
    """Every attempt is refused: no action may be tried more often than the policy says, and people hear of each."""
    name = f"never-{write_class}-{'-'.join(modes)}".replace("_", "-")
    stage.clock.next_noon()
    async with stage.handrail(write_class) as handrail:
        due = await stage.ask(handrail, name, count, kinds=[Kind.TASK])
        for mode in modes[:-1]:
            stage.sandbox.fault(Capability.CRM, mode, count, 0)
        stage.sandbox.fault(Capability.CRM, modes[-1], _FOREVER, 0)
        await stage.work(handrail, due)
    times, made = _heard(stage, due.keys, finding)
    for row in stage.rows(due.keys):
        finding.left_to_people += row.state in {State.NEEDS_HUMAN, State.FAILED}
        if row.state not in {State.NEEDS_HUMAN, State.FAILED}:
            finding.violations.append(f"{row.key}: {row.state} at a vendor that never said yes")
        if row.state == State.FAILED and made.count(row.key):
            finding.violations.append(f"{row.key}: called failed, and the vendor has it: {row.reason}")
        is_cut_short = len(times[row.key]) < RETRY.max_attempts and "lost" in row.reason  # an answer after our timeout
        if len(times[row.key]) != RETRY.max_attempts and not is_cut_short:
            finding.violations.append(f"{row.key}: tried {len(times[row.key])} times, not {RETRY.max_attempts}")
    if modes[-1] is Mode.CONFLICT_BUSY:  # nothing else holds these back, so their waits are the backoff itself
        finding.violations += _unspread([[stage.clock.business(at) for at in each] for each in times.values()])


def _unspread(histories: Sequence[Sequence[datetime]]) -> Iterable[str]:
    """Waits that are not the doubling, spread backoff that the policy describes."""
    for attempt in range(1, RETRY.max_attempts):
        full = min(RETRY.longest_seconds, RETRY.first_seconds * 2 ** (attempt - 1))
        waits = [(each[attempt] - each[attempt - 1]).total_seconds() for each in histories if len(each) > attempt]
        if not waits:
            yield f"nothing was tried {attempt + 1} times"
            return
        if min(waits) < full / 2 - 0.01:
            yield f"attempt {attempt + 1} came {min(waits):.2f} s after the one before: sooner than {full / 2:g} s"
        if max(waits) - min(waits) < full / 8:
            yield f"attempt {attempt + 1} of {len(waits)} came {min(waits):.2f} to {max(waits):.2f} s later: not spread"


def _heard(stage: Stage, keys: Sequence[str], finding: Finding) -> tuple[Mapping[str, Sequence[datetime]], Effects]:
    """A run is over: when each key was tried, and what the vendor made of it."""
    stage.sandbox.heal()
    finding.runs += 1
    finding.effects_due += len(keys)
    return _attempts(stage, keys, finding), Effects.of(stage.sandbox.record)


async def _comes_back(stage: Stage, finding: Finding, mode: Mode, *, count: int) -> None:
    """While the vendor was away a crowd gathered; it may meet no more a second than its rate, and one burst."""
    stage.clock.next_noon()
    async with stage.handrail("A", rate=_RATE) as handrail:
        due = await stage.ask(handrail, f"crowd-{mode}".replace("_", "-"), count, kinds=[Kind.TASK])
        stage.sandbox.fault(Capability.CRM, mode, 8, 20)
        await stage.work(handrail, due)
    times, made = _heard(stage, due.keys, finding)
    finding.lost += sum(made.count(key) == 0 for key in due.keys)
    finding.doubled += sum(made.count(key) > 1 for key in due.keys)
    came = sorted(stage.clock.business(at) for each in times.values() for at in each)
    for first in range(len(came)):
        within = sum(each < came[first] + _SECOND for each in came[first:])
        if within > _STORM:
            finding.violations.append(f"{mode}: {within} requests within a second at a rate of {_RATE}")
            break


def _attempts(stage: Stage, keys: Iterable[str], finding: Finding) -> dict[str, list[datetime]]:
    """When the vendor saw each key: the faults it met, and what was made without one."""
    made = Effects.of(stage.sandbox.record).made
    times: dict[str, list[datetime]] = {key: [] for key in keys}
    applied: Counter[str] = Counter()
    for entry in stage.sandbox.met():
        for key in times.keys() & set(entry["keys"]):
            times[key].append(datetime.fromisoformat(entry["at"]))
            applied[key] += entry["mode"] in APPLIED
            finding.faults[entry["mode"]] += 1
    return {key: sorted([*met, *made.get(key, [])[applied[key] :]]) for key, met in times.items()}
