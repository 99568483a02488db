"""Where links lead: to Prefect's pages, and to those where vendors show people what we made there."""

import re
from dataclasses import dataclass
from typing import Any

from domain.actions import Capability, Kind
from integrations.operations import operation_of
from integrations.ports import Pages
from integrations.registry import Configured, Roster

_RUN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A Prefect run's id; others who move actions are named in words."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the story's links lead. Whatever is not known has no link."""

    roster: Roster | None = None
    prefect_ui: str = ""

    def run(self, by: str | None) -> str | None:
        """The page of the Prefect run that moved an action; None when it was not one."""
        if not self.prefect_ui or by is None or not _RUN.fullmatch(by):
            return None
        return f"{self.prefect_ui}/runs/flow-run/{by}"

    def serves(self, capability: Capability, name: str | None) -> Configured | None:
        """The integration that an action was armed for, as long as it is still the one."""
        configured = None if self.roster is None else self.roster.of(capability)
        return configured if configured is not None and configured.name == name else None

    def page_of(self, action: Any) -> str | None:
        """Where its vendor shows what an action made (a row with its receipt); None: nowhere, or it made nothing."""
        capability = Capability(action.capability)
        configured = self.serves(capability, action.integration)
        if configured is None or action.external_id is None or not isinstance(configured.port, Pages):
            return None
        operation = operation_of(Kind(action.kind), capability)
        return configured.port.page_of(operation, action.external_id, key=action.key)
