"""A reviewer, what their phone shows, and a database of each kind to keep them in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest

from services.reviewers import Credentials, add_reviewer, new_credentials

NOW = datetime(2026, 3, 4, 11, 0, 7, tzinfo=UTC)
ROLES = ("lead", "on_call")


@pytest.fixture
def database(installation: Any) -> Any:
    """Of each kind."""
    return installation.database


@pytest.fixture
def ewa(database: Any) -> Credentials:
    """A reviewer."""
    return added(database, "Ewa Lis")


def added(database: Any, name: str, *roles: str) -> Credentials:
    """A reviewer with these roles, on call unless told otherwise."""
    made = new_credentials(name)
    add_reviewer(database, made, roles or ("on_call",), known_roles=ROLES, by="admin", now=NOW)
    return made


def shown(made: Credentials, seconds: float = 0) -> str:
    """What the phone shows so long after NOW."""
    return pyotp.TOTP(made.secret).at(NOW + timedelta(seconds=seconds))


def another(code: str) -> str:
    """A code that is not this one, nor one of those near it by any likely chance."""
    return f"{(int(code) + 333_333) % 10**6:06}"
