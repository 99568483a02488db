"""Channels: what each costs and how confidential it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.actions import Capability


class Confidentiality(StrEnum):
    """How much a message tells, and how much a channel may carry; the least first."""

    OPEN = "open"  # anybody may read it
    PERSONAL = "personal"  # that somebody is our customer, and of what
    CONFIDENTIAL = "confidential"  # contents of a contract, health, money

    @property
    def rank(self) -> int:
        """0 for what anybody may read."""
        return _RANKS[self]


_RANKS = {word: rank for rank, word in enumerate(Confidentiality)}


class Channel(StrEnum):
    """How somebody is reached: by a message, a voicebot's call, or a colleague who has a task."""

    MAIL = "mail"
    SMS = "sms"
    PUSH = "push"
    VOICE = "voice"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """One line of the channel table."""

    cost_minor: int  # of one contact, in minor units of the policy's currency
    carries: Confidentiality  # the most confidential message it may carry

    def __post_init__(self) -> None:
        if self.cost_minor < 0:
            raise ValueError("cost_minor is below 0")


ChannelTable = Mapping[Channel, ChannelRules]

CHANNEL_OF: Mapping[Capability, Channel] = {
    Capability.MAIL: Channel.MAIL,
    Capability.SMS: Channel.SMS,
    Capability.PUSH: Channel.PUSH,
    Capability.VOICE: Channel.VOICE,
    Capability.CRM: Channel.PERSON,
    Capability.TICKETING: Channel.PERSON,
}
"""The line of the channel table that what goes by a capability is judged by."""


def may_carry(rules: ChannelRules, message: Confidentiality) -> bool:
    """False for a message that is more confidential than the channel."""
    return message.rank <= rules.carries.rank
