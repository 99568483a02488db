"""Reviews in words that a person on call reads: what is asked, and why it waits for somebody."""

from collections.abc import Callable, Mapping

from domain.review_rules import ReviewPolicy, Risk, Rule
from domain.words import how_many

_ENDINGS: Mapping[str, str] = {"subscription": "subscriptions", "policy": "policies", "supply": "supplies"}


def rule_words(rule: Rule, policy: ReviewPolicy) -> str:
    """Why something waits for a review: what the rule found, with the policy's numbers as they are now."""
    return _RULES[rule](policy)


def what_words(what: str) -> str:
    """What is asked about, from its ids (`domain.risk.Ask.what`); ids that nobody knows stay as they are.

    >>> what_words("journey/onboarding/welcome")
    'step welcome of the journey onboarding'
    """
    match what.split("/"):
        case ["journey", name, step]:
            return f"step {step} of the journey {name}"
        case ["expiry", kind, "call"]:
            return f"calls about {_ENDINGS.get(kind, kind)} that end"
        case ["survey", "recovery"]:
            return "surveys after a solved case"
        case _:
            return what


def counted(kinds: Mapping[str, int]) -> str:
    """How many of which kinds: "37 messages and 3 calls"; "nothing" of none."""
    told = [
        how_many(count, kind.replace("_", " "))
        for kind, count in sorted(kinds.items(), key=lambda one: -one[1])
        if count
    ]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told) or "nothing"


def _many(policy: ReviewPolicy) -> str:
    rule = policy.rules.many_customers
    if rule is None:
        return "more customers at once than the cap"
    return f"more than {rule.more_than} customers for one purpose within {how_many(rule.within_minutes, 'minute')}"


def _hardship(policy: ReviewPolicy) -> str:
    rule = policy.rules.hardship
    return "the customer told of hardship" + ("" if rule is None else f" within the last {how_many(rule.days, 'day')}")


def _unusual(policy: ReviewPolicy) -> str:
    rule = policy.rules.unusual_volume
    if rule is None:
        return "far more than is usual at this hour of this weekday"
    return f"more than {rule.times:g} times as many as is usual at this hour of this weekday"


def _plain(words: str) -> Callable[[ReviewPolicy], str]:
    return lambda _policy: words


_RULES: Mapping[Rule, Callable[[ReviewPolicy], str]] = {
    Rule.CHANGED_WORDS: _plain("the words were changed, and nobody has said yes to them yet"),
    Rule.CHANGED_JOURNEY: _plain("the journey was changed, and nobody has said yes to it yet"),
    Rule.MANY_CUSTOMERS: _many,
    Rule.VIP: _plain("customers of the highest tier"),
    Rule.MONEY_OR_APOLOGY: _plain("the words give money or apologise"),
    Rule.HARDSHIP: _hardship,
    Rule.UNCERTAIN_EFFECT: _plain("it may have happened already: the answer to an earlier try was lost"),
    Rule.GATE_WARNINGS: _plain("the data it rests on passed its gate with warnings"),
    Rule.UNUSUAL_VOLUME: _unusual,
}

RISK_WORDS: Mapping[Risk, str] = {
    Risk.LOW: "low risk",
    Risk.MEDIUM: "medium risk",
    Risk.HIGH: "high risk",
}
"""Each class as pages and alerts say it."""
