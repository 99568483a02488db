"""Where the local stack listens: three ports in a row on this machine."""

import http.client
import socket
import time
from dataclasses import dataclass

from handrail.failures import CommandFailed

HOST = "127.0.0.1"
DEFAULT_BASE = 8100


@dataclass(frozen=True, slots=True)
class Addresses:
    """The ports BASE, BASE+1, BASE+2 and what is behind each."""

    base: int
    with_prefect: bool

    @property
    def ports(self) -> dict[str, int]:
        """Name → port, of what will listen."""
        names = ("gateway", "sandbox", "prefect") if self.with_prefect else ("gateway", "sandbox")
        return {name: self.base + offset for offset, name in enumerate(names)}

    @property
    def gateway(self) -> str:
        """Where senders deliver."""
        return f"http://{HOST}:{self.base}"

    @property
    def sandbox(self) -> str:
        """The stand-in for outside systems, and its page."""
        return f"http://{HOST}:{self.base + 1}"

    @property
    def prefect(self) -> str | None:
        """Prefect's UI; None: it is not part of this stack."""
        return f"http://{HOST}:{self.base + 2}" if self.with_prefect else None

    @property
    def prefect_api(self) -> str:
        """Prefect's API; empty: without Prefect."""
        return f"{self.prefect}/api" if self.prefect else ""

    def check_free(self, patience: float) -> None:
        """Raises CommandFailed naming a port that somebody else listens on, also after `patience` seconds."""
        deadline = time.monotonic() + patience
        while taken := [f"{port} (for the {name})" for name, port in self.ports.items() if not _is_free(port)]:
            if time.monotonic() >= deadline:
                raise CommandFailed(
                    f"in use: port {', '.join(taken)}: stop what listens there, "
                    f"or choose three others with --ports BASE, as in --ports {self.base + 100}"
                )
            time.sleep(0.1)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def answers(address: str, path: str, *, timeout: float = 1.0) -> bool:
    """True when `address` answers GET `path` with 200. Never goes through a proxy."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
