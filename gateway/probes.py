"""`/healthz`, `/readyz`, `/metrics`: for whoever keeps the gateway running."""

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from services.wiring import Handrail
from store.database import Database, in_short
from store.schema import current, newest

router = APIRouter()


@router.get("/healthz", summary="The process is alive")
async def healthz() -> dict[str, str]:
    """Says nothing of the database: a restart would not mend that."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Deliveries can be stored",
    responses={503: {"description": "The database does not answer, or has another schema."}},
)
async def readyz(request: Request) -> JSONResponse:
    """Ready when the database answers and has the schema this code needs."""
    handrail: Handrail = request.app.state.handrail
    problem = await asyncio.to_thread(not_ready, handrail.database)
    if problem is not None:
        return JSONResponse({"status": "not ready", "problem": problem}, status_code=503)
    return JSONResponse({"status": "ready"})


def not_ready(database: Database) -> str | None:
    """Why deliveries cannot be stored, and what to do; None when they can."""
    try:
        revision = current(database)
    except SQLAlchemyError as problem:
        return f"the database: {in_short(problem)}"
    if revision != newest():
        return f"schema {revision}, needed {newest()}: run `handrail db upgrade`"
    return None


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Counters of this process, and the ledger's standing as of this scrape."""
    text = await asyncio.to_thread(request.app.state.metrics.scrape)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
