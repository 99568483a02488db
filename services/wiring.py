"""The composition root: the one place that builds clients and hands them on."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType

from data_contracts.policy import load_policy
from domain.policy import Policy
from integrations.prefect_events import CRITICAL_ANSWER, CUSTOMER_ACTIVATED, PrefectEvents
from integrations.prefect_reviews import PrefectReviewRuns, ReviewRuns
from integrations.registry import Roster, load_roster
from services.dispatch import Dispatcher, Timing
from services.journeys import Journeys
from services.lifelines import Lifelines
from services.links import Links
from services.review_links import ReviewLinks
from services.sending import Sender
from services.settings import Settings, load_settings
from store.database import Database
from store.groupcommit import GroupCommit
from store.integrations import register


def utc_now() -> datetime:
    """Business time of a real installation."""
    return datetime.now(UTC)


class Handrail:
    """Everything a process needs to work on one installation. An async context manager; open it once a process."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        policy: Policy,
        roster: Roster,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings = settings
        self.database = database
        self.policy = policy
        self.roster = roster
        self.clock = clock
        self.links = Links(settings.gateway_url, settings.link_secrets)
        self.review_links = ReviewLinks(settings.gateway_url, settings.link_secrets)
        self.journeys = Journeys()
        self.writer = GroupCommit(database)
        self.sender = Sender(database, policy, clock, self.links, self.review_links)
        worker = worker_name()
        self.lifelines = Lifelines(settings.data / "workers", worker)
        self._prefect: PrefectEvents | None = None
        self._review_runs: PrefectReviewRuns | None = None
        self.dispatcher = Dispatcher(
            database,
            self.writer,
            roster,
            policy,
            self.sender,
            worker=worker,
            timing=Timing(settings.lease_seconds),
            clock=clock,
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Handrail":
        """The installation the environment names. Raises with words to show when a file of it is wrong."""
        settings, variables = load_settings(environment)
        policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
        roster = load_roster(
            settings.integrations.read_text(encoding="utf-8"),
            variables,
            str(settings.integrations),
            lease_seconds=settings.lease_seconds,
        )
        return cls(settings, Database(settings.database), policy, roster)

    async def __aenter__(self) -> "Handrail":
        await asyncio.to_thread(self.lifelines.hold)
        await asyncio.to_thread(self._register)
        if self.settings.prefect_api_url:
            auth = self.settings.prefect_auth.get_secret_value()
            self._prefect = PrefectEvents(self.settings.prefect_api_url, auth=auth or None)
            self._review_runs = PrefectReviewRuns(self.settings.prefect_api_url, auth=auth or None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._prefect is not None:
            await self._prefect.aclose()
        if self._review_runs is not None:
            await self._review_runs.aclose()
        await self.roster.aclose()
        await asyncio.to_thread(self.writer.close)
        self.database.close()
        self.lifelines.let_go()

    async def announce_critical_answer(self, subject: str) -> None:
        """Hint to Prefect that a run of survey-escalation would find something. Returns at once, never raises."""
        if self._prefect is not None:
            await self._prefect.announce(CRITICAL_ANSWER, subject, {})

    async def announce_activation(self, subject: str) -> None:
        """Hint to Prefect that a run of onboarding-drip would find something. Returns at once, never raises."""
        if self._prefect is not None:
            await self._prefect.announce(CUSTOMER_ACTIVATED, subject, {})

    @property
    def review_runs(self) -> ReviewRuns | None:
        """Where reviews are shown and may be answered in Prefect; None: this installation works without it."""
        return self._review_runs

    def _register(self) -> None:
        with self.database.write("register") as connection:
            for configured in self.roster:
                register(connection, configured.name, configured.capability, configured.vendor, now=self.clock())


def worker_name() -> str:
    """Unique per process start, so that a lease never passes to a namesake."""
    return f"{socket.gethostname()}/{os.getpid()}/{os.urandom(4).hex()}"
