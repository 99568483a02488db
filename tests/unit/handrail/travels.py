"""A small simulation by hand: somebody who goes through, one who opted out, one who leaves, one who never enters."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.channels import Channel
from domain.journeys import Standing
from services.simulated import Fate, Held, Simulated, Touch, Travel, Trouble

BEGAN = datetime(2026, 3, 27, 7, tzinfo=UTC)
"""Two days before clocks leap in Poland."""


def after(**delta: float) -> datetime:
    """Some time after the beginning."""
    return BEGAN + timedelta(**delta)


THROUGH = Travel(
    "C-1", "pl", "Europe/Warsaw", BEGAN, Standing.FINISHED, after(days=3), None,
    (
        Touch("welcome", BEGAN, Fate.SENT, Channel.MAIL),
        Touch("guide", after(days=3), Fate.SENT, Channel.SMS, None,
              (Held(after(days=3), "quiet hours until 08:00 (Europe/Warsaw)"),)),
    ),
)  # fmt: skip
OPTED_OUT = Travel(
    "C-2", "cs", "Europe/Prague", BEGAN, Standing.FINISHED, after(days=3), None,
    (
        Touch("welcome", BEGAN, Fate.SKIPPED, None, "mail: no consent to onboarding"),
        Touch("guide", after(days=3), Fate.SKIPPED, None, "mail: no consent to onboarding"),
    ),
)  # fmt: skip
LEFT = Travel(
    "C-3", "en", "America/New_York", after(hours=20), Standing.LEFT, after(days=1), "churned",
    (
        Touch("welcome", after(hours=20), Fate.SENT, Channel.PERSON),
        Touch("guide", after(days=1), Fate.CANCELLED, Channel.MAIL, "churned"),
    ),
)  # fmt: skip
OUTSIDE = Travel("C-4", "en", "UTC", None, None, None, "not activated before the end")


def simulated(*travels: Travel, **changes: Any) -> Simulated:
    """These travels, or the four."""
    told: dict[str, Any] = {
        "journey": "onboarding",
        "version": 2,
        "content_hash": "0123456789abcdef",
        "began": BEGAN,
        "until": after(days=30),
        "steps": ("welcome", "guide", "thanks"),
        "travels": travels or (THROUGH, OPTED_OUT, LEFT, OUTSIDE),
    }
    return Simulated(**{**told, **changes})


TROUBLE = Trouble("nobody serves push here", 3)
