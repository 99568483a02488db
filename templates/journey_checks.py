"""What a journey must satisfy before anybody may enter it: every mistake with its place and what to do about it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jinja2
from jinja2 import meta

from data_contracts.journeys import JourneyFile
from data_contracts.problems import Problem
from data_contracts.strict_yaml import Path
from domain import journey_paths
from domain.actions import Basis
from domain.channels import CHANNEL_OF, Channel, may_carry
from domain.hours import DailySpan
from domain.journeys import END, Condition, EventName, Journey, Seen, Step
from domain.policy import Policy
from domain.words import did_you_mean, one_of
from templates.checks import check
from templates.library import Template
from templates.renderer import environment

GIVEN = frozenset({"name", "company", "human", "language", "journey", "links", "unsubscribe"})
"""The parameters a journey's message is rendered with."""

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ABOUT_MESSAGES = frozenset(event for event in EventName if event.startswith("message."))
_NOT_FOR: Mapping[str, Sequence[str]] = {
    "ask": ("basis", "confidentiality"),
    "branch": ("by", "basis", "confidentiality", "when", "skip_when", "pointless_after_hours"),
}
"""Keys that say nothing where a colleague is asked, or where the ways part."""

_MINUTES = 24 * 60


def check_journey(file: JourneyFile, templates: Sequence[Template], policy: Policy) -> list[Problem]:
    """Everything that cannot work, in the order of the file; empty when customers may enter it.

    `templates` are the wordings it would be sent with.
    """
    found = _Check(file, templates, policy)
    problems = [*found.names(), *found.ways(), *found.conditions(), *found.hours(), *found.words(), *found.people()]
    return [
        Problem(file.document.place(path), what, fix)
        for path, what, fix in sorted(problems, key=lambda problem: file.document.mark(problem[0]))
    ]


Found = tuple[Path, str, str]
"""Where something is wrong, what, and what to do."""


@dataclass(frozen=True, slots=True)
class _Check:
    file: JourneyFile
    templates: Sequence[Template]
    policy: Policy

    @property
    def journey(self) -> Journey:
        return self.file.journey

    @property
    def steps(self) -> Iterator[tuple[Path, Step]]:
        """Each with its path."""
        for number, step in enumerate(self.journey.steps):
            yield ("steps", number), step

    @property
    def ids(self) -> list[str]:
        return [step.id for step in self.journey.steps]

    def says(self, *path: str | int) -> bool:
        """True when the file has that key itself, and not only its default."""
        return path in self.file.document.marks

    def names(self) -> Iterator[Found]:
        """Ids that are none, or given twice; links nobody could follow; entries that contradict themselves."""
        journey = self.journey
        if not journey.steps:
            yield ("steps",), "a journey without a step", "add one"
        if not _ID.fullmatch(journey.name):
            yield ("name",), f'"{journey.name}" is no name', "write lower-case letters, digits and hyphens"
        if journey.version < 1:
            yield ("version",), "is below 1", "begin with 1, and raise it by one with each change"
        seen: set[str] = set()
        for path, step in self.steps:
            if step.id in seen:
                yield (*path, "id"), f'"{step.id}" is the id of an earlier step', "give each step an id of its own"
            elif step.id == END or not _ID.fullmatch(step.id):
                yield (*path, "id"), f'"{step.id}" is no id', f"write lower-case letters, digits and hyphens; not {END}"
            seen.add(step.id)
        for name, link in journey.links.items():
            if not link.startswith("https://"):
                yield ("links", name), "does not begin with https://", "write the whole address"
        if journey.enters.first_only and journey.enters.again_after_days is not None:
            what = "nobody enters again: first_only lets each customer in once"
            yield ("enters", "again_after_days"), what, "write first_only: false, or take this out"
        if journey.enters.again_after_days is not None and journey.enters.again_after_days < 1:
            yield ("enters", "again_after_days"), "is below 1", "write 1 or more, or take it out"
        for path, step in self.steps:
            kind = "branch" if step.branch else "ask" if step.ask else "message"
            for key in _NOT_FOR.get(kind, ()):
                if self.says(*path, key):
                    yield (*path, key), f"says nothing of a step with `{kind}`", "take it out"
            if step.pointless_after_hours is not None and step.pointless_after_hours < 1:
                yield (*path, "pointless_after_hours"), "is below 1", "write 1 or more, or take it out"

    def ways(self) -> Iterator[Found]:
        """Ways that lead nowhere or in circles, and steps without a way to them."""
        journey = self.journey
        for way in journey_paths.ways(journey):
            path = _path_of(way)
            if way.to != END and way.to not in self.ids:
                yield (
                    path,
                    f'there is no step "{way.to}"{did_you_mean(way.to, self.ids)}',
                    f"write a step's id or {END}",
                )
        for way in journey_paths.circles(journey):
            what = f"{self.ids[way.start]} leads back to {way.to}: nobody is sent a step twice, so it would never end"
            yield _path_of(way), what, f"let it lead to a later step or to {END}"
        for number in journey_paths.unreachable(journey):
            what = f"nobody ever comes to {self.ids[number]}"
            yield ("steps", number), what, "let `then` or `to` of an earlier step lead here, or take it out"
        for path, step in self.steps:
            for number, branch in journey_paths.never_taken(step):
                what = f"nobody goes to {branch.to} here: everybody takes a branch before it"
                yield (*path, "branch", number), what, "give the one before it a `when`, or put it last"
        yield from self._goal()

    def _goal(self) -> Iterator[Found]:
        journey = self.journey
        if journey.at_goal is None:
            return
        if journey.at_goal not in self.ids:
            what = f'there is no step "{journey.at_goal}"{did_you_mean(journey.at_goal, self.ids)}'
            yield ("at_goal",), what, "write a step's id"
            return
        path = ("steps", self.ids.index(journey.at_goal))
        if journey.goal is None:
            yield ("at_goal",), "there is no goal to reach", "add `goal`, or take this out"
        if journey.step(journey.at_goal).branch:
            yield path, "at the goal the journey is over: no ways part there", "let it have a message, or an ask"
        if journey_paths.reached_without_goal(journey):
            what = f"{journey.at_goal} is come to without the goal as well"
            yield path, what, "let no `then` or `to` lead here, and do not put it first"
        if self.says(*path, "then"):
            yield (*path, "then"), "nothing follows at the goal", "take it out"

    def conditions(self) -> Iterator[Found]:
        """Conditions that never hold, and events that never come."""
        for path, condition in _conditions(self.journey):
            for language in sorted(condition.language):
                if language not in self.policy.languages:
                    hint = did_you_mean(language, self.policy.languages)
                    yield (*path, "language"), f'nobody is written to in "{language}"{hint}', self._languages()
        for path, seen in _events(self.journey):
            yield from self._event(path, seen)

    def _languages(self) -> str:
        return f"the policy's languages are {one_of(self.policy.languages)}"

    def _event(self, path: Path, seen: Seen) -> Iterator[Found]:
        if seen.event not in _ABOUT_MESSAGES or seen.named is None:
            return
        journey, _, step = seen.named.partition("/")
        if not step:
            what = f'"{seen.named}" is no message'
            yield (*path, "named"), what, f"write it as journey/step: {self.journey.name}/{self.ids[0]}"
        elif journey == self.journey.name and step not in self.ids:
            hint = did_you_mean(step, self.ids)
            yield (*path, "named"), f'there is no step "{step}"{hint}', "write journey/step"

    def hours(self) -> Iterator[Found]:
        """Windows that never open, and times of a day that never come."""
        quiet, window = _minutes(self.policy.contact.quiet), self.journey.window
        night = self.policy.contact.quiet
        open_ = (_minutes(window) if window else set(range(_MINUTES))) - quiet
        if not open_:
            what = f"never opens: it lies in quiet hours ({night.starts:%H:%M} to {night.ends:%H:%M})"
            yield ("window",), what, "let a part of it lie in the day"
            return
        for path, step in self.steps:
            at = step.after.at
            if step.message is None or at is None or at.hour * 60 + at.minute in open_:
                continue
            where = "in quiet hours" if at.hour * 60 + at.minute in quiet else "outside the window"
            what = f"{at:%H:%M} lies {where}: nothing is sent then"
            yield (*path, "after", "at"), what, "write a time at which it may be sent"

    def words(self) -> Iterator[Found]:
        """Messages without words: unknown ones, missing languages, channels they are not written for."""
        names = sorted({template.name for template in self.templates})
        for path, step in self.steps:
            if step.message is None:
                continue
            wordings = {one.language: one for one in self.templates if one.name == step.message}
            if not wordings:
                what = f'there is no message "{step.message}"{did_you_mean(step.message, names)}'
                yield (*path, "message"), what, "write the name of a directory in templates/messages"
                continue
            for language in self.policy.languages:
                if language not in wordings:
                    what = f"{step.message} has no words in {language}"
                    yield (*path, "message"), what, f"add templates/messages/{step.message}/{language}"
            for wording in wordings.values():
                yield from self._wording((*path, "message"), wording, is_proactive=step.basis is Basis.PROACTIVE)
            yield from self._channels((*path, "by"), step, list(wordings.values()))

    def _wording(self, path: Path, template: Template, *, is_proactive: bool) -> Iterator[Found]:
        for problem in _of_words(template, frozenset(self.journey.links), is_proactive):
            yield path, f"{problem.path}: {problem.problem}", problem.fix
        for part, source in template.parts.items():
            for variable in sorted(_variables(source) - GIVEN):
                what = f'{template.where(part)}: "{variable}" is not given to messages of a journey'
                yield path, what, f"use {one_of(sorted(GIVEN))}"

    def _channels(self, path: Path, step: Step, wordings: Sequence[Template]) -> Iterator[Found]:
        if not step.by:
            yield path[:-1], f"step {step.id} has no channel", f"add by: [{', '.join(self._has_words(wordings))}]"
        for number, channel in enumerate(step.by):
            if channel is not Channel.PERSON and channel not in self._has_words(wordings):
                has = self._has_words(wordings)
                spoken = "spoken words (voice.txt)" if channel is Channel.VOICE else f"words for {channel}"
                fix = f"send it by {one_of(has)}, or name a message that has them" if has else "add its parts"
                yield (*path, number), f"{step.message} has no {spoken}", fix

    @staticmethod
    def _has_words(wordings: Sequence[Template]) -> list[Channel]:
        """The channels that every language has words for."""
        return [
            CHANNEL_OF[capability]
            for capability in wordings[0].channels
            if all(capability in wording.channels for wording in wordings)
        ]

    def people(self) -> Iterator[Found]:
        """Who reaches whom: nothing confidential in the open, tasks that say what is asked, a way to a person (P28)."""
        for path, step in self.steps:
            for channel, count in Counter(step.by).items():
                if count > 1:
                    yield (*path, "by"), f"{channel} is there twice", "take one out"
            for number, channel in enumerate(step.by):
                where = (*path, "by", number)
                carries = self.policy.channels[channel]
                if not may_carry(carries, step.confidentiality):
                    what = (
                        f"{channel} carries {carries.carries} messages at most, and this one is {step.confidentiality}"
                    )
                    yield where, what, f"take {channel} out, or say less and lower confidentiality"
                if channel is Channel.PERSON and step.ask is None:
                    yield where, "nobody would know what to do", "give a step of its own to the person: one with `ask`"
                if channel is not Channel.PERSON and step.ask is not None:
                    yield (
                        where,
                        f"a colleague is asked by a task, not by {channel}",
                        "write by: [person], or leave it out",
                    )
            if step.message is not None and step.basis not in {Basis.SERVICE, Basis.PROACTIVE}:
                yield (*path, "basis"), f"no step rests on {step.basis}", "write service or proactive"
        if any(step.message for step in self.journey.steps) and not self._ends_with_a_reply():
            what = "no way out to a person: whoever writes to us would go on hearing from the machine"
            yield ("exits",), what, "add `- event: customer.replied`"

    def _ends_with_a_reply(self) -> bool:
        return any(exit_ == Seen(EventName.REPLIED) for exit_ in self.journey.exits)


def _path_of(way: journey_paths.Way) -> Path:
    if way.branch is not None:
        return ("steps", way.start, "branch", way.branch, "to")
    return ("steps", way.start, "then")


def _conditions(journey: Journey) -> Iterator[tuple[Path, Condition]]:
    """Every condition of the file, those in others as well."""
    yield from _within(("enters", "when"), journey.enters.when)
    for number, step in enumerate(journey.steps):
        yield from _within(("steps", number, "when"), step.when)
        if step.skip_when is not None:
            yield from _within(("steps", number, "skip_when"), step.skip_when)
        for count, branch in enumerate(step.branch):
            yield from _within(("steps", number, "branch", count, "when"), branch.when)


def _within(path: Path, condition: Condition) -> Iterator[tuple[Path, Condition]]:
    yield path, condition
    for key in ("all", "any", "none"):
        for number, one in enumerate(getattr(condition, key)):
            yield from _within((*path, key, number), one)


def _events(journey: Journey) -> Iterator[tuple[Path, Seen]]:
    """Every event that the file waits for or looks back at."""
    if journey.goal is not None:
        yield ("goal",), journey.goal
    for number, exit_ in enumerate(journey.exits):
        yield ("exits", number), exit_
    for number, step in enumerate(journey.steps):
        if step.sooner_on is not None:
            yield ("steps", number, "sooner_on"), step.sooner_on
    for path, condition in _conditions(journey):
        if condition.seen is not None:
            yield (*path, "seen"), condition.seen


@lru_cache(maxsize=256)  # a message is rendered dozens of times for it, and several steps may use one
def _of_words(template: Template, links: frozenset[str], is_proactive: bool) -> Sequence[Problem]:
    return tuple(check(template, links=links, proactive=is_proactive))


def _variables(source: str) -> set[str]:
    """The names a part of a message uses; none of one that does not compile."""
    try:
        return meta.find_undeclared_variables(environment({}).parse(source))
    except jinja2.TemplateSyntaxError:
        return set()


def _minutes(span: DailySpan) -> set[int]:
    """The minutes of a day that lie in it."""
    starts, ends = (time.hour * 60 + time.minute for time in (span.starts, span.ends))
    return set(range(starts, ends)) if starts < ends else set(range(starts, _MINUTES)) | set(range(ends))
