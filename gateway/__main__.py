"""`python -m gateway`: one process, one event loop."""

import logging
import sys

import uvicorn

from gateway.app import create_app
from services.settings import load_settings


def main() -> int:
    """Serve until SIGTERM. Exit 1 with words when the installation's files are wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings, _ = load_settings()
    sys.setswitchinterval(0.001)  # of 5 ms: so long would the event loop stand still while another thread computes
    uvicorn.run(
        create_app(),
        host=settings.gateway_host,
        port=settings.gateway_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        backlog=4096,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
