"""The pages, put together: the operators', and the one that is for customers."""

from fastapi import FastAPI

from gateway.pages import (
    assets,
    cases,
    controls,
    front,
    quarantine,
    refusals,
    review_decisions,
    review_links,
    reviews,
    sign_in,
    traces,
    unsubscribe,
    wordings,
)
from gateway.pages.guesses import Guesses


def add_pages(app: FastAPI) -> None:
    """Add all pages to the application. `app.state.operators` and the reviewers in the database may see them."""
    app.state.guesses = Guesses()
    for part in (
        front,
        traces,
        cases,
        controls,
        reviews,
        review_decisions,
        review_links,
        quarantine,
        sign_in,
        assets,
        unsubscribe,
        wordings,
    ):
        app.include_router(part.router)
    refusals.install(app)
