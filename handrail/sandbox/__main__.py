"""`python -m handrail.sandbox`: run the sandbox until SIGTERM."""

import argparse
import ipaddress
import os
import sys
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from handrail.sandbox.app import build_app
from handrail.sandbox.record import RecordProblem
from handrail.sandbox.telling import Telling
from handrail.sandbox.vendor import Vendor

TOKEN_VARIABLE = "HANDRAIL_SANDBOX_TOKEN"  # noqa: S105  the name of one, not one
SECRET_VARIABLE = "HANDRAIL_WEBHOOK_SECRET"  # noqa: S105
HELD_CONNECTIONS = 0.5  # seconds that connections held by a fault may delay the end


def main() -> int:
    """Serve until SIGTERM or SIGINT. 0: stopped as asked; 1: could not serve, and says why; 2: wrong use."""
    options = _parser().parse_args()
    try:
        vendor = Vendor(options.record, search_lag=options.search_lag)
        web.run_app(
            build_app(vendor, token=options.token or os.environ.get(TOKEN_VARIABLE) or None, telling=_telling(options)),
            host=options.host,
            port=options.port,
            access_log=None,
            shutdown_timeout=HELD_CONNECTIONS,
            print=lambda _banner: _say(f"http://{options.host}:{options.port}/, record {options.record}"),
        )
    except RecordProblem as problem:
        _say(str(problem))
    except OSError as problem:
        _say(f"cannot serve on {options.host}:{options.port} ({problem.strerror}); free the port or choose another")
    else:
        return 0
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m handrail.sandbox", description="A stand-in for outside systems.")
    parser.add_argument("--port", type=int, required=True, help="where to listen")
    parser.add_argument("--host", type=_loopback, default="127.0.0.1", help="an address of this machine only")
    parser.add_argument("--record", type=Path, required=True, metavar="FILE", help="the log of every effect (JSONL)")
    parser.add_argument(
        "--token", help=f"what /api asks for; better given as {TOKEN_VARIABLE}; without one, /api is open"
    )
    parser.add_argument(
        "--tell",
        metavar="URL",
        help=f"where the end of a call is told, signed with {SECRET_VARIABLE}; else nobody is told",
    )
    parser.add_argument(
        "--search-lag", type=_seconds, default=0.0, metavar="SECONDS", help="until a search finds an item"
    )
    return parser


def _telling(options: argparse.Namespace) -> Telling | None:
    secret = os.environ.get(SECRET_VARIABLE)
    return Telling(options.tell, SecretStr(secret)) if options.tell and secret else None


def _loopback(host: str) -> str:
    """The lists and faults ask nobody who they are, so nobody from elsewhere may reach them."""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise argparse.ArgumentTypeError(f"{host} may be reached by others: choose 127.0.0.1")
    return host


def _seconds(told: str) -> float:
    try:
        seconds = float(told)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{told} is no number of seconds from 0 to 3600")
    return seconds


def _say(what: str) -> None:
    sys.stderr.write(f"sandbox: {what}\n")


if __name__ == "__main__":
    sys.exit(main())
