"""The ways through a journey: which step follows which, what nobody ever comes to, and where it would go in circles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domain.journeys import END, Branch, Condition, Journey, Step

ALWAYS = Condition()
"""A condition that says nothing holds of everybody."""


@dataclass(frozen=True, slots=True)
class Way:
    """From one step of the file to another, or to the end."""

    start: int  # the step's place in the file
    to: str  # a step's id, or `end`
    branch: int | None = None  # the branch it is, or None: what follows the step


def ways(journey: Journey) -> list[Way]:
    """Every way there is, in the order of the file, as `domain.journey_steps.following` goes them.

    A way may lead to a step that is not there.
    """
    return [way for number, step in enumerate(journey.steps) for way in _onward(journey, number, step)]


def _onward(journey: Journey, number: int, step: Step) -> Iterator[Way]:
    for count, branch in enumerate(step.branch):
        yield Way(number, branch.to, count)
        if branch.when == ALWAYS:
            return
    if step.id == journey.at_goal:
        yield Way(number, END)
    elif step.then is not None:
        yield Way(number, step.then)
    else:
        later = (after.id for after in journey.steps[number + 1 :] if after.id != journey.at_goal)
        yield Way(number, next(later, END))


def never_taken(step: Step) -> list[tuple[int, Branch]]:
    """The branches behind one that everybody takes."""
    taken = next((count for count, branch in enumerate(step.branch) if branch.when == ALWAYS), len(step.branch))
    return list(enumerate(step.branch))[taken + 1 :]


def unreachable(journey: Journey) -> list[int]:
    """The places of steps that nobody ever comes to. The step at the goal is come to from everywhere."""
    reached = _reached(journey)
    return [number for number, step in enumerate(journey.steps) if number not in reached and step.id != journey.at_goal]


def reached_without_goal(journey: Journey) -> bool:
    """True when the step at the goal is come to on the ordinary way as well."""
    places = _places(journey)
    return journey.at_goal in places and places[journey.at_goal] in _reached(journey)


def circles(journey: Journey) -> list[Way]:
    """The ways that lead back to a step that led there."""
    places, onward = _places(journey), _by_start(journey)
    found: list[Way] = []
    over: set[int] = set()
    under_way: set[int] = set()

    def walk(number: int) -> None:
        under_way.add(number)
        for way in onward.get(number, ()):
            target = places.get(way.to)
            if target in under_way:
                found.append(way)
            elif target is not None and target not in over:
                walk(target)
        under_way.discard(number)
        over.add(number)

    for number in range(len(journey.steps)):
        if number not in over:
            walk(number)
    return found


def _reached(journey: Journey) -> set[int]:
    places, onward = _places(journey), _by_start(journey)
    reached: set[int] = set()
    waiting = [0] if journey.steps else []
    while waiting:
        number = waiting.pop()
        if number not in reached:
            reached.add(number)
            waiting += [places[way.to] for way in onward.get(number, ()) if way.to in places]
    return reached


def _places(journey: Journey) -> Mapping[str | None, int]:
    """Where each step stands; of two of one name the first counts, as `Journey.step` has it."""
    return {step.id: number for number, step in reversed(list(enumerate(journey.steps)))}


def _by_start(journey: Journey) -> Mapping[int, list[Way]]:
    onward: dict[int, list[Way]] = {}
    for way in ways(journey):
        onward.setdefault(way.start, []).append(way)
    return onward
