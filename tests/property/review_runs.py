"""Histories of reviews, of one seed on one kind of database."""

from collections import Counter
from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_runs import Place
from review_machine import ReviewMachine

USUAL = frozenset(
    {
        *(
            f"{what}: {risk}"
            for what in ("asked", "approved", "rejected", "went out")
            for risk in ("low", "medium", "high")
        ),
        *("expired", "superseded", "excluded", "edited", "edited: sorry", "planned anew"),
        *("went out: again", "went out: after its facts had changed"),
        *("halted", "halted, and goes on", "halted, and given up", "told: bounced", "told: complained"),
        *("code: refused", "vote refused: NotYours", "vote refused: Changed", "vote refused: Late"),
        *("vote refused: AlreadyDecided", "edit refused: Changed", "exclude refused: NotYours"),
        *("died: settle", "died: vote", "died: edit", "died: exclude", "died holding something", "stopped"),
        *("arming: replan", "arming: defer", "sent: refused", "sent: lost after", "decided: awaiting_review"),
    }
)
"""What a run of some size has seen, or it shows little."""

_CI_SEED = 22
"""Where everybody must see the same: histories that are made without chance are much alike."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What happened in the histories of one run."""

    histories: int
    steps: int
    did: Counter[str]


def run_reviews(place: Place, *, examples: int, steps: int, seed: int | None = None) -> Ran:
    """Run so many histories. Raises what did not hold, with the shortest history that shows it in its notes."""
    did: Counter[str] = Counter()
    if seed is None and settings().derandomize:
        seed = _CI_SEED

    class Machine(ReviewMachine):
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
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(Machine if seed is None else hypothesis.seed(seed)(Machine), settings=chosen)
    return Ran(did.pop("histories", 0), did.pop("steps", 0), +did)
