"""What the onboarding drip's planner reads of customers beside their enrolments: few queries a page."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from domain.actions import Capability
from domain.channels import Channel
from domain.journey_steps import CAPABILITY_OF
from services.risks import Risks
from services.step_plans import SENSELESS, Needs, PageFacts, StepPlans
from store import drip as store
from store.canonical import address_hash
from store.customers import Person
from store.database import Database
from store.drip import Enrolled
from store.enrolments import behaviour_of
from store.ledger.steps import Going


class FactsOfPages:
    """The facts of one run's pages. On which channels anybody is suppressed at all is asked once, at its beginning."""

    def __init__(self, database: Database, plans: StepPlans, risks: Risks, *, now: datetime) -> None:
        self._database, self._plans, self._risks, self._now = database, plans, risks, now
        with database.read() as connection:
            self._suppressing = [
                channel for channel in CAPABILITY_OF.values() if store.is_any_suppressed(connection, channel)
            ]

    def of(self, rows: Sequence[Enrolled], *, is_over: bool = False) -> PageFacts:
        """What is read for a page beside its rows, by few queries; `is_over`: only what the next step waits for."""
        needs_at = {at: self._needs(row) for at, row in {(row.journey_hash, row.step): row for row in rows}.items()}
        needed = [(row, needs) for row in rows if (needs := needs_at[row.journey_hash, row.step]) is not None]
        facts = PageFacts()
        if not needed:
            return facts
        with self._database.read() as connection:
            ending = {row.customer_id for row, needs in needed if needs.ending}
            facts.endings = store.next_endings(connection, ending, first=(self._now - timedelta(days=1)).date())
            steered = {row.customer_id for row, needs in needed if needs.may_hurry or (needs.behaviour and not is_over)}
            facts.behaviour = behaviour_of(connection, steered)
            if is_over:
                return facts
            facts.in_hardship = self._risks.in_hardship(connection, {row.customer_id for row, _ in needed})
            asked = [(row.customer_id, needs.purpose) for row, needs in needed if needs.purpose is not None]
            facts.consents = store.consents_of(connection, {who for who, _ in asked}, {purpose for _, purpose in asked})
            for capability in self._suppressing:
                addresses = [
                    (row.customer_id, _address(row.person, capability))
                    for row, needs in needed
                    if capability in needs.capabilities
                ]
                for customer_id in _suppressed(connection, capability, addresses):
                    facts.suppressed.setdefault(customer_id, set()).add(capability)
        return facts

    def _needs(self, row: Enrolled) -> Needs | None:
        """None for a row that makes no sense: it is set aside when it is decided on."""
        try:
            return self._plans.needs(row)
        except SENSELESS:
            return None

    def suppressed(self, channel: Channel, goings: Sequence[Going]) -> set[int]:
        """Those of these customers who must not be written to over the channel that their step would take.

        What is suppressed on others changes nothing: those before it are out anyway, those after it are not asked.
        """
        capability = CAPABILITY_OF[channel]
        if channel is Channel.PERSON or capability not in self._suppressing:
            return set()
        with self._database.read() as connection:
            addresses = store.addresses(connection, capability, [going.customer_id for going in goings])
            return _suppressed(connection, capability, addresses)


def _address(person: Person, capability: Capability) -> str | None:
    if capability is Capability.MAIL:
        return person.email
    return person.device if capability is Capability.PUSH else person.phone


def _suppressed(
    connection: Connection, capability: Capability, addresses: Iterable[tuple[int, str | None]]
) -> set[int]:
    """Those of these customers whose address must not be written to."""
    hashes: dict[str, list[int]] = {}
    for customer_id, address in addresses:
        if address:
            hashes.setdefault(address_hash(address), []).append(customer_id)
    return {one for hashed in store.suppressed(connection, capability, hashes) for one in hashes[hashed]}
