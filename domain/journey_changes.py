"""What another version of a journey changes, in words, for the person who takes it live."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from domain import journey_paths
from domain.channels import Channel
from domain.hours import ContactWindow
from domain.journey_steps import seen_words, words_of
from domain.journeys import After, Anchor, Condition, Entry, Journey, Seen, Step


@dataclass(frozen=True, slots=True)
class Change:
    """One change: of which step, or of the whole journey (None)."""

    step: str | None
    words: str

    def __str__(self) -> str:
        return f"{self.step}: {self.words}" if self.step else self.words


def changes(old: Journey, new: Journey) -> list[Change]:
    """Everything that customers or colleagues would notice, the journey first, then step by step."""
    return [*_of_the_journey(old, new), *_of_the_steps(old, new)]


def after_words(after: After) -> str:
    """How long a step waits: "1 day after the customer entered, at 10:00", "at once"."""
    spans = [
        f"{abs(count)} {unit if abs(count) == 1 else unit + 's'}"
        for count, unit in ((after.days, "day"), (after.hours, "hour"), (after.minutes, "minute"))
        if count
    ]
    at = f"at {after.at:%H:%M}" if after.at else ""
    if not spans:
        since = {Anchor.PREVIOUS: "at once", Anchor.ENTRY: "at once", Anchor.ENDING: "when what they have ends"}[
            after.of
        ]
        return f"{at} next" if at and after.of is not Anchor.ENDING else ", ".join(filter(None, (since, at)))
    side = "before" if min(after.days, after.hours, after.minutes) < 0 else "after"
    since = {
        Anchor.PREVIOUS: "the step before",
        Anchor.ENTRY: "the customer entered",
        Anchor.ENDING: "what they have ends",
    }[after.of]
    return ", ".join(filter(None, (f"{' '.join(spans)} {side} {since}", at)))


def what_words(step: Step) -> str:
    """What a step does: "onboarding-welcome by mail, sms", "a colleague is asked", "the ways part"."""
    if step.branch:
        return "the ways part"
    if step.ask:
        return "a colleague is asked"
    return f"{step.message} by {channel_words(step.by)}"


def channel_words(channels: Sequence[Channel]) -> str:
    """Channels, the best first."""
    return ", ".join(channels) if channels else "no channel"


def _of_the_journey(old: Journey, new: Journey) -> Iterator[Change]:
    for name, before, after in (
        ("who enters", _entry(old.enters), _entry(new.enters)),
        ("the goal", _seen(old.goal), _seen(new.goal)),
        ("what is done at the goal", old.at_goal or "nothing", new.at_goal or "nothing"),
        ("the consent it rests on", old.purpose, new.purpose),
        ("hours for customers who stated none", _window(old.window), _window(new.window)),
    ):
        if before != after:
            yield Change(None, f"{name}: {after} instead of {before}")
    for exit_ in new.exits:
        if exit_ not in old.exits:
            yield Change(None, f"whoever has done {seen_words(exit_)} leaves from now on")
    for exit_ in old.exits:
        if exit_ not in new.exits:
            yield Change(None, f"whoever has done {seen_words(exit_)} does not leave any more")
    for name in sorted(old.links.keys() | new.links.keys()):
        if (link := new.links.get(name, "nowhere")) != (before := old.links.get(name, "nowhere")):
            yield Change(None, f"the link {name} leads to {link} instead of {before}")


def _of_the_steps(old: Journey, new: Journey) -> Iterator[Change]:
    known = {step.id: step for step in old.steps}
    follows_before, follows_now = _follows(old), _follows(new)
    for step in new.steps:
        before = known.get(step.id)
        if before is None:
            yield Change(step.id, f"is new: {what_words(step)}, {after_words(step.after)}{_for_whom(step.when)}")
            continue
        yield from _of_a_step(before, step)
        if follows_before[step.id] != follows_now[step.id]:
            was, now = (" or ".join(follows[step.id]) for follows in (follows_before, follows_now))
            yield Change(step.id, f"is followed by {now} instead of {was}")
    kept = {step.id for step in new.steps}
    for step in old.steps:
        if step.id not in kept:
            yield Change(step.id, f"is gone ({what_words(step)})")
    yield from _moved(old, new)


def _of_a_step(old: Step, new: Step) -> Iterator[Change]:
    for name, before, after in (
        ("comes", after_words(old.after), after_words(new.after)),
        ("does something else:", _kind(old), _kind(new)),
        ("goes by", channel_words(old.by), channel_words(new.by)),
        ("asks", old.ask or "nothing", new.ask or "nothing"),
        ("rests on", f"basis {old.basis}", f"basis {new.basis}"),
        ("is", old.confidentiality, new.confidentiality),
        ("is for", words_of(old.when), words_of(new.when)),
        ("is skipped for", _condition(old.skip_when), _condition(new.skip_when)),
        ("comes at once for whoever has done", _seen(old.sooner_on), _seen(new.sooner_on)),
        ("is pointless after", _hours(old.pointless_after_hours), _hours(new.pointless_after_hours)),
        ("parts the ways:", _branches(old), _branches(new)),
    ):
        if before != after:
            yield Change(new.id, f"{name} {after} instead of {before}")


def _moved(old: Journey, new: Journey) -> Iterator[Change]:
    """Steps that both have in another order."""
    places = {step.id: place for place, step in enumerate(old.steps)}
    for before, step in pairwise([step for step in new.steps if step.id in places]):
        if places[step.id] < places[before.id]:
            yield Change(step.id, f"stands after {before.id} now; it stood before it")


def _follows(journey: Journey) -> dict[str, list[str]]:
    """What may come after each step, in the order of the file."""
    follows: dict[str, list[str]] = {step.id: [] for step in journey.steps}
    for way in journey_paths.ways(journey):
        known = follows[journey.steps[way.start].id]
        known += [way.to] if way.to not in known else []
    return follows


def _kind(step: Step) -> str:
    return "the ways part" if step.branch else "a colleague is asked" if step.ask else f"message {step.message}"


def _branches(step: Step) -> str:
    return "; ".join(f"{branch.to} for {words_of(branch.when)}" for branch in step.branch) or "not at all"


def _entry(entry: Entry) -> str:
    named = f" ({entry.named})" if entry.named else ""
    first = "the first" if entry.first_only else "any"
    again = f", again after {entry.again_after_days} days" if entry.again_after_days else ""
    return f"{first} {entry.on}{named}{again}, {words_of(entry.when)}"


def _for_whom(condition: Condition) -> str:
    return f", for: {words_of(condition)}" if condition != journey_paths.ALWAYS else ""


def _seen(seen: Seen | None) -> str:
    return seen_words(seen) if seen else "nothing"


def _condition(condition: Condition | None) -> str:
    return words_of(condition) if condition else "nobody"


def _hours(hours: int | None) -> str:
    return f"{hours} hours" if hours else "no time at all"


def _window(window: ContactWindow | None) -> str:
    return f"{window.starts:%H:%M} to {window.ends:%H:%M}" if window else "any hour of the day"
