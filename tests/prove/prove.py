"""`make prove`: every part of the proof, one after the other, and what they found in `docs/proof.md`.

What each part found is kept at once, so that one which broke can be run again by itself (`--only PART`): on the same
commit, clean, and with the same seed, it takes its place in what was kept, and the report is written anew.

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
from kept import Kept, Told
from report import Circumstances, write

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REPORT = ROOT / "docs" / "proof.md"
KEPT = ROOT / "var" / "proof.json"
CHANGED = " with uncommitted changes"


@dataclass(frozen=True, slots=True)
class Part:
    """One script of the proof; `minutes` is when it is given up."""

    script: str
    minutes: float
    options: tuple[str, ...] = ()
    gives_way: bool = False
    """Takes the processor's time that nobody else wants."""


PARTS: tuple[tuple[Part, ...], ...] = (
    (Part("crash_points.py", 27),),
    (Part("kill_loops.py", 14),),
    (Part("ending_kills.py", 10),),
    (Part("vendor_faults.py", 12),),
    # Prefect's minutes are mostly waiting; planted mutants measure no time, and give way to whatever does.
    (Part("prefect_chaos.py", 18), Part("mutants.py", 35, gives_way=True)),
    (Part("histories.py", 8, ("--minutes", "3")),),
)
"""In this order; those of a group side by side."""


def main() -> int:
    """Run the parts and write the report."""
    options = _options()
    parts = [part for group in PARTS for part in group]
    chosen = {part.script for part in parts if not options.only or part.script.removesuffix(".py") in options.only}
    kept = _kept(options)
    before, began = kept.seconds, time.monotonic()
    for group in PARTS:
        together = [part for part in group if part.script in chosen]
        with ThreadPoolExecutor(len(group)) as side_by_side:
            ends = side_by_side.map(lambda part: _run(part, options.seed, quick=options.quick), together)
            for part, told in zip(together, ends, strict=True):
                kept.take(part.script, told, by_itself=bool(options.only))
        kept.seconds = before + time.monotonic() - began
        if not options.quick:
            kept.save(options.keep)
    missing = kept.missing(part.script for part in parts)
    if not options.quick and not missing:
        REPORT.write_text(write(kept.findings, _circumstances(kept)), encoding="utf-8")
        _say(f"written: {REPORT.relative_to(ROOT)}")
    elif not options.quick:
        _say(f"no report yet: on {kept.commit} these were not run: {', '.join(missing)}")
    told = [kept.parts[script] for script in chosen]
    broken = [finding for part in told for finding in part.findings if not finding.holds]
    for finding in broken:
        _say(f"DOES NOT HOLD: {finding.part}, {finding.what} ({finding.database}, seed {finding.seed})")
        for violation in finding.violations[:20]:
            _say(f"    {violation}")
    return 1 if broken or any(part.problem for part in told) else 0


def _kept(options: argparse.Namespace) -> Kept:
    """What parts of this proof were run before, if only some are run again; otherwise nothing yet."""
    fresh = Kept(_commit(), options.seed)
    if not options.only or options.quick:
        return fresh
    try:
        kept = Kept.load(options.keep)
    except FileNotFoundError:
        return fresh
    return kept if (kept.commit, kept.seed) == (fresh.commit, fresh.seed) and CHANGED not in kept.commit else fresh


def _circumstances(kept: Kept) -> Circumstances:
    return Circumstances(
        commit=kept.commit,
        at=datetime.now(UTC),
        machine=f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}",
        seed=kept.seed,
        seconds=kept.seconds,
        unfinished=kept.unfinished,
        again=kept.again,
    )


def _run(part: Part, seed: int, *, quick: bool) -> Told:
    """What a part told."""
    command = [sys.executable, str(HERE / part.script), "--seed", str(seed), *part.options]
    command += ["--quick"] if quick else []
    command = [*(("nice", "-n", "19") if part.gives_way else ()), *command]
    _say(f"{part.script}: at most {part.minutes:g} minutes")
    began = time.monotonic()
    # in a session of its own, so that whatever it started can be ended with it
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            told, _ = process.communicate(timeout=part.minutes * 60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            told, _ = process.communicate()
            return Told(_findings(told), f"{part.script} did not end in {part.minutes:g} minutes")
    findings = _findings(told)
    _say(f"{part.script}: {len(findings)} campaigns in {time.monotonic() - began:.0f} s")
    if process.returncode != 0:
        return Told(findings, f"{part.script} ended with status {process.returncode}")
    return Told(findings, "" if findings else f"{part.script} found nothing to tell")


def _findings(told: str) -> list[Finding]:
    return [Finding.from_line(line) for line in told.splitlines() if line.startswith('{"part"')]


def _commit() -> str:
    """The commit, and whether the tree was as it says."""

    def git(*words: str) -> str:
        return subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = [line for line in git("status", "--porcelain").splitlines() if not line.endswith("docs/proof.md")]
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + (CHANGED if changed else "")


def _options(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the proof and write docs/proof.md.")
    parser.add_argument("--seed", type=int, default=1, help="of every part (1)")
    parser.add_argument("--quick", action="store_true", help="a small cut of every part; no report")
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts alone, into what was kept of the others")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", default=KEPT, help="keep what was found there (%(default)s)"
    )
    return parser.parse_args(words)


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")


if __name__ == "__main__":
    sys.exit(main())
