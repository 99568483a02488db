"""What one run plans for each purpose, held back until it is known whether it is too many at once.

So every one of them waits for a review, not those alone that came after the cap; and nothing is counted beforehand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from domain.review_rules import Risk, Rule

T = TypeVar("T")

MOST_HELD = 20_000
"""Of one purpose. A higher cap lets the first of them go as they are, and holds for those after it: memory is flat."""


@dataclass
class _Crowd(Generic[T]):
    rooms: Mapping[Rule, int]
    held: list[T] = field(default_factory=list)
    count: int = 0  # of all that were taken, held or not
    rules: tuple[Rule, ...] = ()  # those that apply by now
    is_open: bool = False  # nothing more is held


class Crowds(Generic[T]):
    """The crowds of one run. `room_of` says how many more may come until which rule applies (`domain.risk.room`)."""

    def __init__(
        self,
        room_of: Callable[[str], Mapping[Rule, int]],
        risk_of: Callable[[Rule], Risk | None],
        *,
        most: int,
        size_of: Callable[[T], int] = lambda _one: 1,
    ) -> None:
        """`size_of`: for how many customers one that is taken stands."""
        self._room_of, self._risk_of, self._most, self._size_of = room_of, risk_of, most, size_of
        self._crowds: dict[str, _Crowd[T]] = {}

    def take(self, what: str, those: Sequence[T]) -> tuple[tuple[Rule, ...], list[T]]:
        """More of one purpose; which of it may be planned now (often none), and the rules that apply to all of that."""
        crowd = self._crowds.get(what)
        if crowd is None:
            crowd = self._crowds[what] = _Crowd(self._room_of(what))
        crowd.count += sum(map(self._size_of, those))
        crowd.rules = tuple(rule for rule, room in crowd.rooms.items() if crowd.count > room)
        if crowd.is_open:
            return crowd.rules, list(those)
        crowd.held += those
        crowd.is_open = self._is_sure(crowd) or crowd.count > self._most
        return crowd.rules, self._let_go(crowd) if crowd.is_open else []

    def rest(self) -> Iterator[tuple[str, tuple[Rule, ...], list[T]]]:
        """What is still held at the end of the run, by purpose."""
        for what, crowd in self._crowds.items():
            if crowd.held:
                yield what, crowd.rules, self._let_go(crowd)

    def _is_sure(self, crowd: _Crowd[T]) -> bool:
        """True when no rule that may still come to apply is of a higher class than those that do."""
        order = list(Risk)

        def rank(rule: Rule) -> int:
            found = self._risk_of(rule)
            return -1 if found is None else order.index(found)

        highest = max(map(rank, crowd.rules), default=-1)
        return all(rank(rule) <= highest for rule in crowd.rooms)

    @staticmethod
    def _let_go(crowd: _Crowd[T]) -> list[T]:
        held, crowd.held = crowd.held, []
        return held
