"""What is kept of a proof: one part run again takes the place of its first run, and nothing else does."""

from collections import Counter
from pathlib import Path

import prove
import pytest
from finding import Finding
from kept import Kept, Told


def _told(what: str, problem: str = "") -> Told:
    finding = Finding(part="kill -9", what=what, promises=["P2"], seed=1, faults=Counter(timeout_after=2))
    return Told([finding], problem)


def _kept(file: Path) -> None:
    kept = Kept("abc123", 1, 600.0)
    kept.take("kill_loops.py", _told("first"), by_itself=False)
    kept.take("mutants.py", _told("broken off", "mutants.py ended with status 1"), by_itself=False)
    kept.save(file)


def test_a_part_run_again_takes_the_place_of_its_first_run(tmp_path: Path) -> None:
    _kept(tmp_path / "proof.json")
    kept = Kept.load(tmp_path / "proof.json")
    assert kept.unfinished == ["mutants.py ended with status 1"]
    kept.take("mutants.py", _told("all of them"), by_itself=True)
    kept.save(tmp_path / "proof.json")
    kept = Kept.load(tmp_path / "proof.json")
    assert [finding.what for finding in kept.findings] == ["first", "all of them"]
    assert kept.findings[0].faults == Counter(timeout_after=2)
    assert not kept.unfinished
    (again,) = kept.again
    assert again.startswith("mutants.py at ")


@pytest.mark.parametrize(
    ("commit", "words", "is_joined"),
    [
        ("abc123", ["--only", "mutants"], True),
        ("abc124", ["--only", "mutants"], False),
        ("abc123", ["--only", "mutants", "--seed", "2"], False),
        ("abc123", [], False),
    ],
    ids=["the same", "another commit", "another seed", "the whole"],
)
def test_only_what_was_run_on_the_same_commit_is_joined(
    commit: str, words: list[str], is_joined: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kept(tmp_path / "proof.json")
    monkeypatch.setattr(prove, "_commit", lambda: commit)
    kept = prove._kept(prove._options([*words, "--keep", str(tmp_path / "proof.json")]))
    assert bool(kept.parts) is is_joined
    assert kept.missing(["kill_loops.py", "histories.py"]) == (
        ["histories.py"] if is_joined else ["kill_loops.py", "histories.py"]
    )


def test_what_was_changed_and_not_committed_is_joined_with_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "abc123" + prove.CHANGED
    monkeypatch.setattr(prove, "_commit", lambda: commit)
    Kept(commit, 1, 600.0, {"mutants.py": _told("of another tree")}).save(tmp_path / "proof.json")
    assert not prove._kept(prove._options(["--only", "mutants", "--keep", str(tmp_path / "proof.json")])).parts
