"""`python -m gateway`: one process, one event loop."""

import gc
import logging
import socket
import sys
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from data_contracts.policy import PolicyProblem
from gateway.app import create_app
from gateway.pages.visitors import refuse_open_pages
from gateway.probes import not_ready
from integrations.errors import ConfigurationError
from services.operators import load_operators
from services.reviewers import is_there_any
from services.settings import Settings, wrong_settings
from services.wiring import Handrail

_log = logging.getLogger("gateway")


def main() -> int:
    """Serve until SIGTERM. Exit 1 with words when the installation's files are wrong or its database is not ready."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        handrail = Handrail.from_environment()
        operators = load_operators(handrail.settings.operators_file)
    except ValidationError as problem:
        return _cannot_start("; ".join(wrong_settings(problem)))
    except (ConfigurationError, PolicyProblem, OSError) as problem:
        return _cannot_start(str(problem))
    if (problem_there := not_ready(handrail.database)) is not None:
        return _cannot_start(problem_there)
    settings = handrail.settings
    try:
        refuse_open_pages(settings, must_sign_in=bool(operators) or is_there_any(handrail.database))
    except ConfigurationError as problem:
        return _cannot_start(str(problem))
    sys.setswitchinterval(0.001)  # of 5 ms: so long would the event loop stand still while another thread computes
    gc.collect()
    gc.freeze()  # what was imported stays; to look through it for garbage would halt every thread for 0.1 s
    gc.set_threshold(10_000, 20, 20)  # nearly all that an answer makes goes without being looked for
    try:
        door = _door(settings.gateway_host, settings.gateway_port, is_shared=settings.gateway_processes > 1)
    except OSError as problem:
        at = f"{settings.gateway_host}:{settings.gateway_port}"
        return _cannot_start(f"cannot listen on {at} ({problem.strerror}); free it or set HANDRAIL_GATEWAY_PORT")
    server = uvicorn.Server(config_of(create_app(lambda: handrail), settings))
    server.run(sockets=[door])
    return 0 if server.started else 1


def config_of(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the application is served. A proxy that puts a path before ours takes it off again before it asks us."""
    return uvicorn.Config(
        app,
        root_path=urlsplit(settings.gateway_url).path.rstrip("/"),
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        backlog=4096,
    )


def _door(host: str, port: int, *, is_shared: bool) -> socket.socket:
    """The socket to listen on. A shared one lets the kernel spread connections over all gateways of the port."""
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        door.bind((host, port))
    except OSError:
        door.close()
        raise
    return door


def _cannot_start(problem: str) -> int:
    _log.error("cannot start: %s", problem)
    return 1


if __name__ == "__main__":
    sys.exit(main())
