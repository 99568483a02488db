"""The process of one flow run, as the deployments' `command` starts it.

Where the local stack keeps a fork server (`handrail.fork_server`; HANDRAIL_FORK_SERVER says on which socket), the run
is a fork of that one, which has imported everything already. This process stands for it then: signals are handed on,
the run dies when this process does, however that comes, and this process ends as the run did. Without a fork server, or
where it says that it is none for this run, the run is this process itself.

Nothing here imports more than the standard library: a run would pay for it twice.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FORK_SERVER = "HANDRAIL_FORK_SERVER"
"""The variable that names the fork server's socket."""

HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What whoever started a run may tell it. SIGKILL needs no word: the server sees this process go."""

BEGUN = b"+"
"""What the server answers before it forks; anything else, in words, says why it will not."""

LENGTH_BYTES = 4
_PATIENCE = 5.0
"""Seconds for the server's first word, which it has at once unless somebody stopped it."""


def main() -> None:
    """Run the flow run that PREFECT__FLOW_RUN_ID names, and end as the engine says."""
    path = os.environ.get(FORK_SERVER)
    status = _forked(Path(path)) if path and sys.platform == "linux" else None
    if status is None:
        from handrail import flow_run

        flow_run.main()
    elif status < 0:
        _end_by(-status)
    else:
        sys.exit(status)


def _request() -> dict[str, Any]:
    """What makes a run's process what it is: its environment, and the directory it stands in."""
    return {"environment": dict(os.environ), "directory": os.getcwd()}


def at(path: Path, use: Callable[[str], None]) -> None:
    """Bind or connect to the socket `path`, whose name may be longer than the 108 bytes an address has. Linux only."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        use(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def _forked(path: Path) -> int | None:
    """How the run ended as a fork of the server at `path`, minus the signal if by one; None: there is none for it."""
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.settimeout(_PATIENCE)
            at(path, server.connect)
            said = json.dumps(_request()).encode()
            socket.send_fds(server, [len(said).to_bytes(LENGTH_BYTES)], [0, 1, 2])
            server.sendall(said)
            first = server.recv(1)
        except OSError as problem:
            first, why = b"", str(problem)
        else:
            why = first.decode() + _rest(server) if first != BEGUN else ""
        if first != BEGUN:
            why = why or "no answer"
            sys.stderr.write(f"flow run: not forked at {path}: {why}; it imports everything itself\n")
            return None
        for number in HANDED_ON:
            signal.signal(number, lambda number, _: server.send(bytes([number])))
        server.settimeout(None)
        ended = _rest(server)
    # A server that dies takes its runs with it, by SIGKILL.
    return int(ended) if ended else -signal.SIGKILL


def _rest(server: socket.socket) -> str:
    """All that comes until the server closes."""
    with server.makefile(encoding="utf-8") as stream:
        try:
            return stream.read()
        except OSError:
            return ""


def _end_by(number: int) -> None:
    """Die of a signal, as the run did."""
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    main()
