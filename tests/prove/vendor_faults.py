"""Every way a vendor can fail × every write class × both databases, through the real dispatcher and recovery.

    python tests/prove/vendor_faults.py [--seed N] [--database sqlite|postgresql|both] [--quick]

One line of JSON a campaign (`finding.Finding`). The vendor is the sandbox, a process of its own; it decides what was
applied and which faults were met, and its fsynced record decides what was lost or doubled.
"""

import argparse
import asyncio
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # ledger_world, when this runs as a script

from finding import Finding
from oracle import Effects
from vendor_faults_outside import Sandbox, a_database, a_sandbox
from vendor_faults_pace import pace
from vendor_faults_rules import Judge, Judgement
from vendor_faults_stage import BATCHED, LAG, RETRY, SERVED, TIMEOUT, Due, Stage

from domain.actions import WriteClass
from handrail.sandbox.modes import MODES, Meets, Mode

PART = "vendor faults"
WRITE_MODES = [mode for mode in Mode if MODES[mode].meets is Meets.WRITES]
BATCH_MODES = [mode for mode in Mode if MODES[mode].meets is Meets.BATCHES]
WHOLE_BATCH_MODES = [
    *(Mode.STATUS_503, Mode.STATUS_429, Mode.STATUS_401, Mode.STATUS_500_AFTER, Mode.TIMEOUT_AFTER, Mode.RESET_BEFORE),
    *(Mode.RESET_AFTER, Mode.RESET_MID_ANSWER, Mode.TRUNCATED, Mode.HTML_AFTER, Mode.EMPTY, Mode.OTHER_KEY),
    *(Mode.WRONG_ID, Mode.NO_ID, Mode.CONFLICT_BUSY, Mode.CONFLICT_UNCLEAR),
]

SECONDS = {
    Mode.STATUS_429: 45.0,
    Mode.RETRY_AFTER_DATE: 45.0,
    Mode.TIMEOUT_BEFORE: TIMEOUT + 0.3,
    Mode.TIMEOUT_AFTER: TIMEOUT + 0.3,
    Mode.SLOW: TIMEOUT / 3,
    Mode.LATE: LAG * 0.7,  # later than that, and the vendor would break what it promises of its search
    Mode.SEARCH_LAG: LAG * 0.7,
}
_IN_REAL_TIME = {Mode.LATE, Mode.SEARCH_LAG}
"""The vendor counts these seconds by its own clock, so ours must not run ahead."""

_NOT_MIXED = _IN_REAL_TIME | {Mode.RETRY_AFTER_HUGE, Mode.RETRY_AFTER_CENTURY}
"""Hours of business time in a row would make acknowledgements overdue, which is another subject."""


@dataclass(frozen=True)
class Size:
    """How much one campaign does: actions of each kind at each mode, and in the mixture."""

    singly: int
    mixed: int
    is_quick: bool = False

    def modes(self, write_class: WriteClass) -> list[Mode]:
        """Those that are met by themselves; the quick cut leaves to the mixture what can be mixed."""
        searched = [Mode.SEARCH_LAG] if write_class is WriteClass.C else []  # nobody else is ever searched
        if self.is_quick:
            alone = {WriteClass.A: [Mode.RETRY_AFTER_HUGE, Mode.RETRY_AFTER_CENTURY], WriteClass.B: []}
            return [*alone.get(write_class, [Mode.LATE]), *searched]
        return [*WRITE_MODES, *searched]


FULL, QUICK = Size(singly=4, mixed=24), Size(singly=1, mixed=8, is_quick=True)


async def campaign(stage: Stage, write_class: WriteClass, size: Size, *, seed: int) -> Finding:
    """Modes by themselves, then a mixture; then everything again, which must change nothing (P22)."""
    began, chance = time.monotonic(), random.Random(f"{seed}/{write_class}")
    modes, count, mixed = size.modes(write_class), size.singly, size.mixed
    finding = Finding(
        part=PART,
        what=f"class {write_class}: tickets, acknowledgements, tasks, messages; {len(modes)} modes, mixtures, batches",
        promises=["P1", "P2", "P3", "P17", "P19", "P21", "P22"],
        seed=seed,
    )
    everything: list[Due] = []
    async with stage.handrail(write_class) as handrail:
        for mode in modes:
            stage.clock.next_noon()
            due = await stage.ask(handrail, f"{write_class}-{mode}".replace("_", "-"), count)
            _inject(stage.sandbox, mode, count)
            await stage.work(handrail, due, patience=5 if mode in _IN_REAL_TIME else 0.05)
            stage.sandbox.heal()
            everything.append(due)
        stage.clock.next_noon()
        due = await stage.ask(handrail, f"{write_class}-mixed-{seed}", mixed)
        _mix(stage.sandbox, chance, mixed)
        await stage.work(handrail, due)
        stage.sandbox.heal()
        everything.append(due)
    everything += await _batches(stage, write_class, size)
    finding.runs = len(everything)
    _hold(finding, stage, write_class, modes, everything)
    finding.repeats_changed = await _again(stage, write_class, everything)
    finding.violations += await asyncio.to_thread(stage.audited)
    finding.seconds = round(time.monotonic() - began, 1)
    return finding


async def _batches(stage: Stage, write_class: WriteClass, size: Size) -> list[Due]:
    """Many writes in one request: it succeeds in part, or fails as a whole."""
    asked = []
    async with stage.handrail(write_class, batch=50) as handrail:
        for mode in BATCH_MODES if size.is_quick else (*BATCH_MODES, *WHOLE_BATCH_MODES):
            stage.clock.next_noon()
            due = await stage.ask(handrail, f"{write_class}-batch-{mode}".replace("_", "-"), max(4, size.singly))
            for capability in BATCHED:
                stage.sandbox.fault(capability, mode, 1, SECONDS.get(mode, 1.0))
            await stage.work(handrail, due)
            stage.sandbox.heal()
            asked.append(due)
    return asked


def _inject(sandbox: Sandbox, mode: Mode, count: int) -> None:
    """Each first attempt meets the mode; a search must be needed before it can lag."""
    for capability in SERVED:
        if mode is Mode.SEARCH_LAG:
            sandbox.fault(capability, Mode.RESET_AFTER, count, 0)
        sandbox.fault(capability, mode, count, SECONDS.get(mode, 1.0))


def _mix(sandbox: Sandbox, chance: random.Random, count: int) -> None:
    """Two faults an action, of all modes in any order; each capability begins where the one before it will end."""
    modes = [mode for mode in WRITE_MODES if mode not in _NOT_MIXED]
    chance.shuffle(modes)
    for place, capability in enumerate(SERVED):
        for number in range(2 * count):
            mode = modes[(place * count + number) % len(modes)]
            sandbox.fault(capability, mode, 1, SECONDS.get(mode, 1.0))


def _hold(
    finding: Finding, stage: Stage, write_class: WriteClass, modes: Sequence[Mode], everything: Sequence[Due]
) -> None:
    """Judge what came of it."""
    keys = [key for due in everything for key in due.keys]
    mine = set(keys)
    log = [met for met in stage.sandbox.met() if mine.intersection(met["keys"])]
    judge = Judge(
        Effects.of(stage.sandbox.record),
        log,
        write_class=write_class,
        max_attempts=RETRY.max_attempts,
        heard=stage.heard("refused with 429"),
        business=stage.clock.business,
    )
    judged: Judgement = judge.judged(stage.rows(keys), keys)
    finding.faults = Counter(met["mode"] for met in log)
    finding.effects_due = len(keys)
    finding.lost, finding.doubled = len(judged.lost), len(judged.doubled)
    finding.resent, finding.uncertain = judged.resent, judged.uncertain
    finding.settled, finding.left_to_people = judged.settled, judged.left_to_people
    finding.longest_recovery_seconds = round(judged.longest_recovery, 2)
    finding.violations = [*judged.lost, *judged.doubled, *judged.violations, *judge.rushed(), *judge.deaf()]
    expected = {*modes, *BATCH_MODES, *(mode for mode in WRITE_MODES if mode not in _NOT_MIXED)}
    finding.violations += [f"{mode} was never met" for mode in sorted(expected) if not finding.faults[mode]]


async def _again(stage: Stage, write_class: WriteClass, everything: Sequence[Due]) -> int:
    """A process of its own takes all of it in once more and works on it; how many effects that added."""
    before = stage.sandbox.record.read_bytes()
    async with stage.handrail(write_class) as handrail:
        for due in everything:
            await stage.deliver(handrail, due)
        stage.clock.next_noon()
        for due in everything:
            await stage.work(handrail, due)
    after = stage.sandbox.record.read_bytes()
    return after[len(before) :].count(b"\n") if after.startswith(before) else -1


async def prove(
    url: str, *, seed: int, size: Size, classes: Sequence[WriteClass] = tuple(WriteClass), paced: bool = True
) -> AsyncIterator[Finding]:
    """Every campaign on one database, as it ends; of vendors of some `classes` only, or without the last, if asked."""
    database = "sqlite" if url.startswith("sqlite") else "postgresql"
    with tempfile.TemporaryDirectory() as directory, a_sandbox(Path(directory)) as sandbox:
        stage = Stage(url, sandbox)
        try:
            for write_class in classes:
                yield replace(await campaign(stage, write_class, size, seed=seed), database=database)
            if paced:
                yield replace(await pace(stage, seed=seed, quick=size.is_quick), database=database)
        finally:
            stage.close()


def main() -> int:
    """0: measured, whatever was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)  # thousands of faults, each with a line of its own
    if options.database == "both":
        return _both(options.seed, quick=options.quick)
    with a_database(options.database) as url:
        asyncio.run(_say(prove(url, seed=options.seed, size=QUICK if options.quick else FULL)))
    return 0


async def _say(findings: AsyncIterator[Finding]) -> None:
    async for finding in findings:
        finding.say()


def _both(seed: int, *, quick: bool) -> int:
    """Each in a process of its own, side by side."""
    command = [sys.executable, __file__, "--seed", str(seed), *(["--quick"] if quick else [])]
    with ThreadPoolExecutor() as pool:
        return max(pool.map(_passed_on, ([*command, "--database", each] for each in ("sqlite", "postgresql"))))


def _passed_on(command: Sequence[str]) -> int:
    """Run it and pass its lines on, each as it comes and in one piece; its exit status."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            sys.stdout.flush()
    return abs(process.returncode)


if __name__ == "__main__":
    sys.exit(main())
