"""Backtesting: how good estimates of depletion would have been, judged by purchases they have not seen."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

from domain.depletion import Bought, DepletionPolicy, Estimate, NoEstimate, Rhythms, next_need

Supply = tuple[str, str]
"""A customer's ref and a product."""


@dataclass(frozen=True, slots=True)
class Score:
    """How one way of guessing did. Shares are None where there was nobody to judge by."""

    median_absolute_error_days: float | None
    """Of those who bought again before the data ends."""
    share_inside: float | None
    """Of those who bought again, where the data reaches to the end of the interval: what comes later is judged by
    nobody, so short waits are not preferred to long ones."""
    share_inside_of_all: float | None
    """The same with those who never bought again counted as outside; it cannot be more than the truth."""
    judged: int
    """Intervals that the data reaches to the end of."""


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came out. A supply is one product of one customer."""

    split: date  # the last day that estimates have seen
    until: date  # the last day of the data
    customers: int  # who had bought anything by the split
    customers_estimated: int
    supplies: int
    estimated: int
    no_estimate: Mapping[NoEstimate, int]
    bought_again: int  # of the estimated
    censored: int  # of the estimated: not bought again when the data ends; perhaps later, perhaps never
    estimate: Score
    last_interval: Score  # the guess that the last interval repeats itself, for the same supplies
    mean_interval: Score  # the guess that the next interval is as long as the customer's mean

    @property
    def coverage(self) -> float:
        """Share of the supplies that have an estimate."""
        return self.estimated / self.supplies if self.supplies else 0.0

    @property
    def is_better_than_guessing(self) -> bool:
        """True when the estimate's median error is smaller than that of both guesses."""
        own = self.estimate.median_absolute_error_days
        others = (self.last_interval.median_absolute_error_days, self.mean_interval.median_absolute_error_days)
        return own is not None and all(other is not None and own < other for other in others)


@dataclass(frozen=True, slots=True)
class _Case:
    """A supply with an estimate, and what came after the split."""

    known: Sequence[Bought]
    again_on: date | None


def backtest(histories: Mapping[Supply, Sequence[Bought]], policy: DepletionPolicy, *, split: date) -> Backtest:
    """Estimate from the purchases up to and including `split`, and judge by the first one after it.

    `histories` are in order, of different days each. A guess that has passed by the split is moved to the day after:
    whoever guesses then knows that it did not come true.
    """
    until = max(history[-1].on for history in histories.values())
    known = {supply: seen for supply, history in histories.items() if (seen := _until(history, split))}
    rhythms = Rhythms(policy)
    for (_, product), seen in known.items():
        rhythms.add(product, seen)
    reasons: Counter[NoEstimate] = Counter()
    cases: list[_Case] = []
    estimates: list[Estimate] = []
    named: set[str] = set()
    for (customer, product), seen in known.items():
        found = next_need(seen, rhythms.of(product), policy, as_of=split)
        if isinstance(found, NoEstimate):
            reasons[found] += 1
            continue
        history = histories[customer, product]
        cases.append(_Case(seen, history[len(seen)].on if len(history) > len(seen) else None))
        estimates.append(found)
        named.add(customer)
    again = sum(case.again_on is not None for case in cases)
    return Backtest(
        split=split,
        until=until,
        customers=len({customer for customer, _ in known}),
        customers_estimated=len(named),
        supplies=len(known),
        estimated=len(cases),
        no_estimate=dict(reasons),
        bought_again=again,
        censored=len(cases) - again,
        estimate=_score(cases, estimates, until),
        last_interval=_score(cases, _guesses(cases, known, policy, split, last_interval), until),
        mean_interval=_score(cases, _guesses(cases, known, policy, split, mean_interval), until),
    )


def last_interval(history: Sequence[Bought]) -> float:
    """Days between the last two purchases."""
    return (history[-1].on - history[-2].on).days


def mean_interval(history: Sequence[Bought]) -> float:
    """Mean of the days between purchases."""
    return (history[-1].on - history[0].on).days / (len(history) - 1)


def _until(history: Sequence[Bought], day: date) -> Sequence[Bought]:
    return history[: bisect_right(history, day, key=lambda one: one.on)]


def _guesses(
    cases: Sequence[_Case],
    known: Mapping[Supply, Sequence[Bought]],
    policy: DepletionPolicy,
    split: date,
    guess: Callable[[Sequence[Bought]], float],
) -> list[Estimate]:
    """The guess as an estimate. Its interval spans what the guess was wrong by on what it had seen: the ratios of real
    to guessed days before the split, but for equal shares at both ends."""
    ratios = sorted(
        (after.on - before.on).days / guess(seen[:position])
        for seen in known.values()
        for position, (before, after) in enumerate(pairwise(seen), start=1)
        if position >= policy.purchases_at_least
    )
    tail = (1 - policy.share_inside) / 2
    low, high = (ratios[round(share * (len(ratios) - 1))] if ratios else 1.0 for share in (tail, 1 - tail))
    first = split + timedelta(days=1)

    def day(case: _Case, ratio: float) -> date:
        return max(first, case.known[-1].on + timedelta(days=round(guess(case.known) * ratio)))

    return [Estimate(day(case, low), day(case, 1.0), day(case, high)) for case in cases]


def _score(cases: Sequence[_Case], estimates: Sequence[Estimate], until: date) -> Score:
    errors: list[int] = []
    judged = returned = inside = 0
    for case, estimate in zip(cases, estimates, strict=True):
        if case.again_on is not None:
            errors.append(abs((case.again_on - estimate.likely_on).days))
        if estimate.latest_on > until:
            continue
        judged += 1
        if case.again_on is not None:
            returned += 1
            inside += estimate.earliest_on <= case.again_on <= estimate.latest_on
    return Score(
        median_absolute_error_days=median(errors) if errors else None,
        share_inside=inside / returned if returned else None,
        share_inside_of_all=inside / judged if judged else None,
        judged=judged,
    )
