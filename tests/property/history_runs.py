"""Histories of one state machine on one kind of database, counted by what happened in them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_runs import Place


@dataclass(frozen=True, slots=True)
class Ran:
    """What happened in the histories of one run."""

    histories: int
    steps: int
    did: Counter[str]


def run_machine(
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
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=seed is None and settings().derandomize,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(Machine if seed is None else hypothesis.seed(seed)(Machine), settings=chosen)
    return Ran(did.pop("histories", 0), did.pop("steps", 0), +did)
