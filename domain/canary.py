"""How what was approved in bulk goes out: a few, more, then the rest; it stops by itself when it goes badly."""

from dataclasses import asdict, dataclass

from domain.review_rules import CanaryRules
from domain.words import how_many

UNLUCKY = 1
"""So many of one kind of trouble stop nothing, whatever share they are: one bounce of ten says little of the other
hundred thousand, two of ten are seldom chance (1.6 % where one in fifty bounces)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the actions that were let go."""

    tried: int = 0  # whatever may have reached somebody: done, failed, or its answer was lost
    bounced: int = 0
    complained: int = 0
    failed: int = 0  # refused by the vendor; calls that broke down
    uncertain: int = 0  # their answer was lost, and nobody knows yet

    def since(self, before: "Seen") -> "Seen":
        """What came after `before`; what was uncertain then and is settled now counts for nothing."""
        left = {name: max(0, count - asdict(before)[name]) for name, count in asdict(self).items()}
        return Seen(**left)

    def still(self, now: "Seen") -> "Seen":
        """What there is of it by now: an answer that has been found since must not excuse another that is lost."""
        return Seen(**{name: min(count, asdict(now)[name]) for name, count in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the release of one approved review stands."""

    stage: int  # how many stages were begun; 0: none
    released: int  # let go so far
    waiting: int  # not let go yet; no need to count beyond the first stage's number and one
    pending: int  # let go, and neither sent nor ended
    seen: Seen  # since a reviewer last said: go on
    minutes: float = 0  # since half of what was let go was over


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet."""

    reason: str
    is_half_over: bool  # False: the minutes have not begun


@dataclass(frozen=True, slots=True)
class ReleaseMore:
    """Begin this stage, or finish it: `up_to` so many altogether, None: all."""

    stage: int
    up_to: int | None


@dataclass(frozen=True, slots=True)
class Halt:
    """Too much of it goes wrong: a person says whether it goes on."""

    reason: str


def held_by(review_id: int) -> str:
    """What the reason begins with of whatever waits because its review has stopped."""
    return f"review {review_id} stopped by itself: "


def limit_of(stage: int, rules: CanaryRules) -> int | None:
    """How many may have been let go when so many stages were begun; None: all."""
    return None if stage > len(rules.steps) else sum(rules.steps[:stage])


def is_watched(count: int, rules: CanaryRules) -> bool:
    """False for so few that they are no more than the first stage: they go at once."""
    return count > rules.steps[0]


def next_step(progress: Progress, rules: CanaryRules) -> Wait | ReleaseMore | Halt:
    """What follows. What goes wrong comes first, also while the rest is going out.

    The minutes count from when half of what was let go was over, however it ended: what waits for the morning or for a
    vendor tells nothing yet, and a few that wait for days do not hold up the others.
    """
    wrong = _trouble(progress.seen, rules)
    if wrong is not None:
        return Halt(wrong)
    if not progress.waiting:
        return Wait("all of it was let go", is_half_over=True)
    limit = limit_of(progress.stage, rules)
    if limit is None or progress.released < limit:
        return ReleaseMore(progress.stage, limit)
    if not is_watched(progress.released + progress.waiting, rules):
        return _begin(len(rules.steps) + 1, rules)
    over = progress.released - progress.pending
    if 2 * over < progress.released:
        return Wait(f"{over} of {progress.released} are over", is_half_over=False)
    if progress.stage and progress.minutes < rules.minutes:
        return Wait(
            f"{progress.released} went first; the next after {how_many(rules.minutes, 'minute')}", is_half_over=True
        )
    return _begin(progress.stage + 1, rules)


def _begin(stage: int, rules: CanaryRules) -> ReleaseMore:
    return ReleaseMore(stage, limit_of(stage, rules))


def _trouble(seen: Seen, rules: CanaryRules) -> str | None:
    for count, at_most, words in (
        (seen.bounced, rules.bounces_at_most, "bounced"),
        (seen.complained, rules.complaints_at_most, "complained of as spam"),
        (seen.failed, rules.failures_at_most, "refused by the vendor or broken down"),
        (seen.uncertain, rules.uncertain_at_most, "uncertain: their answer was lost"),
    ):
        if count > UNLUCKY and count > at_most * seen.tried:
            return f"{count} of {seen.tried} {words}; the policy allows {at_most:.0%}"
    return None
