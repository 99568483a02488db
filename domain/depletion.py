"""Depletion: when purchased stock is likely used up, from when it was bought before.

How: the logarithm of the days from one purchase to the next is taken as normally distributed around a mean of the
customer's own, and these means as normally distributed around the product's (empirical Bayes by moments: few purchases
of one's own lean on everybody's, many stand for themselves). Where larger quantities demonstrably last longer, days are
counted for the quantity. What is known on the day of the estimate, that nothing has been bought since, is part of it.
docs/depletion.md says how well it does, and what else was tried.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

_NORMAL = NormalDist()

_PEERS_AT_LEAST = 8
"""Degrees of freedom from which on a spread is worth anything: intervals less customers."""

_SURE = 2.0
"""Standard errors above nothing from which on a larger quantity is taken to last longer."""

_ROUNDED = 1 / 6
"""Variance, in square days, of the days between two moments that are known by their days."""

_PRODUCT_OF_ITS_OWN = 30
"""Customers who keep buying a product before it has a rhythm of its own; until then it has that of all products."""


@dataclass(frozen=True, slots=True)
class DepletionPolicy:
    """When an estimate may be made."""

    purchases_at_least: int  # of one product by one customer; fewer: no guess
    share_inside: float  # of endings that should lie between the earliest and the latest day
    quiet_after_days: int  # past the latest day: nothing is due any more, the customer has probably stopped

    def __post_init__(self) -> None:
        if self.purchases_at_least < 2:
            raise ValueError("purchases_at_least must be 2 or more: one purchase has no interval")
        if not 0.5 <= self.share_inside < 1:
            raise ValueError("share_inside lies between 0.5 and 1")


class Bought(NamedTuple):
    """What a customer bought of one product on one day; several purchases of a day are one."""

    on: date
    quantity: float


class NoEstimate(StrEnum):
    """Why nothing is said about when somebody needs more."""

    TOO_FEW_PURCHASES = "too few purchases of it on different days"
    TOO_FEW_PEERS = "too few purchases by anybody to know how regular they are"
    STOPPED = "nothing bought for so long that they have probably stopped"


@dataclass(frozen=True, slots=True)
class Estimate:
    """The next need: as likely before `likely_on` as after; between the others in the policy's share of cases."""

    earliest_on: date
    likely_on: date
    latest_on: date


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a product is bought by those who keep buying it; logarithms of days."""

    mean: float
    within: float  # variance of one customer's intervals
    between: float  # variance of customers' means; infinite: there is nobody to compare with
    per_quantity: float  # 0: quantity tells nothing; 1: twice as much lasts twice as long


@dataclass(slots=True)
class Tally:
    """What a rhythm is learnt from: sums alone, so that any number of customers fits."""

    customers: int = 0
    intervals: int = 0
    squares: float = 0.0  # of customers' numbers of intervals
    days: float = 0.0
    quantities: float = 0.0
    days_between: float = 0.0
    both_between: float = 0.0
    quantities_between: float = 0.0
    days_within: float = 0.0
    both_within: float = 0.0
    quantities_within: float = 0.0

    def add(self, history: Sequence[Bought]) -> None:
        """Learn from one customer's purchases of one product, in order, of different days."""
        count = len(history) - 1
        days = _log_days(history)
        quantities = _log_quantities(history)
        day, quantity = sum(days) / count, sum(quantities) / count
        self.customers += 1
        self.intervals += count
        self.squares += count * count
        self.days += count * day
        self.quantities += count * quantity
        self.days_between += count * day * day
        self.both_between += count * day * quantity
        self.quantities_between += count * quantity * quantity
        for one, other in zip(days, quantities, strict=True):
            self.days_within += (one - day) ** 2
            self.both_within += (one - day) * (other - quantity)
            self.quantities_within += (other - quantity) ** 2

    def rhythm(self) -> Rhythm | None:
        """What was learnt; None: too little to say how regular anybody is."""
        freedom = self.intervals - self.customers
        if freedom < _PEERS_AT_LEAST:
            return None
        per = self._per_quantity(freedom)
        within = max(0.0, self.days_within - 2 * per * self.both_within + per * per * self.quantities_within) / freedom
        mean = (self.days - per * self.quantities) / self.intervals
        apart = self.days_between - 2 * per * self.both_between + per * per * self.quantities_between
        apart -= self.intervals * mean * mean
        if self.customers == 1:
            return Rhythm(mean, within, math.inf, per)
        share = self.intervals - self.squares / self.intervals
        return Rhythm(mean, within, max(0.0, apart - (self.customers - 1) * within) / share, per)

    def _per_quantity(self, freedom: int) -> float:
        """The slope within customers: how a customer's own larger purchases last, not how larger customers buy."""
        if self.quantities_within <= 0:
            return 0.0
        slope = self.both_within / self.quantities_within
        left = max(0.0, self.days_within - slope * self.both_within) / (freedom - 1)
        is_sure = slope > _SURE * math.sqrt(left / self.quantities_within)
        return min(slope, 1.0) if is_sure else 0.0


class Rhythms:
    """What is learnt of all products from those who keep buying them."""

    def __init__(self, policy: DepletionPolicy) -> None:
        self._policy = policy
        self._all = Tally()
        self._products: dict[str, Tally] = {}
        self._known: dict[str, Rhythm | None] = {}

    def add(self, product: str, history: Sequence[Bought]) -> None:
        """Learn from one customer's purchases of one product, in order, of different days."""
        if len(history) >= max(self._policy.purchases_at_least, 3):  # one interval tells nothing of regularity
            self._all.add(history)
            self._products.setdefault(product, Tally()).add(history)

    def of(self, product: str) -> Rhythm | None:
        """A product's rhythm, when all is learnt; None: too little is known of any."""
        if product not in self._known:
            tally = self._products.get(product)
            own = tally is not None and tally.customers >= _PRODUCT_OF_ITS_OWN
            self._known[product] = tally.rhythm() if tally is not None and own else self._all.rhythm()
        return self._known[product]


def next_need(
    history: Sequence[Bought], rhythm: Rhythm | None, policy: DepletionPolicy, *, as_of: date
) -> Estimate | NoEstimate:
    """When more of a product is needed, judged on `as_of`: the last day whose purchases are known.

    `history` is one customer's, in order, of different days, none after `as_of`.
    """
    if len(history) < policy.purchases_at_least:
        return NoEstimate.TOO_FEW_PURCHASES
    if rhythm is None:
        return NoEstimate.TOO_FEW_PEERS
    last = history[-1].on
    silent = (as_of - last).days
    mean, spread = _expected(history, rhythm)
    tail = (1 - policy.share_inside) / 2
    usual_latest = math.exp(mean + spread * _NORMAL.inv_cdf(1 - tail))
    if silent > usual_latest + policy.quiet_after_days:
        return NoEstimate.STOPPED
    left = _still_out(silent, mean, spread)
    days = (_day(last, as_of, mean, spread, left * later) for later in (1 - tail, 0.5, tail))
    return Estimate(*days)


def _expected(history: Sequence[Bought], rhythm: Rhythm) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of the days from the last purchase to the next."""
    count = len(history) - 1
    own = [
        day - rhythm.per_quantity * quantity
        for day, quantity in zip(_log_days(history), _log_quantities(history), strict=True)
    ]
    average = sum(own) / count
    within = max(rhythm.within, _ROUNDED / math.exp(2 * average))
    trust = 1.0 if math.isinf(rhythm.between) else count * rhythm.between / (count * rhythm.between + within)
    uncertain = within / count if math.isinf(rhythm.between) else rhythm.between * (1 - trust)
    mean = trust * average + (1 - trust) * rhythm.mean + rhythm.per_quantity * _log(history[-1].quantity)
    return mean, math.sqrt(within + uncertain)


def _still_out(silent: int, mean: float, spread: float) -> float:
    """The probability, on the day of a purchase, that the next takes longer than the silence so far."""
    return 0.5 * math.erfc((math.log(silent + 0.5) - mean) / (spread * math.sqrt(2))) if silent else 1.0


def _day(last: date, as_of: date, mean: float, spread: float, still_out: float) -> date:
    """The day on which the probability that nothing has been bought yet has fallen to `still_out`."""
    if still_out < 1e-300:  # far beyond anything usual: they are due
        return as_of + timedelta(days=1)
    days = math.exp(min(mean - spread * _NORMAL.inv_cdf(still_out), _CENTURY))
    return max(last + timedelta(days=round(days)), as_of + timedelta(days=1))


_CENTURY = math.log(36_525)


def _log_days(history: Sequence[Bought]) -> list[float]:
    return [math.log((after.on - before.on).days) for before, after in pairwise(history)]


def _log_quantities(history: Sequence[Bought]) -> list[float]:
    """Of the purchases that an interval follows."""
    return [_log(one.quantity) for one in history[:-1]]


def _log(quantity: float) -> float:
    return math.log(quantity) if quantity > 0 else 0.0
