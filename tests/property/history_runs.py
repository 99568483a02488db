"""Histories of one state machine on one kind of database, counted by what happened in them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from ledger_runs import Place, run_machine


@dataclass(frozen=True, slots=True)
class Ran:
    """What happened in the histories of one run."""

    histories: int
    steps: int
    did: Counter[str]


def run_counted(
    machine: type[Any], place: Place, *, examples: int, steps: int, seed: int | None, ci_seed: int | None = None
) -> Ran:
    """Run so many histories. Raises what did not hold, with the shortest history that shows it in its notes.

    `ci_seed`: what chance begins with where everybody must see the same; None: they are made without it.
    """
    did: Counter[str] = Counter()

    class Machine(machine):  # type: ignore[misc]
        fresh = staticmethod(place.fresh)
        forget = staticmethod(place.forget)

        def ended(self) -> None:
            did.update(self.house.did)
            did["histories"] += 1

    if seed is None and settings().derandomize:
        seed = ci_seed
    run_machine(Machine, examples=examples, steps=steps, seed=seed)
    return Ran(did.pop("histories", 0), did.pop("steps", 0), +did)
