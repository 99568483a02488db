"""Who is on call: weekly turns that begin at a wall-clock time, and swaps. Somebody always is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.hours import instant_of, require_aware, zone
from domain.review_rules import OnCall, Swap

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of time (UTC) in which one person is on call; `instead_of`: whose turn it was before they swapped."""

    who: str
    starts: datetime
    ends: datetime
    instead_of: str | None = None


def who(on_call: OnCall, at: datetime) -> str:
    """Who is on call at an instant."""
    at = require_aware(at)
    swap = _swap(on_call, at)
    return _by_turn(on_call, _number(on_call, at)) if swap is None else swap.who


def next_after(on_call: OnCall, at: datetime) -> str | None:
    """The next in the rota who is somebody else; None: there is nobody else.

    Whoever swapped the turn that is running away is not there just now, so they come last.
    """
    at = require_aware(at)
    first = who(on_call, at)
    away = _by_turn(on_call, _number(on_call, at))
    others = [turn.who for turn in turns(on_call, at, until=_whole_rota(on_call, at)) if turn.who != first]
    return next((name for name in others if name != away), others[0] if others else None)


def turns(on_call: OnCall, at: datetime, *, until: datetime) -> Iterator[Turn]:
    """The turn that is running at an instant, whole, and all that begin before `until`, without a gap."""
    starts = _begun(on_call, require_aware(at))
    while starts < until or starts <= at:
        ends = _over(on_call, starts)
        name, its = who(on_call, starts), _by_turn(on_call, _number(on_call, starts))
        yield Turn(name, starts, ends, None if name == its else its)
        starts = ends


def _whole_rota(on_call: OnCall, at: datetime) -> datetime:
    """By then everybody has had a turn that nobody has swapped away."""
    last = max((_instant(on_call, swap.ends) for swap in on_call.swaps), default=at)
    return max(at, last) + (len(on_call.people) + 1) * _WEEK


def _begun(on_call: OnCall, at: datetime) -> datetime:
    return max(edge for edge in _edges(on_call, at) if edge <= at)


def _over(on_call: OnCall, at: datetime) -> datetime:
    return min(edge for edge in _edges(on_call, at) if edge > at)


def _edges(on_call: OnCall, at: datetime) -> Iterator[datetime]:
    """The instants around this one at which somebody else may begin."""
    number = _number(on_call, at)
    yield _starts(on_call, number)
    yield _starts(on_call, number + 1)
    for swap in on_call.swaps:
        yield from (_instant(on_call, swap.starts), _instant(on_call, swap.ends))


def _number(on_call: OnCall, at: datetime) -> int:
    """Which weekly turn an instant lies in: 0 is the first one since the rota began, those before are negative."""
    number = (at.astimezone(zone(on_call.time_zone)).date() - on_call.since).days // 7
    while _starts(on_call, number) > at:
        number -= 1
    while _starts(on_call, number + 1) <= at:  # a clock that goes back over midnight shows the day before once more
        number += 1
    return number


def _starts(on_call: OnCall, number: int) -> datetime:
    return instant_of(on_call.since + number * _WEEK, on_call.turns_at, zone(on_call.time_zone))


def _by_turn(on_call: OnCall, number: int) -> str:
    return on_call.people[number % len(on_call.people)]


def _swap(on_call: OnCall, at: datetime) -> Swap | None:
    """Of swaps that overlap, the one that begins last; of those that begin together, the one written last."""
    running = [
        (swap.starts, place, swap)
        for place, swap in enumerate(on_call.swaps)
        if _instant(on_call, swap.starts) <= at < _instant(on_call, swap.ends)
    ]
    return max(running)[-1] if running else None


def _instant(on_call: OnCall, wall: datetime) -> datetime:
    return instant_of(wall.date(), wall.time(), zone(on_call.time_zone))
