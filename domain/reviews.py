"""A review's life: where it stands, what reviewers may say, and what follows from their votes."""

from enum import StrEnum


class Stand(StrEnum):
    """Where a review stands."""

    COLLECTING = "collecting"  # what is alike still joins it; nobody can decide yet
    OPEN = "open"  # waits for its reviewers
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"  # nobody decided in time: nothing was done
    SUPERSEDED = "superseded"  # nothing is left of what it asked


class Decision(StrEnum):
    """What a reviewer says."""

    APPROVE = "approve"
    REJECT = "reject"


class Reason(StrEnum):
    """Why, from a list: it stands in logs and in Prefect, so nobody writes a customer's name there."""

    AS_INTENDED = "as intended"
    CHECKED_WITH_THE_TEAM = "checked with the team"
    WRONG_WORDS = "the words are wrong"
    WRONG_PEOPLE = "the wrong people"
    WRONG_TIME = "the wrong time"
    WRONG_FACTS = "the facts are wrong"
    NOT_NEEDED = "not needed any more"
    OTHER = "another reason"
