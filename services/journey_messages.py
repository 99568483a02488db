"""What a step of a journey says to a customer, as the books have them when it is sent."""

from collections.abc import Mapping
from typing import Any

from domain.customers import Customer
from domain.policy import Policy


def params(
    said: Mapping[str, Any], customer: Customer, language: str, policy: Policy, page: str | None
) -> dict[str, Any]:
    """The parameters of the words: what the plan says, who the customer is, and how to reach a person.

    `page` is where they say what they want to get, and how; None: what is spoken leads to no page.
    """
    human = policy.human[language]
    return {
        "journey": said["journey"],
        "links": said["links"],
        "name": customer.name,
        "company": policy.company,
        "human": {"phone": human.phone, "mail": human.mail, "hours": human.hours},
        "unsubscribe": page,
    }


def unsubscribe_headers(page: str) -> dict[str, str]:
    """What lets mail programs show a button of their own: one click, no questions (RFC 2369, RFC 8058)."""
    return {"List-Unsubscribe": f"<{page}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
