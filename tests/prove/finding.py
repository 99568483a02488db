"""What one campaign of the proof found, as one JSON line: written by each part, read by the report."""

import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field


@dataclass
class Finding:
    """Numbers that were counted, never estimated. A field that does not concern a campaign stays as it is."""

    part: str
    """Which part of the proof: "crash points", "kill -9", "vendor faults", …"""
    what: str
    """The campaign in words: what was done to what."""
    promises: list[str]
    """Which properties of `promises.md` it judges: "P5", …"""
    seed: int
    database: str = "sqlite"
    runs: int = 0
    """Histories run from an empty ledger to rest."""
    deaths: int = 0
    """Processes killed."""
    stops: int = 0
    """Processes stopped past their lease and woken."""
    faults: Counter[str] = field(default_factory=Counter)
    """By mode: how often the vendor, or something between, misbehaved."""
    points_covered: int = 0
    points_known: int = 0
    """Hits of crash points in the clean run, and how many of them a process was killed at."""
    effects_due: int = 0
    """Effects that somebody was promised, by the driver's own list."""
    lost: int = 0
    """Of those, neither in the vendor's record nor visible to a person."""
    doubled: int = 0
    """Effects in the vendor's record more often than allowed, and not a counted resend."""
    resent: int = 0
    """Acknowledgements in the record twice: each the one counted resend of a vendor that promises nothing."""
    uncertain: int = 0
    """Lost answers: opened, settled without a person, left to people."""
    settled: int = 0
    left_to_people: int = 0
    longest_recovery_seconds: float = 0.0
    """From the death (or the end of the fault) until the last effect it delayed was in the vendor's record."""
    repeats_changed: int = 0
    """P22: effects that a restart and the redelivery of all input added to the vendor's record."""
    p50_seconds: float = 0.0
    p99_seconds: float = 0.0
    """From the first byte of a critical answer until its ticket and its acknowledgement were in the vendor's record."""
    mutants: dict[str, str] = field(default_factory=dict)
    """Faults planted in a copy of the code, each with the test that caught it; empty: it survived."""
    steps: int = 0
    """What people, vendors, processes and clocks did in all histories together."""
    did: dict[str, int] = field(default_factory=dict)
    """By kind of step: how often it changed something, so that none is believed tried that never was."""
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    """What did not hold, in words, with what is needed to see it again. Empty: everything held."""
    not_covered: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """True when nothing was found that must not be."""
        return not (self.violations or self.lost or self.doubled or self.repeats_changed)

    def as_line(self) -> str:
        """One JSON line."""
        return json.dumps({**asdict(self), "faults": dict(self.faults)}, ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str) -> "Finding":
        """The finding of one line."""
        told = json.loads(line)
        return cls(**{**told, "faults": Counter(told["faults"])})

    def say(self) -> None:
        """Print the line."""
        sys.stdout.write(self.as_line() + "\n")
        sys.stdout.flush()
