"""`make prove`: every part of the proof, one after the other, and what they found in `docs/proof.md`.

Exit 0: everything held; 1: something did not, or a part did not come to its end (the report says which).
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from finding import Finding
from report import Circumstances, write

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REPORT = ROOT / "docs" / "proof.md"


@dataclass(frozen=True, slots=True)
class Part:
    """One script of the proof; `minutes` is when it is given up."""

    script: str
    minutes: float
    options: tuple[str, ...] = ()
    gives_way: bool = False
    """Takes the processor's time that nobody else wants."""


PARTS: tuple[tuple[Part, ...], ...] = (
    (Part("crash_points.py", 15),),
    (Part("kill_loops.py", 14),),
    (Part("vendor_faults.py", 12),),
    # Prefect's minutes are mostly waiting; planted mutants measure no time, and give way to whatever does.
    (Part("prefect_chaos.py", 18), Part("mutants.py", 25, gives_way=True)),
    (Part("histories.py", 8, ("--minutes", "3")),),
)
"""In this order; those of a group side by side."""


def main() -> int:
    """Run the parts and write the report."""
    options = _options()
    began = time.monotonic()
    findings: list[Finding] = []
    unfinished: list[str] = []
    for group in PARTS:
        parts = [part for part in group if not options.only or part.script.removesuffix(".py") in options.only]
        with ThreadPoolExecutor(len(group)) as side_by_side:
            ends = side_by_side.map(lambda part: _run(part, options.seed, quick=options.quick), parts)
            for found, problem in ends:
                findings += found
                if problem:
                    unfinished.append(problem)
    circumstances = Circumstances(
        commit=_commit(),
        at=datetime.now(UTC),
        machine=f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        seed=options.seed,
        seconds=time.monotonic() - began,
        unfinished=unfinished,
    )
    if options.keep:
        options.keep.write_text("".join(finding.as_line() + "\n" for finding in findings), encoding="utf-8")
    if not options.quick and not options.only:
        REPORT.write_text(write(findings, circumstances), encoding="utf-8")
        _say(f"written: {REPORT.relative_to(ROOT)}")
    broken = [finding for finding in findings if not finding.holds]
    for finding in broken:
        _say(f"DOES NOT HOLD: {finding.part}, {finding.what} ({finding.database}, seed {finding.seed})")
        for violation in finding.violations[:20]:
            _say(f"    {violation}")
    return 1 if broken or unfinished else 0


def _run(part: Part, seed: int, *, quick: bool) -> tuple[list[Finding], str]:
    """What a part printed, and why it did not come to its end, if so."""
    command = [sys.executable, str(HERE / part.script), "--seed", str(seed), *part.options]
    command += ["--quick"] if quick else []
    command = [*(("nice", "-n", "19") if part.gives_way else ()), *command]
    _say(f"{part.script}: at most {part.minutes:g} minutes")
    began = time.monotonic()
    findings: list[Finding] = []
    # in a session of its own, so that whatever it started can be ended with it
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            told, _ = process.communicate(timeout=part.minutes * 60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            told, _ = process.communicate()
            return _findings(told), f"{part.script} did not end in {part.minutes:g} minutes"
    findings = _findings(told)
    _say(f"{part.script}: {len(findings)} campaigns in {time.monotonic() - began:.0f} s")
    if process.returncode != 0:
        return findings, f"{part.script} ended with status {process.returncode}"
    return findings, "" if findings else f"{part.script} found nothing to tell"


def _findings(told: str) -> list[Finding]:
    return [Finding.from_line(line) for line in told.splitlines() if line.startswith('{"part"')]


def _commit() -> str:
    """The commit, and whether the tree was as it says."""

    def git(*words: str) -> str:
        return subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = [line for line in git("status", "--porcelain").splitlines() if not line.endswith("docs/proof.md")]
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (" with uncommitted changes" if changed else "")


def _options(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the proof and write docs/proof.md.")
    parser.add_argument("--seed", type=int, default=1, help="of every part (1)")
    parser.add_argument("--quick", action="store_true", help="a small cut of every part; no report")
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts alone; no report")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the findings there, a JSON line each")
    return parser.parse_args(words)


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")


if __name__ == "__main__":
    sys.exit(main())
