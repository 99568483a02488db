"""Who may see and decide on the pages: named operators, passwords kept as hashes, sessions kept in the database."""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import argon2
import yaml
from argon2.exceptions import InvalidHashError, VerificationError

from data_contracts import strict_yaml
from integrations.errors import ConfigurationError
from services.tries import TooManyTries, Tries
from store import sessions
from store.database import Database

SESSION = timedelta(hours=12)
"""A shift; then one signs in again."""

SHORTEST_PASSWORD = 12
_LONGEST_PASSWORD = 1000

_PATIENCE_SECONDS = 5.0

_HASHER = argon2.PasswordHasher()


class Operators:
    """The operators of an installation; none: nobody has to sign in.

    Passwords are checked one at a time, as each takes 64 MB and a core for a moment: webhooks must not wait for it.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)
        self._turn = asyncio.Lock()
        self.tries = Tries()

    def __bool__(self) -> bool:
        return bool(self._hashes)

    async def sign_in(
        self, database: Database, name: str, password: str, token: str, *, address: str, now: datetime
    ) -> bool:
        """Begin a session for `token` when the password is right. Raises TooManyTries."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise TooManyTries from None
        try:
            self.tries.refuse_guessers(address, name, now=now)
            if not await asyncio.to_thread(self._is_right, name, password):
                self.tries.count(address, name, now=now)
                return False
            await asyncio.to_thread(self._begin, database, name, token, now)
            return True
        finally:
            self._turn.release()

    def _begin(self, database: Database, name: str, token: str, now: datetime) -> None:
        credential = _hashed(self._hashes[name])
        with database.write("sign-in") as connection:
            session = {"credential": credential, "way": sessions.PASSWORD}
            sessions.begin(connection, _hashed(token), name, **session, now=now, until=now + SESSION)

    def signed_in(self, database: Database, token: str, now: datetime) -> str | None:
        """Whose session it is; None when it is over, or its operator's password was changed or taken away."""
        with database.read() as connection:
            session = sessions.find(connection, _hashed(token), way=sessions.PASSWORD, now=now)
        if session is None or _hashed(self._hashes.get(session.operator, "")) != session.credential:
            return None
        return str(session.operator)

    def sign_out(self, database: Database, token: str) -> None:
        """End the session."""
        with database.write("sign-out") as connection:
            sessions.end(connection, _hashed(token))

    def _is_right(self, name: str, password: str) -> bool:
        kept = self._hashes.get(name)
        if len(password) > _LONGEST_PASSWORD:
            return False
        try:
            return _HASHER.verify(kept or _nobodys(), password) and kept is not None
        except VerificationError:
            return False


def load_operators(path: Path) -> Operators:
    """The operators of a file; no file: none. Raises ConfigurationError."""
    return Operators(read_hashes(path))


def read_hashes(path: Path) -> dict[str, str]:
    """Name → password hash. Raises ConfigurationError with everything wrong; a hash is never quoted."""
    if not path.exists():
        return {}
    try:
        said = strict_yaml.parse(path.read_text(encoding="utf-8")).value or {}
    except (strict_yaml.NotStrictYaml, UnicodeDecodeError):
        raise ConfigurationError([f"{path}: is not YAML: write it with `handrail operators add`"]) from None
    if not isinstance(said, dict):
        raise ConfigurationError([f"{path}: must say a hash for each name: write it with `handrail operators add`"])
    wrong = [name for name, kept in said.items() if not _is_hash(kept) or not isinstance(name, str)]
    if wrong:
        raise ConfigurationError(
            [f"{path}: {name}: is not an argon2 hash: make it with `handrail operators add`" for name in wrong]
        )
    return {str(name): str(kept) for name, kept in said.items()}


def as_file(hashes: Mapping[str, str]) -> str:
    """The file that `read_hashes` reads."""
    lines = "# Written by `handrail operators`; restart the gateway after a change. Passwords are not in here.\n"
    return lines + yaml.safe_dump(dict(hashes), allow_unicode=True, width=1000)


def hashed_password(password: str) -> str:
    """What the file keeps of a password. Raises ValueError for one that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise ValueError(
            f"a password has {SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters: four words are a good one"
        )
    return _HASHER.hash(password)


@cache
def _nobodys() -> str:
    """Checked for unknown names, so that the time it takes does not tell who is known."""
    return _HASHER.hash("of an operator who does not exist")


def _is_hash(kept: object) -> bool:
    try:
        return isinstance(kept, str) and argon2.extract_parameters(kept).type is argon2.Type.ID
    except InvalidHashError:
        return False


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
