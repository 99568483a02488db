"""A real mailbox: maildev, which takes every mail and shows it as JSON and on a page."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

MAILDEV = "maildev@2.2.1"
_STARTS_WITHIN = 90.0  # seconds; the first time npm fetches it


@dataclass(frozen=True)
class Mailbox:
    """Where it takes mail, and where it shows it."""

    smtp_port: int
    web: str

    def mails(self) -> list[dict[str, Any]]:
        """Every mail there is, as maildev read it."""
        found: list[dict[str, Any]] = httpx.get(f"{self.web}/email", trust_env=False).raise_for_status().json()
        return found


@contextmanager
def running_mailbox(said: Path) -> Iterator[Mailbox]:
    """A maildev of one's own, what it says in the file `said`. Skips the test where there is no npm."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("npm is not installed, so there is no maildev to send to: install Node.js and npm")
    box = Mailbox(_free_port(), f"http://127.0.0.1:{_free_port()}")
    process = _start(npx, box, said)
    try:
        _wait(process, box, said)
        yield box
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def _start(npx: str, box: Mailbox, said: Path) -> subprocess.Popen[bytes]:
    web_port = box.web.rpartition(":")[2]
    command = [npx, "--yes", MAILDEV, "--ip", "127.0.0.1", "--smtp", str(box.smtp_port), "--web", web_port]
    with said.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, cwd=said.parent)


def _wait(process: subprocess.Popen[bytes], box: Mailbox, said: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            box.mails()
            with socket.create_connection(("127.0.0.1", box.smtp_port), timeout=1):
                return
        except (httpx.HTTPError, OSError):
            time.sleep(0.2)
    pytest.fail(f"maildev did not start:\n{said.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
