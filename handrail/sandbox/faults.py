"""Faults: how the next writes of a capability are made to misbehave."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.actions import Capability
from domain.words import did_you_mean, one_of
from handrail.sandbox.effects import CAPABILITIES

MOST_WRITES = 1_000_000
LONGEST_SECONDS = 3600.0


class Mode(StrEnum):
    """What a write meets."""

    STATUS_503 = "status_503"  # refused with 503; not applied
    STATUS_429 = "status_429"  # refused with 429 and `Retry-After: seconds`; not applied
    TIMEOUT_BEFORE = "timeout_before"  # held for `seconds`, then closed without an answer; not applied
    TIMEOUT_AFTER = "timeout_after"  # applied, held for `seconds`, then closed without an answer
    RESET_AFTER = "reset_after"  # applied, then the connection is reset
    BAD_JSON = "bad_json"  # applied, answered 200 with a body nobody can read
    SLOW = "slow"  # after `seconds`, as if nothing were wrong


class FaultProblem(ValueError):
    """A fault that cannot be injected; says what is wrong with it and what would be right."""


@dataclass(slots=True)
class Fault:
    """The next `count` writes of `capability` meet `mode`."""

    capability: Capability
    mode: Mode
    count: int
    seconds: float

    def fields(self) -> dict[str, Any]:
        """The fault as JSON."""
        return {"capability": self.capability, "mode": self.mode, "count": self.count, "seconds": self.seconds}


class Faults:
    """The faults still to come, those of one capability one after the other. A restart forgets them."""

    def __init__(self) -> None:
        """Nothing will go wrong."""
        self._queues: dict[Capability, deque[Fault]] = {capability: deque() for capability in CAPABILITIES}

    def add(self, fault: Fault) -> None:
        """Queue a fault behind those of its capability."""
        self._queues[fault.capability].append(fault)

    def take(self, capability: Capability) -> Fault | None:
        """What the write now at hand meets, if anything; uses up one of its count."""
        queue = self._queues[capability]
        if not queue:
            return None
        fault = queue[0]
        fault.count -= 1
        if fault.count == 0:
            queue.popleft()
        return fault

    def clear(self) -> None:
        """Let nothing more go wrong."""
        for queue in self._queues.values():
            queue.clear()

    def pending(self) -> list[Fault]:
        """The faults still to come, in the order in which each capability meets them."""
        return [fault for queue in self._queues.values() for fault in queue]


def read_fault(body: Mapping[str, Any]) -> Fault:
    """The fault a request asks for. `seconds` is 1 unless told. Raises FaultProblem."""
    unknown = sorted(set(body) - {"capability", "mode", "count", "seconds"})
    if unknown:
        hint = did_you_mean(unknown[0], ("capability", "mode", "count", "seconds"))
        raise FaultProblem(f'"{unknown[0]}" is no field of a fault{hint}: send capability, mode, count and seconds')
    return Fault(
        capability=Capability(_word("capability", body.get("capability"), CAPABILITIES)),
        mode=Mode(_word("mode", body.get("mode"), tuple(Mode))),
        count=_count(body.get("count")),
        seconds=_seconds(body.get("seconds", 1.0)),
    )


def _word(name: str, told: object, valid: tuple[str, ...]) -> str:
    if isinstance(told, str) and told in valid:
        return told
    hint = did_you_mean(told, valid) if isinstance(told, str) else ""
    raise FaultProblem(f"{name} is {_said(told)}{hint}: send {one_of(valid)}")


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
