"""Published journeys, read once: a version never changes."""

from collections.abc import Mapping

from sqlalchemy import Connection

from data_contracts.journeys import stored_journey
from domain.journeys import Journey
from store import journeys as store


class Journeys:
    """The published journeys, by content hash. Safe from several threads."""

    def __init__(self) -> None:
        self._known: dict[str, Journey] = {}

    def of(self, connection: Connection, content_hash: str) -> Journey:
        """The version with this hash. Raises LookupError when none was published."""
        known = self._known.get(content_hash)
        if known is None:
            content = store.content(connection, content_hash)
            if content is None:
                raise LookupError(f"no journey {content_hash} was published")
            known = self._known[content_hash] = stored_journey(content)
        return known

    def live(self, connection: Connection) -> Mapping[str, tuple[str, Journey]]:
        """By name, the hash and the version that customers enter now: the newest approved."""
        return {
            name: (content_hash, self.of(connection, content_hash))
            for name, content_hash in store.live(connection).items()
        }
