"""Counts who tries links that are none of ours."""

from datetime import datetime, timedelta

_MOST = 20
_WHILE = timedelta(minutes=15)
_REMEMBERED = 10_000
"""Addresses whose tries are counted at a time: memory stays bounded whatever comes."""


class Guesses:
    """Wrong links by address, each process for itself. A genuine link works from everywhere, whatever was tried."""

    def __init__(self) -> None:
        self._tries: dict[str, list[datetime]] = {}

    def is_too_many(self, address: str, now: datetime) -> bool:
        """Counts one more; True when there were too many lately."""
        lately = [at for at in self._tries.pop(address, ()) if at > now - _WHILE][-_MOST:]
        self._tries[address] = [*lately, now]
        while len(self._tries) > _REMEMBERED:
            del self._tries[next(iter(self._tries))]
        return len(lately) >= _MOST
