"""Counts who tries to sign in and fails, by address and name, each process for itself."""

from datetime import datetime, timedelta

_TRIES = 5
"""Wrong passwords for one name from one address, then it is refused unheard for a while."""

_TRIES_FROM_ONE_ADDRESS = 20
_WHILE = timedelta(minutes=15)
_REMEMBERED = 10_000
"""Addresses and names whose tries are counted at a time: memory stays bounded whatever comes."""


class TooManyTries(Exception):
    """Refused without looking: too many wrong passwords or codes lately, or too many tries at once."""


class Tries:
    """What was wrong lately. A name counts for each address by itself: a guesser keeps nobody else out."""

    def __init__(self) -> None:
        self._tries: dict[tuple[str, ...], list[datetime]] = {}

    def refuse_guessers(self, address: str, name: str | None = None, *, now: datetime) -> None:
        """Raises TooManyTries. Without a name only the address is looked at."""
        by_name = () if name is None else ((_by(address, name), _TRIES),)
        for counted, most in (*by_name, (_by(address), _TRIES_FROM_ONE_ADDRESS)):
            lately = [at for at in self._tries.get(counted, ()) if at > now - _WHILE]
            if len(lately) >= most:
                raise TooManyTries

    def count(self, address: str, name: str | None = None, *, now: datetime) -> None:
        """One more was wrong."""
        for counted in {_by(address, name), _by(address)}:
            lately = [at for at in self._tries.pop(counted, ()) if at > now - _WHILE]
            self._tries[counted] = [*lately, now]
        while len(self._tries) > _REMEMBERED:
            del self._tries[next(iter(self._tries))]


def _by(address: str, name: str | None = None) -> tuple[str, ...]:
    return (address,) if name is None else (address, name[:100])
