"""The process of one flow run, as the deployments' `command` starts it: Prefect's engine, begun more cheaply.

Prefect's own command imports Prefect twice (a supervisor first, then the engine): 2.6 CPU-seconds a run. This one
imports it once, and does not look for garbage while a hundred thousand objects are made that all stay: 1.3.

While it lives it holds a file: when it dies together with its worker, nobody else could say that the run is over, and
its deployment's slot would be taken for five minutes.
"""

import asyncio
import gc
import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from services.lifelines import lifelines_of_runs
from services.settings import load_settings


def prepare() -> None:
    """Make this a process that sends much: garbage is looked for rarely, and uvloop turns its event loops."""
    gc.set_threshold(100_000, 50, 50)
    if sys.platform != "win32":
        import uvloop  # not there on Windows

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def main() -> None:
    """Run the flow run that PREFECT__FLOW_RUN_ID names, and end as the engine says."""
    prepare()
    with _proof_of_life():
        runpy.run_module("prefect.engine", run_name="__main__")


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


if __name__ == "__main__":
    main()
