"""The gateway: webhooks in, urgent actions dispatched on the spot, pages for operators, health and metrics."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from gateway import messages, probes, webhooks
from gateway.metrics import Metrics
from gateway.pages.site import add_pages
from services.fetching import Fetching
from services.operators import load_operators
from services.review_runs import ReviewRounds
from services.urgent import UrgentDispatch
from services.wiring import Handrail

_log = logging.getLogger("gateway")


def create_app(build: Callable[[], Handrail] = Handrail.from_environment) -> FastAPI:
    """The application. `build` makes what it works on when it starts, and is how tests hand in their own."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with build() as handrail:
            app.state.handrail = handrail
            app.state.operators = load_operators(handrail.settings.operators_file)
            app.state.metrics = Metrics(handrail)
            app.state.urgent = UrgentDispatch(handrail)
            app.state.fetching = Fetching(handrail, tell=app.state.urgent.nudge)
            app.state.review_rounds = ReviewRounds(handrail)
            app.state.urgent.start()
            app.state.fetching.start()
            app.state.review_rounds.start()
            try:
                yield
            finally:
                await app.state.review_rounds.stop()
                await app.state.fetching.stop()
                await app.state.urgent.stop()

    app = FastAPI(
        title="Handrail gateway",
        description="Signed survey answers in; health and metrics out.",
        version="0.1.0",
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from outside; /openapi.json says the same
        redoc_url=None,
        routes=webhooks.router.routes,  # the first to be tried, and not through the layers of an included router
    )
    app.include_router(messages.router)
    app.include_router(probes.router)
    add_pages(app)
    return app
