"""Set by set, and yet one after the other where it matters: items that share a subject never stand in one round."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def rounds(items: Sequence[T], subjects: Callable[[T], frozenset[Hashable]]) -> Iterator[list[T]]:
    """The items in rounds: those of one round have no subject in common, and whoever shares one keeps the order.

    >>> [round for round in rounds(["ab", "c", "b", "a"], frozenset)]
    [['ab', 'c'], ['b', 'a']]
    """
    left = list(items)
    while left:
        taken: set[Hashable] = set()
        now: list[T] = []
        later: list[T] = []
        for item in left:
            its = subjects(item)
            (now if taken.isdisjoint(its) else later).append(item)
            taken |= its
        yield now
        left = later


def in_rounds(
    items: Sequence[T], subjects: Callable[[T], frozenset[Hashable]], work: Callable[[list[T]], Sequence[R]]
) -> list[R]:
    """What `work` makes of the items, round by round: one result an item, in the order they came."""
    results: dict[int, R] = {}
    for places in rounds(range(len(items)), lambda place: subjects(items[place])):
        results |= zip(places, work([items[place] for place in places]), strict=True)
    return [results[place] for place in range(len(items))]
