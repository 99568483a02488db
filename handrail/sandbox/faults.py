"""Faults: how the next requests of a capability are made to misbehave, and which did."""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from domain.actions import Capability
from domain.words import did_you_mean, one_of
from handrail.sandbox.effects import CAPABILITIES, stamp
from handrail.sandbox.modes import MODES, Meets, Mode

MOST_WRITES = 1_000_000
LONGEST_SECONDS = 3600.0
LONGEST_LOG = 50_000  # met faults; older ones are forgotten, but stay counted


class FaultProblem(ValueError):
    """A fault that cannot be injected; says what is wrong with it and what would be right."""


@dataclass(slots=True)
class Fault:
    """The next `count` requests of `capability` that `mode` is for meet it."""

    capability: Capability
    mode: Mode
    count: int
    seconds: float

    def fields(self) -> dict[str, Any]:
        """The fault as JSON."""
        return {"capability": self.capability, "mode": self.mode, "count": self.count, "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Met:
    """A request that met a fault; `keys` is what it was about."""

    at: str  # when the request came; UTC, see `stamp`
    capability: Capability
    mode: Mode
    seconds: float
    keys: Sequence[str]


class Faults:
    """The faults still to come, those of one capability one after the other. A restart forgets them.

    Writes, searches and batches queue apart: a fault for searches does not wait for writes to meet those before it.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Nothing will go wrong."""
        self._clock = clock
        self._queues: dict[tuple[Capability, Meets], deque[Fault]] = {
            (capability, meets): deque() for capability in CAPABILITIES for meets in Meets
        }
        self._counts: dict[Capability, Counter[Mode]] = defaultdict(Counter)
        self._met: deque[Met] = deque(maxlen=LONGEST_LOG)

    def add(self, fault: Fault) -> None:
        """Queue a fault behind those of its capability."""
        self._queues[fault.capability, MODES[fault.mode].meets].append(fault)

    def take(self, capability: Capability, meets: Meets = Meets.WRITES) -> Fault | None:
        """What the request now at hand meets, if anything; uses up one of its count. Tell `met` when it bites."""
        queue = self._queues[capability, meets]
        if not queue:
            return None
        fault = queue[0]
        fault.count -= 1
        if fault.count == 0:
            queue.popleft()
        return fault

    def met(self, fault: Fault, keys: Sequence[str]) -> None:
        """A request about `keys` really met the fault."""
        self._counts[fault.capability][fault.mode] += 1
        self._met.append(Met(stamp(self._clock()), fault.capability, fault.mode, fault.seconds, keys))

    def clear(self) -> None:
        """Let nothing more go wrong."""
        for queue in self._queues.values():
            queue.clear()

    def forget(self) -> None:
        """Let nothing more go wrong, and forget what did."""
        self.clear()
        self._counts.clear()
        self._met.clear()

    def pending(self) -> list[Fault]:
        """The faults still to come, in the order in which each capability meets them."""
        return [fault for queue in self._queues.values() for fault in queue]

    def counts(self) -> dict[str, dict[str, int]]:
        """How often each mode was really met, by capability."""
        return {
            capability: {mode: number for mode, number in counted.items()}
            for capability, counted in self._counts.items()
        }

    def log(self) -> list[dict[str, Any]]:
        """Every fault that was met, oldest first."""
        return [asdict(met) for met in self._met]


def read_fault(body: Mapping[str, Any]) -> Fault:
    """The fault a request asks for. `seconds` is 1 unless told. Raises FaultProblem."""
    unknown = sorted(set(body) - {"capability", "mode", "count", "seconds"})
    if unknown:
        hint = did_you_mean(unknown[0], ("capability", "mode", "count", "seconds"))
        raise FaultProblem(f'"{unknown[0]}" is no field of a fault{hint}: send capability, mode, count and seconds')
    return Fault(
        capability=Capability(_word("capability", body.get("capability"), CAPABILITIES)),
        mode=Mode(_word("mode", body.get("mode"), tuple(Mode), "one that GET /faults/modes lists")),
        count=_count(body.get("count")),
        seconds=_seconds(body.get("seconds", 1.0)),
    )


def _word(name: str, told: object, valid: tuple[str, ...], choice: str = "") -> str:
    if isinstance(told, str) and told in valid:
        return told
    hint = did_you_mean(told, valid) if isinstance(told, str) else ""
    raise FaultProblem(f"{name} is {_said(told)}{hint}: send {choice or one_of(valid)}")


def _count(told: object) -> int:
    if isinstance(told, int) and not isinstance(told, bool) and 1 <= told <= MOST_WRITES:
        return told
    raise FaultProblem(
        f"count is {_said(told)}: send how many writes misbehave, a whole number from 1 to {MOST_WRITES}"
    )


def _seconds(told: object) -> float:
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told <= LONGEST_SECONDS:
        return float(told)
    raise FaultProblem(f"seconds is {_said(told)}: send a number from 0 to {LONGEST_SECONDS:g}")


def _said(told: object) -> str:
    return "missing" if told is None else json.dumps(told)[:_LONGEST_QUOTE]


_LONGEST_QUOTE = 80
