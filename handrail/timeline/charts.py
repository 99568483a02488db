"""Bars: shares of a whole, and columns by day, as numbers that a page draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

HEIGHT = 140
"""Of the tallest column, in the chart's own units."""

WIDTH = 24
"""Of a column and the gap beside it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a bar."""

    word: str
    count: int
    start: float  # per cent of the whole
    size: float


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a column, from the top."""

    word: str
    count: int
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One day."""

    day: date
    left: int
    total: int
    parts: tuple[Part, ...]


def stacked(counts: Sequence[tuple[str, int]], whole: int) -> list[Bar]:
    """The parts that are not empty, one beside the other; a whole of 0 has none."""
    bars: list[Bar] = []
    start = 0.0
    for word, count in counts:
        if count and whole:
            size = 100 * count / whole
            bars.append(Bar(word, count, start, size))
            start += size
    return bars


def columns_of(days: Sequence[tuple[date, Mapping[str, int]]], words: Sequence[str]) -> list[Column]:
    """One column a day, the tallest as high as the chart; the first word lies at the bottom."""
    highest = max((sum(counts.values()) for _, counts in days), default=0)
    columns = []
    for number, (day, counts) in enumerate(days):
        parts = []
        top = float(HEIGHT)
        for word in words:
            if count := counts.get(word, 0):
                height = HEIGHT * count / highest
                top -= height
                parts.append(Part(word, count, top, height))
        columns.append(Column(day, number * WIDTH, sum(counts.values()), tuple(parts)))
    return columns
