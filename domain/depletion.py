"""Depletion: when purchased stock is likely used up, from when it was bought before."""

from dataclasses import dataclass


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
