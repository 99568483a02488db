"""The judge: the vendor's own record against the driver's own list of what was due. It never reads our tables."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Effects:
    """What the vendor applied: key → the instants at which it made something new of that key, oldest first."""

    made: Mapping[str, list[datetime]]

    @classmethod
    def of(cls, record: Path) -> "Effects":
        """Read the sandbox's record. An upsert of a known key makes nothing new, so it does not count twice."""
        made: dict[str, list[datetime]] = defaultdict(list)
        for line in record.read_bytes().split(b"\n")[:-1]:  # a last line without its end was never told to anybody
            effect = json.loads(line)
            if effect["effect"] == "created":
                made[effect["key"]].append(datetime.fromisoformat(effect["at"]))
        return cls(made)

    def count(self, key: str) -> int:
        """How often the customer, or the desk, got it."""
        return len(self.made.get(key, ()))

    def counts(self) -> Counter[str]:
        """All of them."""
        return Counter({key: len(times) for key, times in self.made.items()})


@dataclass
class Verdict:
    """What came of everything that was due."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    resent: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    left_to_people: list[str] = field(default_factory=list)


def judge(
    effects: Effects,
    due: Iterable[str],
    *,
    seen_by_people: Iterable[str] = (),
    resends: Mapping[str, int] | None = None,
) -> Verdict:
    """Hold the record against `due`, the keys that the driver knows must come to pass.

    `seen_by_people` and `resends` are what Handrail admits (rows left to people, counted resends), never what it
    claims: an admitted row may be missing, an admitted resend may be there twice, and both are listed.
    """
    verdict, admitted, counted = Verdict(), set(seen_by_people), resends or {}
    wanted = set(due)
    for key in sorted(wanted):
        count = effects.count(key)
        if key in admitted:
            verdict.left_to_people.append(key)
        elif count == 0:
            verdict.lost.append(key)
        if count > 1 + min(1, counted.get(key, 0)):
            verdict.doubled.append(f"{key} ({count} times)")
        elif count > 1:
            verdict.resent.append(key)
    verdict.unasked = sorted(key for key in effects.made if key not in wanted)
    return verdict
