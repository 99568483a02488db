"""The operators' pages, put together."""

from fastapi import FastAPI

from gateway.pages import assets, cases, front, quarantine, refusals, sign_in, traces


def add_pages(app: FastAPI) -> None:
    """Add all pages to the application. `app.state.operators` says who may see them."""
    for part in (front, traces, cases, quarantine, sign_in, assets):
        app.include_router(part.router)
    refusals.install(app)
