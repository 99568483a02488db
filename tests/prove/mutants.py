"""The harness is checked too: each planted mutant breaks one promise, and the tests named in its patch must see it.

A mutant is a patch in `mutants/`, headed by what it breaks, the promises that fall with it, on which database it can be
seen, and the narrowest tests that must fail. The tests first pass on a copy of the tree nobody touched; then each
patch is applied to a copy of its own and its tests run there.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

from finding import Finding

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).with_name("mutants")
SELECTIONS = {"sqlite": ["-m", "not postgres"], "postgresql": ["-m", "postgres"], "both": []}
QUICK = ("fence-ignored", "evidence-check-skipped", "answered-before-the-commit")
SIDE_BY_SIDE = 2
_LONGEST = 900
"""Seconds. A test that hangs fails by its own limit long before; this ends what not even that can end."""
_PACKAGES = ("domain", "data_contracts", "integrations", "store", "templates", "services", "gateway", "handrail")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted fault, as the head of its patch tells."""

    name: str
    patch: Path
    breaks: str
    promises: tuple[str, ...]
    database: str
    tests: tuple[str, ...]

    @classmethod
    def of(cls, patch: Path) -> "Mutant":
        """Read the head of a patch. Raises ValueError for one that does not say what it must."""
        head = re.sub(r"\n  +", " ", patch.read_text(encoding="utf-8").split("\n--- ", 1)[0])
        told: dict[str, list[str]] = {}
        for line in head.splitlines():
            word, _, rest = line.partition(": ")
            told.setdefault(word, []).append(rest)
        try:
            (breaks,), (promises,), (database,) = told["Breaks"], told["Promises"], told["Database"]
            return cls(patch.stem, patch, breaks, tuple(promises.split()), database, tuple(told["Caught by"]))
        except (KeyError, ValueError):
            wanted = "say Breaks, Promises and Database once, and Caught by at least once"
            raise ValueError(f"{patch.name}: {wanted}") from None


def planted() -> list[Mutant]:
    """All of them, by name."""
    return [Mutant.of(patch) for patch in sorted(PATCHES.glob("*.patch"))]


def does_apply(patch: Path, tree: Path, *, only_check: bool = False) -> str:
    """Apply a patch to a tree; git's complaint, or nothing."""
    command = ["git", "apply", *(["--check"] if only_check else []), "--unidiff-zero", str(patch)]
    # git must not take a tree for a directory of some repository around it: it would skip what it does not track
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.stderr.strip()


@contextmanager
def copied(tree: Path) -> Iterator[Path]:
    """A copy of a copy, with what was compiled there."""
    with TemporaryDirectory(prefix="handrail-mutant-", ignore_cleanup_errors=True) as directory:
        yield Path(shutil.copytree(tree, Path(directory) / "tree"))


@contextmanager
def the_tree() -> Iterator[Path]:
    """A copy of our tree as it stands, without what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    with TemporaryDirectory(prefix="handrail-untouched-", ignore_cleanup_errors=True) as directory:
        tree = Path(directory) / "tree"
        for name in filter(None, listed):
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, tree / name)
        yield tree


def python_in(tree: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run this interpreter where the copy's packages win over the installed ones."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "CI": "1"}
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=_LONGEST,
    )  # fmt: skip


def check_that_the_copy_wins(tree: Path) -> None:
    """Raises RuntimeError when a test in the copy would import the code of another place."""
    source = f"import {', '.join(_PACKAGES)}; print(*[one.__file__ for one in ({', '.join(_PACKAGES)})], sep='\\n')"
    files = python_in(tree, "-c", source).stdout.split()
    if len(files) != len(_PACKAGES) or not all(Path(file).is_relative_to(tree) for file in files):
        raise RuntimeError(f"the copy's packages do not win: {files}")


def failing(tree: Path, tests: Iterable[str], database: str) -> str:
    """The first test that fails, or nothing. Raises RuntimeError when they cannot run: that shows nothing."""
    try:
        done = python_in(tree, "-m", "pytest", "-q", "-x", "-rfE", "--tb=no", *SELECTIONS[database], *tests)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"its tests did not come to an end in {_LONGEST} s") from None
    if done.returncode == 0:
        return ""
    failed = re.findall(r"^FAILED (\S+(?: \S+\])?)", done.stdout, re.MULTILINE)
    if done.returncode != 1 or not failed or re.search(r"^ERROR ", done.stdout, re.MULTILINE):
        raise RuntimeError(f"its tests cannot run: {(done.stdout + done.stderr).strip()[-600:]}")
    return str(failed[0])


def fate(mutant: Mutant, untouched_tree: Path) -> tuple[str, str]:
    """By which test it was caught, or nothing; and what was wrong with it, or nothing."""
    with copied(untouched_tree) as tree:
        if complaint := does_apply(mutant.patch, tree):
            return "", f"{mutant.name} does not apply any more: {complaint}"
        try:
            caught = failing(tree, mutant.tests, mutant.database)
        except RuntimeError as problem:
            return "", f"{mutant.name}: {problem}"
    return caught, "" if caught else f"{mutant.name} survived: {mutant.breaks}"


def fails_anyway(mutants: Sequence[Mutant], tree: Path) -> list[str]:
    """What fails where nothing was planted: whatever it seems to catch then, it catches nothing."""
    check_that_the_copy_wins(tree)
    problems = []
    for database in sorted({mutant.database for mutant in mutants}):
        tests = sorted({test for mutant in mutants if mutant.database == database for test in mutant.tests})
        try:
            failed = failing(tree, tests, database)
        except RuntimeError as problem:
            failed = str(problem)
        if failed:
            problems.append(f"fails without any mutant ({database}): {failed}")
    return problems


def run(mutants: Sequence[Mutant], *, what: str) -> Finding:
    """Plant them all, two at a time."""
    began = time.monotonic()
    promises = sorted({promise for mutant in mutants for promise in mutant.promises}, key=lambda one: int(one[1:]))
    finding = Finding(part="mutants", what=what, promises=promises, seed=0, database="both")
    with the_tree() as tree, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        finding.violations = fails_anyway(mutants, tree)
        chosen = [] if finding.violations else mutants
        for mutant, (caught, problem) in zip(chosen, pool.map(fate, chosen, repeat(tree)), strict=False):
            finding.mutants[mutant.name] = caught
            sys.stderr.write(f"{mutant.name}: {f'caught by {caught}' if caught else problem}\n")
            finding.violations += [problem] if problem else []
    finding.runs = len(finding.mutants)
    finding.seconds = round(time.monotonic() - began, 1)
    return finding


def main(arguments: Sequence[str] | None = None) -> None:
    """Plant all, three (`--quick`) or one (`--only NAME`), and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="this mutant alone")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    for option in ("--seed", "--database"):
        parser.add_argument(option, help="taken and not needed: each patch says where it can be seen")
    asked = parser.parse_args(arguments)
    mutants = planted()
    if asked.only or asked.quick:
        names = {asked.only} if asked.only else set(QUICK)
        mutants = [mutant for mutant in mutants if mutant.name in names]
        if len(mutants) < len(names):
            parser.error(f"no such mutant; there are {', '.join(mutant.name for mutant in planted())}")
    run(mutants, what=f"{len(mutants)} faults planted in a copy of the code, one at a time").say()


if __name__ == "__main__":
    main()
