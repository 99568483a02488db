"""What a call about an ending says, as the books have it when it is made."""

from datetime import datetime
from typing import Any

from domain.customers import Customer
from domain.endings import Calendars
from domain.policy import Policy
from store.endings import Ending


def params(ending: Ending, customer: Customer, language: str, policy: Policy, now: datetime) -> dict[str, Any]:
    """The parameters of the script."""
    it, human = ending.entitlement, policy.human[language]
    today = Calendars(now, policy.default_time_zone).today(it.time_zone)
    return {
        "company": policy.company,
        "human": {"phone": human.phone, "mail": human.mail, "hours": human.hours},
        "name": customer.name,
        "kind": it.kind.value,
        "product": it.product,
        "ends_on": it.ends_on.isoformat(),
        "is_past": it.ends_on < today,
    }
