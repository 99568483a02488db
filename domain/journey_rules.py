"""What the policy says of journeys."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.customers import Tier


@dataclass(frozen=True, slots=True)
class JourneyPolicy:
    """How journeys are run, whatever their files say."""

    look_ahead_minutes: int  # steps due within it are planned; each goes at its own minute
    spread_minutes: int  # what was held over a night or an outage goes out over so long, not at one stroke
    late_after_minutes: int  # a step that is planned so long after it was due was held by an outage
    contact_costs_at_most: Mapping[Tier, int]  # a step's dearer channels are passed over; in the policy's minor units
    tasks_go_to: Mapping[Tier, str]  # the team that has a step's task when the customer has no agent of their own
    call_me_goes_to: str  # the team that calls customers who ask for it on their page
    call_me_minutes: int  # staffed minutes until somebody has called; told to the customer

    def __post_init__(self) -> None:
        for name in ("look_ahead_minutes", "spread_minutes", "late_after_minutes", "call_me_minutes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more")
        for name, said in (("contact_costs_at_most", self.contact_costs_at_most), ("tasks_go_to", self.tasks_go_to)):
            missing = [word for word in Tier if word not in said]
            if missing:
                raise ValueError(f"{name} says nothing for {', '.join(missing)}")
