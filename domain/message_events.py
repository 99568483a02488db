"""What becomes of a message after its vendor took it, in our words; every vendor's words are translated in its file."""

from enum import StrEnum


class MessageNews(StrEnum):
    """One kind of news of a message."""

    DELIVERED = "delivered"  # the recipient's side took it
    OPENED = "opened"  # somebody, or their mail program, looked at it
    CLICKED = "clicked"  # somebody followed a link in it
    BOUNCED = "bounced"  # it did not arrive
    COMPLAINED = "complained"  # the recipient called it spam
    UNSUBSCRIBED = "unsubscribed"  # they told the vendor, not us, that they want no more


class BounceKind(StrEnum):
    """Whether it is any use to write there again."""

    HARD = "hard"  # no: there is no such address
    SOFT = "soft"  # perhaps: it is full, or its server does not answer
