"""`python -m gateway`: one process, one event loop."""

import gc
import logging
import sys

import uvicorn
from pydantic import ValidationError

from data_contracts.policy import PolicyProblem
from gateway.app import create_app
from gateway.probes import not_ready
from integrations.errors import ConfigurationError
from services.wiring import Handrail

_log = logging.getLogger("gateway")


def main() -> int:
    """Serve until SIGTERM. Exit 1 with words when the installation's files are wrong or its database is not ready."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        handrail = Handrail.from_environment()
    except ValidationError as problem:
        wrong = [f"HANDRAIL_{str(one['loc'][0]).upper()}: {one['msg']}" for one in problem.errors(include_url=False)]
        return _cannot_start("; ".join(wrong))
    except (ConfigurationError, PolicyProblem, OSError) as problem:
        return _cannot_start(str(problem))
    if (problem_there := not_ready(handrail.database)) is not None:
        return _cannot_start(problem_there)
    settings = handrail.settings
    app = create_app(lambda: handrail)
    sys.setswitchinterval(0.001)  # of 5 ms: so long would the event loop stand still while another thread computes
    gc.collect()
    gc.freeze()  # what was imported stays; to look through it for garbage would halt every thread for 0.1 s
    uvicorn.run(
        app,
        host=settings.gateway_host,
        port=settings.gateway_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        backlog=4096,
    )
    return 0


def _cannot_start(problem: str) -> int:
    _log.error("cannot start: %s", problem)
    return 1


if __name__ == "__main__":
    sys.exit(main())
