"""A run that is forked is to who started it what a run of its own process is."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from local_stack import eventually, is_alive

from handrail.flow_process import FORK_SERVER

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux alone"),
]

SERVER = """
import os, sys
from pathlib import Path
from handrail.fork_server import ForkServer, written

code = Path(sys.argv[1])
server = ForkServer(Path(os.environ["HANDRAIL_FORK_SERVER"]), written([code]))
server.open()
if server.serve() is not None:
    exec(code.read_text())
"""
"""A fork server whose runs do what its file says, instead of a flow."""

LIVES = """
import os, time
Path(os.environ["PIDS"], str(os.getpid())).touch()
time.sleep(60)
"""


class Forks:
    """A fork server, and the processes that ask it for a run."""

    def __init__(self, directory: Path, does: str) -> None:
        directory.mkdir()
        self.directory = directory
        self.code = directory / "code.py"
        self.code.write_text(does)
        # Longer than the address of a socket may be.
        self.path = directory / ("x" * 60) / ("y" * 60) / "forks"
        self.environment = {**os.environ, FORK_SERVER: str(self.path), "PIDS": str(directory)}
        self.log = (directory / "server.log").open("wb")
        self.server = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = (sys.executable, "-P", "-c", SERVER, str(self.code))
        server = subprocess.Popen(command, env=self.environment, stderr=self.log)
        eventually(self.path.exists, 20, "the fork server did not come up")
        return server

    def ask(self, **more: str) -> subprocess.Popen[str]:
        """What Prefect's worker starts."""
        return subprocess.Popen(
            (sys.executable, "-m", "handrail.flow_process"),
            env={**self.environment, **more},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_of(self, asker: subprocess.Popen[str]) -> int:
        """The process of a run that lives, as soon as it does."""
        eventually(lambda: bool(self._runs()), 20, f"no run began; {asker.args}")
        (pid,) = self._runs()
        return pid

    def _runs(self) -> list[int]:
        return [int(path.name) for path in self.directory.iterdir() if path.name.isdigit()]

    def end(self) -> None:
        self.server.kill()
        self.server.wait()
        self.log.close()


@contextmanager
def forking(directory: Path, does: str) -> Iterator[Forks]:
    forks = Forks(directory, does)
    try:
        yield forks
    finally:
        forks.end()


def test_it_has_the_askers_environment_directory_and_files(tmp_path: Path) -> None:
    does = "print(os.environ['SAYS'], os.getcwd(), sys.path[0]); print(len(sys.argv), file=sys.stderr); sys.exit(7)"
    with forking(tmp_path / "f", does) as forks:
        asker = forks.ask(SAYS="zażółć")
        out, err = asker.communicate(timeout=20)

        assert out.split() == ["zażółć", str(forks.directory), str(forks.directory)]
        assert err == "1\n"
        assert asker.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_handed_on_and_it_ends_as_the_run_does(tmp_path: Path, number: signal.Signals) -> None:
    with forking(tmp_path / "f", f"import signal; signal.signal({int(number)}, signal.SIG_DFL)\n{LIVES}") as forks:
        asker = forks.ask()
        run = forks.run_of(asker)
        asker.send_signal(number)

        assert asker.wait(timeout=20) == -number
        assert not is_alive(run)


def test_a_run_may_end_in_order_when_it_is_told_to(tmp_path: Path) -> None:
    does = f"import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n{LIVES}"
    with forking(tmp_path / "f", does) as forks:
        asker = forks.ask()
        forks.run_of(asker)
        asker.terminate()

        assert asker.wait(timeout=20) == 3


def test_it_dies_with_the_asker(tmp_path: Path) -> None:
    with forking(tmp_path / "f", LIVES) as forks:
        asker = forks.ask()
        run = forks.run_of(asker)
        asker.kill()
        asker.wait()

        eventually(lambda: not is_alive(run), 5, "the run outlived who asked for it")
        assert forks.server.poll() is None


def test_it_dies_with_the_server_and_the_asker_says_so(tmp_path: Path) -> None:
    with forking(tmp_path / "f", LIVES) as forks:
        asker = forks.ask()
        run = forks.run_of(asker)
        forks.server.kill()
        forks.server.wait()

        assert asker.wait(timeout=20) == -signal.SIGKILL
        eventually(lambda: not is_alive(run), 5, "the run outlived its server")


def test_killed_itself_the_asker_is_told(tmp_path: Path) -> None:
    with forking(tmp_path / "f", LIVES) as forks:
        asker = forks.ask()
        os.kill(forks.run_of(asker), signal.SIGKILL)

        assert asker.wait(timeout=20) == -signal.SIGKILL


def test_when_code_has_changed_runs_import_it_themselves_and_the_server_ends_with_its_last_run(tmp_path: Path) -> None:
    with forking(tmp_path / "f", LIVES) as forks:
        lasting = forks.ask()
        run = forks.run_of(lasting)
        forks.code.write_text("sys.exit(5)")
        late = forks.ask(PREFECT__FLOW_RUN_ID="none")

        assert "what was imported has changed since; it imports everything itself" in late.communicate(timeout=60)[1]
        assert late.returncode == 1  # the engine's word for an id that is none
        assert is_alive(run)
        assert forks.server.poll() is None

        lasting.terminate()
        assert lasting.wait(timeout=20) == -signal.SIGTERM
        assert forks.server.wait(timeout=20) == 0


def test_where_no_server_is_a_run_says_so_and_imports_everything_itself(tmp_path: Path) -> None:
    with forking(tmp_path / "f", LIVES) as forks:
        asker = forks.ask(**{FORK_SERVER: str(tmp_path / "nothing" / "forks")}, PREFECT__FLOW_RUN_ID="none")

        said = asker.communicate(timeout=60)[1]

    assert "flow run: not forked at" in said
    assert "No such file or directory" in said
    assert "it imports everything itself" in said
    assert asker.returncode == 1


def test_who_asks_for_nothing_harms_nobody(tmp_path: Path) -> None:
    with forking(tmp_path / "f", "sys.exit(7)") as forks:
        for said in (b"", b"\x00", b"\x00\x00\x00\x05ab", b"\x00\x00\x00\x02ab"):
            with socket.socket(socket.AF_UNIX) as rude:
                os.chdir(forks.path.parent)
                rude.connect(forks.path.name)
                rude.sendall(said)

        assert forks.ask().wait(timeout=20) == 7
        assert forks.server.poll() is None


@contextmanager
def the_server(directory: Path, **more: str) -> Iterator[Mapping[str, str]]:
    """Handrail's own, everything imported."""
    path = directory / "forks"
    environment = {
        **os.environ,
        "HANDRAIL_DATA": str(directory),
        "PREFECT_HOME": str(directory),
        FORK_SERVER: str(path),
    }
    with (directory / "server.log").open("wb") as log:
        command = (sys.executable, "-P", "-m", "handrail.fork_server")
        server = subprocess.Popen(command, env={**environment, **more}, stderr=log)
        try:
            eventually(path.exists, 60, "the fork server did not come up")
            yield environment
        finally:
            server.kill()
            server.wait()


def test_a_run_is_prefects_engine(tmp_path: Path) -> None:
    with the_server(tmp_path) as environment:
        first, second = (_ended({**environment, "PREFECT__FLOW_RUN_ID": "none"}) for _ in range(2))

    for ended in (first, second):
        assert "Invalid flow run id" in ended.stderr
        assert "imports everything itself" not in ended.stderr
        assert ended.returncode == 1


def test_an_environment_that_says_other_things_to_prefect_is_a_run_of_its_own(tmp_path: Path) -> None:
    none = str(uuid4())
    with the_server(tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api") as environment:
        same = {"PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_WORKER_QUERY_SECONDS": "3"}
        calm = {"PREFECT_CLIENT_MAX_RETRIES": "0"}
        other = _ended({**environment, **same, **calm, "PREFECT__FLOW_RUN_ID": none})
        alike = _ended({**environment, **same, "PREFECT__FLOW_RUN_ID": "none"})

    assert "its environment is not the fork server's; it imports everything itself" in other.stderr
    assert other.returncode == 1
    assert "imports everything itself" not in alike.stderr


def _ended(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "handrail.flow_process")
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
