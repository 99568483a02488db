"""What of a policy's section `reviews` is well-formed and cannot work, or is hardly meant, and what to do about it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from domain.policy import Policy
from domain.review_rules import ReviewPolicy, Risk, RiskRules
from domain.words import did_you_mean, how_many

Path = tuple[str | int, ...]

_A_WEEK = 7 * 24 * 60
_SHORTEST = 15
"""Minutes: at half of them somebody is reminded, at four fifths the next one is told, each within a minute or two."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing; `path` is where in the file it stands."""

    path: Path
    what: str
    fix: str
    is_fatal: bool
    """It cannot work; else it may be meant."""


Reviewers = Mapping[str, Collection[str]]
"""Those who may decide, with their roles."""


def concerns(
    policy: Policy,
    *,
    today: date,
    reviewers: Reviewers | None = None,
    said: Mapping[str, Collection[str]] | None = None,
) -> list[Concern]:
    """Everything, the worse first.

    `reviewers` are those there are; None: nobody could look. `said` are the phrases of `money_or_apology` that each
    ordinary message of ours says.
    """
    reviews = policy.reviews
    found = [
        *_classes(reviews),
        *_rules(reviews),
        *_languages(policy),
        *_on_call(reviews, today),
        *_said(said or {}),
        *(_people(reviews, reviewers) if reviewers is not None else ()),
    ]
    return sorted(found, key=lambda one: not one.is_fatal)


def _classes(reviews: ReviewPolicy) -> Iterator[Concern]:
    people = len(set(reviews.on_call.people))
    canary = reviews.canary.minutes * len(reviews.canary.steps)
    for risk, rules in reviews.classes.items():
        at: Path = ("reviews", "classes", risk.value)
        if rules.reviewers > people:
            needed = how_many(rules.reviewers, "person", "people")
            what = f"{needed} must say yes to what is of {risk} risk, and on_call.people has {people}"
            yield Concern((*at, "reviewers"), what, "add people there, or ask fewer", True)
        if rules.deadline_minutes < rules.gather_minutes:
            what = (
                f"it gathers for {how_many(rules.gather_minutes, 'minute')}, longer than anybody has to decide about it"
            )
            yield Concern((*at, "deadline_minutes"), what, f"write more than {rules.gather_minutes}", True)
        if rules.deadline_minutes < canary:
            lasts = how_many(canary, "minute")
            what = f"after it was approved it takes {lasts} to go out in the canary's steps, longer than this"
            yield Concern((*at, "deadline_minutes"), what, f"write {canary} or more, or shorten canary.minutes", True)
        if rules.deadline_minutes < _SHORTEST:
            what = f"nobody can be reminded, and the next be told, within {how_many(rules.deadline_minutes, 'minute')}"
            yield Concern((*at, "deadline_minutes"), what, f"give people {_SHORTEST} or more", True)
        yield from _hardly_meant(at, rules)


def _hardly_meant(at: Path, rules: RiskRules) -> Iterator[Concern]:
    if rules.deadline_minutes > _A_WEEK and not rules.in_staffed_hours:
        what = "it may wait for more than a week: what it rests on will have changed, and it will be asked anew"
        yield Concern((*at, "deadline_minutes"), what, "give people less time", False)
    if rules.alone and rules.gather_minutes:
        what = f"its alerts go at once, but only after it has gathered for {how_many(rules.gather_minutes, 'minute')}"
        yield Concern((*at, "gather_minutes"), what, "write 0, or alone: false", False)


def _rules(reviews: ReviewPolicy) -> Iterator[Concern]:
    many, unusual, first = reviews.rules.many_customers, reviews.rules.unusual_volume, reviews.canary.steps[0]
    if many is not None:
        at: Path = ("reviews", "rules", "many_customers", "more_than")
        if many.more_than == 1:
            yield Concern(at, "two customers within the time are enough: practically everything would wait", _CAP, True)
        elif many.more_than < first:
            what = f"many begins at {many.more_than + 1} customers, and the canary lets {first} go at once"
            yield Concern(at, what, f"write {first} or more, or begin the canary with fewer", True)
    if unusual is not None and unusual.at_least == 1:
        at = ("reviews", "rules", "unusual_volume", "at_least")
        what = "where usually nothing goes out, a single message would be unusual: practically everything would wait"
        yield Concern(at, what, "write how many are worth a look, as 500", True)
    if not any(True for _ in reviews.rules):
        what = "every rule is off: nothing ever waits for a person"
        yield Concern(("reviews", "rules"), what, "turn on at least uncertain_effect", False)


_CAP = "write the number from which a mistake would hurt, as 2000"


def _languages(policy: Policy) -> Iterator[Concern]:
    rule = policy.reviews.rules.money_or_apology
    if rule is None:
        return
    at: Path = ("reviews", "rules", "money_or_apology", "phrases")
    for language in policy.languages:
        if not rule.phrases.get(language):
            what = f"it has no phrases in {language}: money and apologies in that language go out unseen"
            yield Concern(at, what, f"add {language}", False)
    for language in rule.phrases:
        if language not in policy.languages:
            what = f"we do not write in {language}{did_you_mean(language, policy.languages)}"
            yield Concern((*at, language), what, "take it out, or add it to languages", False)


def _on_call(reviews: ReviewPolicy, today: date) -> Iterator[Concern]:
    on_call, at = reviews.on_call, ("reviews", "on_call")
    for name, turns in Counter(on_call.people).items():
        if turns > 1:
            what = f"{name} has {turns} turns of each round"
            yield Concern((*at, "people"), what, "name everybody once, if that is not meant", False)
    if on_call.since > today:
        what = f"the first turn begins on {on_call.since}; until then turns are counted backwards from it"
        yield Concern((*at, "since"), what, "name a day that has passed, if that is not meant", False)
    for number, swap in enumerate(on_call.swaps):
        if swap.who not in on_call.people:
            what = f"{swap.who} is not among people{did_you_mean(swap.who, on_call.people)}"
            yield Concern((*at, "swaps", number, "who"), what, "name one of them, if that is not meant", False)
        if swap.ends.date() < today:
            yield Concern((*at, "swaps", number), "it is over", "take it out", False)
    for (_, one), (number, other) in combinations(enumerate(on_call.swaps), 2):
        if one.starts < other.ends and other.starts < one.ends:
            what = f"it overlaps the swap from {one.starts:%Y-%m-%d %H:%M} on"
            yield Concern((*at, "swaps", number), what, "of both the one that begins later counts", False)


def _said(said: Mapping[str, Collection[str]]) -> Iterator[Concern]:
    """Phrases that ordinary messages say hold up what nobody finds risky."""
    at: Path = ("reviews", "rules", "money_or_apology", "phrases")
    matching = {message: phrases for message, phrases in said.items() if phrases}
    if matching and len(matching) == len(said):
        what = "every message of ours says one of these phrases: everything would wait"
        yield Concern(at, what, "take out the words of every day", True)
        return
    for message, phrases in matching.items():
        what = f"{message} says {', '.join(phrases)}: each time it is sent it waits for a review"
        yield Concern(at, what, "make the phrase narrower, if that is not meant", False)


def _people(reviews: ReviewPolicy, reviewers: Reviewers) -> Iterator[Concern]:
    add = "`handrail reviewers add NAME --role ROLE`"
    if not reviewers:
        yield Concern(("reviews", "classes"), "nobody is a reviewer yet: nothing could be decided", add, False)
        return
    known = {role for roles in reviewers.values() for role in roles}
    for risk, rules in reviews.classes.items():
        at: Path = ("reviews", "classes", risk.value)
        for role in sorted(rules.roles - known):
            what = f"no reviewer has the role {role}{did_you_mean(role, known)}"
            yield Concern((*at, "roles"), what, f"correct it, or {add}", False)
        may = sorted(name for name, roles in reviewers.items() if rules.roles & set(roles))
        yield from _enough(at, risk, rules, may)
    for number, name in enumerate(reviews.on_call.people):
        if name not in reviewers:
            what = f"{name} is no reviewer{did_you_mean(name, reviewers)}: told of everything, and can decide nothing"
            yield Concern(("reviews", "on_call", "people", number), what, add, False)


def _enough(at: Path, risk: Risk, rules: RiskRules, may: list[str]) -> Iterator[Concern]:
    if not may:
        what = f"nobody could decide what is of {risk} risk: no reviewer has one of its roles"
        yield Concern((*at, "roles"), what, "give somebody one of them, or name a role that somebody has", False)
    elif len(may) < rules.reviewers:
        what = f"{rules.reviewers} must say yes to what is of {risk} risk, and only {', '.join(may)} may"
        yield Concern((*at, "reviewers"), what, "give more people one of its roles, or ask fewer", True)
    elif len(may) == rules.reviewers:
        what = f"nobody of {', '.join(may)} may be away, or ask for something of {risk} risk: nobody else may decide"
        yield Concern((*at, "roles"), what, "give one more person one of its roles", False)
