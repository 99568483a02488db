"""Histories of reviews, of one seed on one kind of database."""

from history_runs import Ran, run_counted
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


def run_reviews(place: Place, *, examples: int, steps: int, seed: int | None = None) -> Ran:
    """Run so many histories. Raises what did not hold, with the shortest history that shows it in its notes."""
    return run_counted(ReviewMachine, place, examples=examples, steps=steps, seed=seed, ci_seed=_CI_SEED)
