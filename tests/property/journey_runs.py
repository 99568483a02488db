"""Histories of journeys, of one seed on one kind of database."""

from history_runs import Ran, run_counted
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


def run_journeys(place: Place, *, examples: int, steps: int, seed: int | None = None) -> Ran:
    """Run so many histories. Raises what did not hold, with the shortest history that shows it in its notes."""
    return run_counted(JourneyMachine, place, examples=examples, steps=steps, seed=seed)
