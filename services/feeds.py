"""Feeds that need a person: whose last batch was halted, or from which nothing has come for too long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from domain.gates import DataSet
from domain.instants import lasted
from domain.policy import Policy
from store import gates


@dataclass(frozen=True, slots=True)
class FeedTrouble:
    """What is wrong with one feed, in words, and what to do."""

    data_set: DataSet
    feed: str
    is_halted: bool  # else it is stale
    problem: str
    do: str


def feeds_in_trouble(connection: Connection, policy: Policy, *, now: datetime) -> list[FeedTrouble]:
    """By data set and name; one that is both halted and stale is listed as halted, which is why it is stale."""
    return [trouble for feed in gates.feeds_now(connection) if (trouble := _trouble(feed, policy, now=now)) is not None]


def _trouble(feed: gates.FeedNow, policy: Policy, *, now: datetime) -> FeedTrouble | None:
    if feed.halted_gate is not None:
        return FeedTrouble(
            feed.data_set,
            feed.feed,
            is_halted=True,
            problem=f"{feed.data_set} of {feed.feed}: the last batch was halted at its gate; nothing of it was taken",
            do=f"`handrail gates show {feed.halted_gate}` says why; correct the file, or approve it",
        )
    longest = policy.gates.stale_after(feed.data_set, is_events=feed.is_events)
    if feed.last_passed_at is None or now - feed.last_passed_at <= longest:
        return None
    for_so_long = lasted((now - feed.last_passed_at).total_seconds())
    return FeedTrouble(
        feed.data_set,
        feed.feed,
        is_halted=False,
        problem=f"{feed.data_set} of {feed.feed}: nothing has come for {for_so_long}, and nothing is done on such data "
        f"after {longest // timedelta(hours=1)} h",
        do="ask who sends it; a new batch or event makes it good by itself",
    )
