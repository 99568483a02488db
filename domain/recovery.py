"""What follows when a send did not come back with a plain yes (design §4, "Lost answers")."""

from dataclasses import dataclass

from domain.actions import Basis, Kind, WriteClass

DEATHS_ALONE = 3
"""A row that killed its worker this often while it ran by itself is set aside."""

LOOKUPS = 2
"""Class C: how often the vendor is searched, its lag apart, before a lost write is believed absent."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Back to `ready`."""

    reason: str
    counts_as_resend: bool = False  # it may go out twice: once only, and counted


@dataclass(frozen=True, slots=True)
class LookUp:
    """Search the vendor for our key; adopt what is found."""


@dataclass(frozen=True, slots=True)
class ToPerson:
    """`needs_human`, with the reason a person reads."""

    reason: str


Remedy = SendAgain | LookUp | ToPerson


@dataclass(frozen=True, slots=True)
class Lost:
    """An action whose answer was lost."""

    kind: Kind
    basis: Basis
    write_class: WriteClass
    resends: int
    lookups: int
    attempts: int
    deaths_alone: int


def after_lost_answer(lost: Lost, *, max_attempts: int) -> Remedy:
    """What the integration's declared class allows. Never a search in place of a class, never a guess."""
    if lost.deaths_alone >= DEATHS_ALONE:
        return ToPerson(f"its worker died {lost.deaths_alone} times while it ran by itself")
    if lost.write_class in {WriteClass.A, WriteClass.B}:
        if lost.attempts >= max_attempts:
            return ToPerson(f"no clear answer in {lost.attempts} attempts")
        return SendAgain("the answer was lost; repeating is safe at this vendor")
    if lost.write_class is WriteClass.C:
        return _searchable(lost)
    if lost.kind is Kind.ACKNOWLEDGEMENT and lost.basis is Basis.REPLY and lost.resends == 0:
        return SendAgain("the answer was lost; an acknowledgement is resent once", counts_as_resend=True)
    return ToPerson("the answer was lost: it may or may not have gone out, and this vendor cannot tell")


def _searchable(lost: Lost) -> Remedy:
    if lost.lookups < LOOKUPS:
        return LookUp()
    if lost.basis.is_outward or lost.resends > 0:
        return ToPerson(f"the answer was lost and {lost.lookups} searches at the vendor found nothing")
    return SendAgain("the answer was lost and the vendor has no record of it", counts_as_resend=True)


def backoff_seconds(attempt: int, *, first: float, longest: float, jitter: float) -> float:
    """How long to wait after attempt number `attempt` (1, 2, …): doubling, bounded, spread by `jitter` (0 to 1).

    Half of the wait is fixed and half is spread ("equal jitter"), so that a recovery does not meet a storm.
    """
    full = min(longest, first * 2.0 ** min(max(attempt, 1) - 1, 30))
    return full / 2 + full / 2 * jitter
