"""The small init: patient with what cannot start, quick with what was killed, thorough in the end."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from local_stack import eventually, is_alive

pytestmark = pytest.mark.process

BEGIN = """
import json, logging, os, signal, sys, time
from pathlib import Path
from handrail.supervisor import Program, Supervisor

logging.basicConfig(level=logging.WARNING, format="%(message)s")
here = Path(sys.argv[1])
supervisor = Supervisor()
supervisor.open()

def program(name, code, **more):
    return Program(name, (sys.executable, "-c", code), dict(os.environ), here / (name + ".log"), **more)

def until(claim, seconds=10.0):
    ends, deadline = [], time.monotonic() + seconds
    while not claim(ends) and time.monotonic() < deadline:
        ends += [(end.name, end.status) for end in supervisor.step(0.05)]
    return ends
"""
"""It reaps every child there is, so it gets a process of its own."""


def supervised(script: str, directory: Path) -> tuple[Any, str]:
    """Run a script on a supervisor; the JSON it prints last, and what was logged."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + dedent(script), str(directory)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_what_ends_at_once_again_and_again_is_started_after_growing_pauses(tmp_path: Path) -> None:
    told, logged = supervised(
        """
        begun = time.monotonic()
        supervisor.start(program("broken", "raise SystemExit(3)"))
        ends = until(lambda ends: len(ends) == 4)
        took = time.monotonic() - begun
        supervisor.stop(5)
        print(json.dumps({"ends": ends, "took": took}))
        """,
        tmp_path,
    )

    assert told["ends"] == [["broken", 3]] * 4
    assert told["took"] > 1.5  # at once, then after 0.5 s and 1 s
    assert "ended by itself with status 3" in logged
    assert "in 1 s, as it ended 3 times in a row" in logged


def test_what_is_killed_again_and_again_is_started_at_once(tmp_path: Path) -> None:
    told, _ = supervised(
        """
        supervisor.start(program("victim", "import time; time.sleep(60)"))
        begun = time.monotonic()
        for _ in range(5):
            os.kill(supervisor.pids["victim"], signal.SIGKILL)
            until(lambda ends: ends)
            until(lambda _: "victim" in supervisor.pids)
        took = time.monotonic() - begun
        supervisor.stop(5)
        print(json.dumps(took))
        """,
        tmp_path,
    )

    assert told < 1.5


def test_in_the_end_the_stubborn_and_the_orphans_are_gone(tmp_path: Path) -> None:
    told, logged = supervised(
        """
        stubborn = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            "open('ready', 'w'); time.sleep(60)"
        )
        parent = (
            "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
            "open('orphan', 'w').write(str(child.pid))"
        )
        supervisor.start(program("stubborn", stubborn, directory=here))
        supervisor.start(program("parent", parent, directory=here, is_once=True))
        until(lambda ends: ends and (here / "ready").exists())
        pids = [supervisor.pids["stubborn"], int((here / "orphan").read_text())]
        alive_before = [os.path.exists(f"/proc/{pid}") for pid in pids]
        supervisor.stop(0.5)
        print(json.dumps({"pids": pids, "before": alive_before}))
        """,
        tmp_path,
    )

    assert told["before"] == [True, True]
    eventually(lambda: not any(is_alive(pid) for pid in told["pids"]), 2)
    assert "stubborn did not end in 0.5 s and is killed" in logged


def test_children_do_not_ignore_what_their_starter_ignores(tmp_path: Path) -> None:
    """A script that starts `handrail up &` has it ignore SIGINT; Prefect's worker needs it."""
    told, _ = supervised(
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = "import signal; raise SystemExit(int(signal.getsignal(signal.SIGINT) is signal.SIG_IGN))"
        supervisor.start(program("child", code, is_once=True))
        print(json.dumps(until(lambda ends: ends)))
        """,
        tmp_path,
    )

    assert told == [["child", 0]]


def test_whoever_takes_long_to_end_finds_what_was_started_before_it_alive(tmp_path: Path) -> None:
    """As Prefect's worker does its server: without it, it would try to reach it until it is killed."""
    told, logged = supervised(
        """
        slow = (
            "import os, signal, sys, time\\n"
            "def end(*_):\\n"
            "    time.sleep(2)\\n"
            "    os.kill(int(open('server').read()), 0)\\n"
            "    open('server-lived', 'w')\\n"
            "    sys.exit()\\n"
            "signal.signal(signal.SIGTERM, end)\\n"
            "open('ready', 'w')\\n"
            "time.sleep(60)"
        )
        for name in ("gateway", "sandbox", "server"):
            supervisor.start(program(name, "import time; time.sleep(60)"))
        supervisor.start(program("worker", slow, directory=here))
        until(lambda _: (here / "ready").exists())
        os.kill(supervisor.pids["server"], signal.SIGKILL)  # what comes back is the youngest, and not the last
        until(lambda ends: ends and "server" in supervisor.pids)
        (here / "server").write_text(str(supervisor.pids["server"]))
        begun = time.monotonic()
        supervisor.stop(5)
        lived = (here / "server-lived").exists()
        print(json.dumps({"lived": lived, "took": time.monotonic() - begun}))
        """,
        tmp_path,
    )

    assert told["lived"]
    assert told["took"] < 4.5
    assert "is killed" not in logged
