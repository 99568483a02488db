"""Expiry: what is done about an ending, for whom, by which channel, and how pressing it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.channels import Channel, may_carry
from domain.currencies import written
from domain.customers import Tier
from domain.entitlements import EntitlementKind
from domain.policy import Policy, Priority


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides about an ending. Few different ones stand for millions of endings."""

    kind: EntitlementKind
    tier: Tier
    at_risk_minor: int  # rounded down to the nearest of `value_thresholds`, in minor units of the policy's currency
    has_agent: bool
    has_phone: bool  # and the number is not suppressed
    may_call: bool  # consent to the purpose by voice, or the basis needs none
    is_locked: bool  # tact lock
    is_erased: bool


@dataclass(frozen=True, slots=True)
class Route:
    """What is done, and why, in words a support person understands."""

    channel: Channel | None  # PERSON: a colleague's task; VOICE: a call; None: nothing
    why: str


WAYS = (Channel.VOICE, Channel.PERSON)
"""How somebody may be told of an ending, the first that nothing speaks against is taken."""

_PRIORITIES = tuple(Priority)


def value_thresholds(policy: Policy) -> tuple[int, ...]:
    """The amounts, ascending and from 0, between which route and priority are the same."""
    costs = {policy.channels[way].cost_minor for way in WAYS}
    return tuple(sorted({0, policy.expiry.high_value_at_least} | costs))


def route(situation: Situation, policy: Policy) -> Route:
    """What is done about an ending: a call where policy asks for one and nothing speaks against it, else a task."""
    against = {way: objections(way, situation, policy) for way in WAYS}
    way = next((way for way in WAYS if not against[way]), None)
    if way is None:
        return Route(None, against[Channel.PERSON][0])
    if way is Channel.VOICE:
        return Route(way, f"customers of tier {situation.tier} are called about a {situation.kind}")
    return Route(way, f"a task for {_who(situation, policy)}: {_because(situation, against[Channel.VOICE])}")


def objections(channel: Channel, situation: Situation, policy: Policy) -> tuple[str, ...]:
    """Everything that speaks against a channel for an ending, the weightiest first; nothing: it may be taken."""
    found = (check(channel, situation, policy) for check in _CHECKS)
    return tuple(words for words in found if words is not None)


def priority_of(at_risk_minor: int, horizon: int, kind: EntitlementKind, policy: Policy) -> Priority:
    """By value at risk, and one step higher at each later horizon.

    It begins at low below what a person costs, at high from `high_value_at_least` on, at normal in between.
    """
    begins = Priority.NORMAL
    if at_risk_minor >= policy.expiry.high_value_at_least:
        begins = Priority.HIGH
    elif at_risk_minor < policy.channels[Channel.PERSON].cost_minor:
        begins = Priority.LOW
    earlier = sum(days > horizon for days in policy.expiry.kinds[kind].horizons)
    return _PRIORITIES[min(_PRIORITIES.index(begins) + earlier, len(_PRIORITIES) - 1)]


def pressing(at_risk_minor: int, horizon: int, kind: EntitlementKind, policy: Policy) -> dict[str, Any]:
    """The params of what is done about an ending: how pressing it is, and how confidential.

    The same for all endings that are alike: whatever is about one of them is gathered when it is sent.
    """
    return {
        "horizon": horizon,
        "priority": priority_of(at_risk_minor, horizon, kind, policy).value,
        "confidentiality": policy.expiry.kinds[kind].confidentiality.value,
    }


def horizon_of(days_left: int, horizons: tuple[int, ...]) -> int | None:
    """The smallest of `horizons` that `days_left` lies within; None: it is too early, or over.

    >>> horizon_of(12, (30, 14, 3))
    14
    """
    if days_left < 0:
        return None
    return min((days for days in horizons if days >= days_left), default=None)


def _who(situation: Situation, policy: Policy) -> str:
    if situation.is_locked:
        return policy.expiry.distress_tasks_go_to
    return "their own agent" if situation.has_agent else policy.expiry.tasks_go_to[situation.tier]


def _because(situation: Situation, against_call: tuple[str, ...]) -> str:
    if situation.is_locked:
        return f"{against_call[0]}; they may offer relief"
    return against_call[0]


def _erased(_channel: Channel, situation: Situation, _policy: Policy) -> str | None:
    return "the customer was erased" if situation.is_erased else None


def _not_a_way(channel: Channel, _situation: Situation, _policy: Policy) -> str | None:
    return None if channel in WAYS else "endings are told by a call, or by a colleague who has a task"


def _lock(channel: Channel, situation: Situation, _policy: Policy) -> str | None:
    if situation.is_locked and channel is not Channel.PERSON:
        return "tact lock: nothing but a person may get in touch"
    return None


def _confidentiality(channel: Channel, situation: Situation, policy: Policy) -> str | None:
    message, rules = policy.expiry.kinds[situation.kind].confidentiality, policy.channels[channel]
    if may_carry(rules, message):
        return None
    return f"it is {message}, and {_NAMES[channel]} carries {rules.carries} at most"


def _cost(channel: Channel, situation: Situation, policy: Policy) -> str | None:
    cost = policy.channels[channel].cost_minor
    if situation.at_risk_minor >= cost:
        return None
    if channel is Channel.PERSON and situation.is_locked:  # somebody in distress is looked after whatever it costs
        return None
    price = written(cost, policy.value.currency)
    if channel is Channel.PERSON:
        return f"worth less than the cheapest way left to reach them: a colleague costs {price}"
    return f"worth less than {_NAMES[channel]} costs: {price}"


def _high_value(channel: Channel, situation: Situation, policy: Policy) -> str | None:
    """A person is never too cheap: they write, call and follow up, as it needs."""
    if situation.at_risk_minor < policy.expiry.high_value_at_least or channel is Channel.PERSON:
        return None
    if any(policy.channels[other].cost_minor < policy.channels[channel].cost_minor for other in WAYS):
        return None
    least = written(policy.expiry.high_value_at_least, policy.value.currency)
    return f"at least {least} is at risk: never only {_NAMES[channel]}, the cheapest way"


def _tier(channel: Channel, situation: Situation, policy: Policy) -> str | None:
    if channel is not Channel.VOICE or situation.tier in policy.expiry.kinds[situation.kind].call:
        return None
    return f"customers of tier {situation.tier} are not called about a {situation.kind}"


def _phone(channel: Channel, situation: Situation, _policy: Policy) -> str | None:
    if channel is not Channel.VOICE or situation.has_phone:
        return None
    return "no phone number on file that may be called"


def _consent(channel: Channel, situation: Situation, policy: Policy) -> str | None:
    if channel is not Channel.VOICE or situation.may_call:
        return None
    return f"no consent to calls for {policy.expiry.calls.purpose}"


_CHECKS: tuple[Callable[[Channel, Situation, Policy], str | None], ...] = (
    _erased,
    _not_a_way,
    _lock,
    _confidentiality,
    _cost,
    _high_value,
    _tier,
    _phone,
    _consent,
)
"""Each says what speaks against a channel, or None."""

_NAMES: Mapping[Channel, str] = {
    Channel.MAIL: "a mail",
    Channel.SMS: "an SMS",
    Channel.PUSH: "a push notification",
    Channel.VOICE: "a call",
    Channel.PERSON: "a person",
}
