"""The worker processes of a history, which go on from wherever they stand."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ledger_house import Process

from domain.actions import Capability


class Crew(ABC):
    """Whose history it is says what arming, sending and recording mean there."""

    processes: list[Process]

    def busy(self) -> list[Process]:
        """Processes that hold something."""
        return [process for process in self.processes if process.is_busy]

    def go_on(self, process: Process, until: str, ends: Sequence[str]) -> None:
        """From wherever it stands."""
        for capability in list(process.reserved):
            if until >= "2 armed" and process.reserved[capability]:
                self.arm(process, capability)
        if until >= "3 sent":
            self.send(process, ends)
        if until >= "4 recorded":
            self.record(process)

    @abstractmethod
    def arm(self, process: Process, capability: Capability) -> None:
        """Step two."""

    @abstractmethod
    def send(self, process: Process, ends: Sequence[str]) -> None:
        """Step three: each send ends so."""

    @abstractmethod
    def record(self, process: Process) -> None:
        """Step four."""
