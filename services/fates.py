"""What becomes of an event that came in."""

from dataclasses import dataclass

from data_contracts.journey_events import RefusedPart
from data_contracts.problems import ContractBroken


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an event, in words. `is_news` False: it changed nothing."""

    subject: str
    outcome: str
    is_news: bool = True
    refused: tuple[RefusedPart, ...] = ()  # of a delivery of several events, those that break their contract


EventFate = Done | ContractBroken
"""What became of an event; the error for one that was refused before anything was written."""
