"""What `handrail up` keeps in its directory: the lock, up.json, stack.env."""

import base64
import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from handrail.failures import CommandFailed
from services.settings import STACK_FILE

LOCK_FILE = "up.lock"
UP_FILE = "up.json"
SECRET = "HANDRAIL_WEBHOOK_SECRET"  # noqa: S105 - the name of one
TOKEN = "HANDRAIL_SANDBOX_TOKEN"  # noqa: S105
LINKS = "HANDRAIL_LINK_SECRET"


class Lock:
    """Held while `handrail up` runs on a directory. The system lets go of it when the process ends, however it ends."""

    def __init__(self, directory: Path) -> None:
        """Raises CommandFailed when another one runs there."""
        directory.mkdir(parents=True, exist_ok=True)
        self._file = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode() or "?"
            os.close(self._file)
            raise CommandFailed(
                f"`handrail up` already runs on {directory} (process {holder}): "
                "stop it first, or choose another directory with --data and other ports with --ports"
            ) from None
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._file)


def secrets_of(directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The stack's own secrets: as the environment says, else as they were kept, else new ones."""
    kept = dotenv_values(directory / STACK_FILE) if (directory / STACK_FILE).exists() else {}
    made = {
        SECRET: f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
        TOKEN: secrets.token_urlsafe(32),
        LINKS: secrets.token_urlsafe(32),
    }
    return {name: environment.get(name) or kept.get(name) or new for name, new in made.items()}


def keep_variables(directory: Path, variables: Mapping[str, str]) -> None:
    """Write stack.env, readable by its owner only."""
    lines = ["# Written by `handrail up`; read by every other command when HANDRAIL_DATA names this directory."]
    for name, value in sorted(variables.items()):
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"{name}='{quoted}'")
    write_atomically(directory / STACK_FILE, "\n".join(lines) + "\n")


def keep_standing(directory: Path, standing: Mapping[str, Any]) -> None:
    """Write up.json: what `handrail up --json` printed, as it is now."""
    write_atomically(directory / UP_FILE, json.dumps(standing) + "\n")


def ended_badly(directory: Path) -> bool:
    """True when the last `handrail up` here was killed: it takes up.json away when it can."""
    return (directory / UP_FILE).exists()


def forget_standing(directory: Path) -> None:
    """Nothing runs here any more."""
    (directory / UP_FILE).unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """All of it or nothing, for the owner's eyes only: the files name secrets."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(path)
