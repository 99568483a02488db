"""Histories of journeys, of one seed on one kind of database."""

from collections import Counter
from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from journey_machine import JourneyMachine
from ledger_runs import Place

USUAL = frozenset(
    {
        *("armed: welcome", "armed: guide", "armed: tips", "armed: help", "armed: thanks", "armed: check"),
        *("arming: skip", "arming: defer", "arming: replan", "arming: toperson", "arming: expire"),
        *("journey ended: goal", "journey ended: churn", "journey ended: reply"),
        *("journey ended: refused", "journey ended: locked", "journey ended: erased"),
        *("died holding something", "clock set", "drip: dry", "decided: ready"),
    }
)
"""What a run of some size has seen, or it shows little."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What happened in the histories of one run."""

    histories: int
    steps: int
    did: Counter[str]


def run_journeys(place: Place, *, examples: int, steps: int, seed: int | None = None) -> Ran:
    """Run so many histories. Raises what did not hold, with the shortest history that shows it in its notes."""
    did: Counter[str] = Counter()

    class Machine(JourneyMachine):
        fresh = staticmethod(place.fresh)
        forget = staticmethod(place.forget)

        def ended(self) -> None:
            did.update(self.house.did)
            did["histories"] += 1

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
    return Ran(did.pop("histories", 0), did.pop("steps", 0), did)
