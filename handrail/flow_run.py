"""One flow run: Prefect's engine, begun more cheaply.

Prefect's own command imports Prefect twice (a supervisor first, then the engine): 2.6 CPU-seconds a run. This one
imports it once, and does not look for garbage while a hundred thousand objects are made that all stay: 1.3. A run that
is forked from `handrail.fork_server` imports next to nothing.

What is imported, a second's work, is imported in a thread that gives way to everybody: runs begin together, each
minute, and customers who answer in that moment would wait for them. The run itself does not give way: it would do so
with SQLite's lock in its hand, while everybody else waits for that.

While it lives it holds a file: when it dies together with its worker, nobody else could say that the run is over, and
its deployment's slot would be taken for five minutes.
"""

import asyncio
import gc
import os
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Thread, get_native_id

from pydantic import ValidationError

from services.lifelines import lifelines_of_runs
from services.settings import load_settings

_LEISURE = 10
"""More of `nice`: a ninth of the processor's time beside one that does not give way, all of it when nobody wants it."""


_SWITCH_SECONDS = 0.0003
"""How long a thread keeps Python's lock while another wants it; 5 ms otherwise. The threads that arm the next window
and write answers down let go of it at each statement, and a busy event loop would keep it so long each time that the
next window is armed only when it has nothing left to send."""


def prepare() -> None:
    """Make this a process that sends much: garbage is looked for rarely, and uvloop turns its event loops.

    Its threads give way to each other soon.
    """
    gc.set_threshold(100_000, 50, 50)
    sys.setswitchinterval(_SWITCH_SECONDS)
    if sys.platform != "win32":
        import uvloop  # not there on Windows

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def main() -> None:
    """Run the flow run that PREFECT__FLOW_RUN_ID names, and end as the engine says."""
    prepare()
    run(then=import_at_leisure)


def run(then: Callable[[], None] = lambda: None) -> None:
    """The same in a process that is prepared, and does `then` first, known to live already."""
    with _proof_of_life():
        then()
        runpy.run_module("prefect.engine", run_name="__main__")


def import_at_leisure(more: Iterable[str] = ()) -> None:
    """Import nearly all that a run of any flow needs, and `more`, in a thread that gives way to everybody."""
    imports = Thread(target=_import, args=(more,), name="imports")
    imports.start()
    imports.join()


def _import(more: Iterable[str]) -> None:
    if sys.platform == "linux":  # elsewhere threads have no priority of their own
        thread = get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _LEISURE)
    for module in ("prefect.flows", "prefect.flow_engine", "prefect.task_engine", "services.wiring", *more):
        import_module(module)


@contextmanager
def _proof_of_life() -> Iterator[None]:
    try:
        data = load_settings()[0].data
    except ValidationError:  # the flow itself says what is wrong, where people look
        yield
        return
    lifeline = lifelines_of_runs(data, os.environ["PREFECT__FLOW_RUN_ID"])
    lifeline.hold()
    try:
        yield
    finally:
        lifeline.let_go()
