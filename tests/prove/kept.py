"""What each part of the proof found, kept in a file: a part run again by itself takes the place of its first run."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from finding import Finding


@dataclass
class Told:
    """One part's end."""

    findings: list[Finding]
    problem: str = ""
    """Why it did not come to its end; empty when it did."""
    again: str = ""
    """When it was run again by itself, as the report says it; empty for a part of the whole run."""


@dataclass
class Kept:
    """One proof: what its parts told, by script, in the order they were first run."""

    commit: str
    seed: int
    seconds: float = 0.0
    """How long the whole run took; and the parts that were run again."""
    parts: dict[str, Told] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """Of all parts."""
        return [finding for told in self.parts.values() for finding in told.findings]

    @property
    def unfinished(self) -> list[str]:
        """Which parts did not come to their end, in words."""
        return [told.problem for told in self.parts.values() if told.problem]

    @property
    def again(self) -> list[str]:
        """Which parts were run again by themselves, in words."""
        return [f"{script} at {told.again}" for script, told in self.parts.items() if told.again]

    def missing(self, scripts: Iterable[str]) -> list[str]:
        """Those of these that were never run."""
        return [script for script in scripts if script not in self.parts]

    def take(self, script: str, told: Told, *, by_itself: bool) -> None:
        """What a part told, in the place of what it told before."""
        if by_itself and script in self.parts:
            told.again = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        self.parts[script] = told

    def save(self, file: Path) -> None:
        """Write it down, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".new")
        parts = {
            script: {**vars(told), "findings": [finding.as_line() for finding in told.findings]}
            for script, told in self.parts.items()
        }
        beside.write_text(json.dumps({**vars(self), "parts": parts}, ensure_ascii=False), encoding="utf-8")
        beside.replace(file)

    @classmethod
    def load(cls, file: Path) -> "Kept":
        """What was kept there; raises FileNotFoundError."""
        told = json.loads(file.read_text(encoding="utf-8"))
        parts = {
            script: Told([Finding.from_line(line) for line in part["findings"]], part["problem"], part["again"])
            for script, part in told.pop("parts").items()
        }
        return cls(**told, parts=parts)
