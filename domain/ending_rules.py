"""What the policy says of endings: when somebody looks, who has them, who is called and when."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.actions import Basis
from domain.channels import Confidentiality
from domain.customers import Purpose, Tier
from domain.entitlements import EntitlementKind
from domain.hours import ContactWindow


@dataclass(frozen=True, slots=True)
class EndingRules:
    """What is done about the endings of one kind."""

    horizons: tuple[int, ...]  # days before the end at which somebody looks, the earliest first: 30, 14, 3
    confidentiality: Confidentiality  # of what would be said about it
    call: frozenset[Tier]  # customers of these tiers are called by the voicebot; the others get a colleague's task

    def __post_init__(self) -> None:
        if not self.horizons or list(self.horizons) != sorted(set(self.horizons), reverse=True):
            raise ValueError("horizons are days that fall, as 30, 14, 3")
        if self.horizons[-1] < 0:
            raise ValueError("a horizon is below 0")


@dataclass(frozen=True, slots=True)
class CallRules:
    """How the voicebot calls about an ending."""

    basis: Basis  # proactive (consent to `purpose`, frequency cap) or service
    purpose: Purpose
    attempts: int  # windows in which a call is tried; then a colleague has it
    outcome_within_hours: int  # after which a call whose end nobody told of is a colleague's
    windows: Mapping[Tier, ContactWindow]  # when customers are called who stated no hours

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.outcome_within_hours < 1:
            raise ValueError("attempts and outcome_within_hours must be 1 or more")
        missing = [word for word in Tier if word not in self.windows]
        if missing:
            raise ValueError(f"windows says nothing for {', '.join(missing)}")
        if self.basis not in {Basis.SERVICE, Basis.PROACTIVE}:
            raise ValueError(f"basis is {self.basis}: write service or proactive")


@dataclass(frozen=True, slots=True)
class ExpiryPolicy:
    """Endings, and what they lead to."""

    kinds: Mapping[EntitlementKind, EndingRules]
    tasks_go_to: Mapping[Tier, str]  # the team that has the task when the customer has no agent of their own
    distress_tasks_go_to: str  # the team that has it under a tact lock
    relief: Mapping[EntitlementKind, str]  # what a colleague may offer a customer in distress
    high_value_at_least: int  # value at risk, in minor units of the policy's currency: never only the cheapest channel
    calls: CallRules

    def __post_init__(self) -> None:
        for name, given in (("kinds", self.kinds), ("relief", self.relief)):
            missing = [word for word in EntitlementKind if word not in given]
            if missing:
                raise ValueError(f"{name} says nothing for {', '.join(missing)}")
        without_team = [word for word in Tier if word not in self.tasks_go_to]
        if without_team:
            raise ValueError(f"tasks_go_to says nothing for {', '.join(without_team)}")
