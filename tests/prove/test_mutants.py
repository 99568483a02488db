"""The planted mutants still fit the code, and the harness tells a mutant that is caught from one that is not."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mutants import PATCHES, ROOT, SELECTIONS, Mutant, does_apply, fails_anyway, fate, planted, the_tree

NAMED_BY_DESIGN = {
    "unique-key-removed",
    "claim-after-send",
    "read-timeout-is-failure",
    "fence-ignored",
    "suppression-outside-the-transaction",
    "cap-per-process",
    "lease-by-the-workers-clock",
    "evidence-check-skipped",
    "sweep-by-age",
}
PATCH_FILES = sorted(PATCHES.glob("*.patch"))


@pytest.mark.parametrize("patch", PATCH_FILES, ids=lambda patch: patch.stem)
def test_a_mutant_fits_the_code_and_names_tests_there_are(patch: Path) -> None:
    """Red after a change of the code it breaks: make the patch anew, so that it breaks the same promise again."""
    mutant = Mutant.of(patch)
    assert does_apply(patch, ROOT, only_check=True) == ""
    assert mutant.database in SELECTIONS
    assert all(re.fullmatch(r"P\d+", promise) for promise in mutant.promises), "as in P9 P12"
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8") if name else (ROOT / file).is_file()


def test_those_that_the_design_names_are_planted() -> None:
    assert {mutant.name for mutant in planted()} >= NAMED_BY_DESIGN


HEAD = """Breaks: nothing.
Promises: P4
Database: sqlite
Caught by: tests/unit/domain/test_domain_breaker.py

--- a/domain/breaker.py
+++ b/domain/breaker.py
@@ -1,2 +1,2 @@
"""
FIRST = '"""The breaker of one integration: when to stop sending, when to look again."""'


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    with the_tree() as made:
        yield made


@pytest.fixture
def harmless(tmp_path: Path) -> Mutant:
    patch = tmp_path / "harmless.patch"
    patch.write_text(f'{HEAD}-{FIRST}\n+"""Another first line."""\n \n', encoding="utf-8")
    return Mutant.of(patch)


@pytest.mark.process
@pytest.mark.slow
def test_a_mutant_that_no_test_sees_is_told(harmless: Mutant, tree: Path) -> None:
    assert fails_anyway([harmless], tree) == []
    assert fate(harmless, tree) == ("", "harmless survived: nothing.")


@pytest.mark.process
@pytest.mark.slow
def test_a_mutant_that_a_test_sees_is_caught_by_that_test(tree: Path) -> None:
    (mutant,) = (mutant for mutant in planted() if mutant.name == "breaker-never-opens")
    alone = replace(mutant, tests=mutant.tests[:1])
    assert fate(alone, tree) == ("tests/unit/domain/test_domain_breaker.py::test_failures_in_a_row_open_it", "")


def test_a_patch_that_does_not_apply_is_no_mutant(harmless: Mutant, tree: Path) -> None:
    said = harmless.patch.read_text(encoding="utf-8")
    harmless.patch.write_text(said.replace(FIRST, '"""Never there."""'), encoding="utf-8")
    caught, problem = fate(harmless, tree)
    assert (caught, problem.split(":")[0]) == ("", "harmless does not apply any more")


@pytest.mark.process
@pytest.mark.slow
def test_tests_that_cannot_run_catch_nothing(harmless: Mutant, tree: Path) -> None:
    caught, problem = fate(replace(harmless, tests=("tests/unit/domain/test_domain_breaker.py::test_nowhere",)), tree)
    assert (caught, "cannot run" in problem) == ("", True)


@pytest.mark.process
@pytest.mark.slow
def test_what_fails_anyway_catches_nothing(harmless: Mutant, tree: Path) -> None:
    (problem,) = fails_anyway([replace(harmless, tests=("tests/unit/domain/nowhere.py",))], tree)
    assert problem.startswith("fails without any mutant (sqlite)")
