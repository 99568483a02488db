"""`POST /webhooks/{source}`: the one door for what survey tools, shops, telephone and mail vendors send."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from data_contracts.events import schema as generic_format
from domain.words import did_you_mean
from gateway.bodies import BODY_CAP, TooLarge, capped_body
from integrations.errors import SignatureRefused
from integrations.ports import LargeDeliveries
from services.intake import UnknownSource, receive_webhook
from store.crash_points import reached
from store.database import in_short


class _Straight(APIRoute):
    """Asks FastAPI for the document only: the handler takes the request as it is, and nothing is solved for it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


router = APIRouter(route_class=_Straight)
_SOURCE = {
    "name": "source",
    "in": "path",
    "required": True,
    "description": "A source of integrations.yaml (survey_intake or delivery_intake), such as `standard`.",
    "schema": {"type": "string"},
}
_log = logging.getLogger("gateway.webhooks")


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object with exactly these keys."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


_PROBLEMS = {"type": "array", "items": _object(**{word: {"type": "string"} for word in ("path", "problem", "fix")})}
_ANSWER = _object(
    event_id={"type": "string"},
    duplicate={"type": "boolean", "description": "This webhook id was delivered before."},
    status={"type": "string", "enum": ["accepted", "noted", "quarantined"]},
    problems=_PROBLEMS,
)
_REFUSAL = _object(status={"type": "string", "const": "refused"}, problems=_PROBLEMS)


def _says(description: str, schema: dict[str, Any] = _REFUSAL) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


@router.post(
    "/webhooks/{source}",
    status_code=202,
    summary="Deliver one signed event",
    openapi_extra={
        "parameters": [_SOURCE],
        "requestBody": {
            "required": True,
            "description": (
                "Signed over these raw bytes. The schema is that of the generic format (vendor `standard`, Standard "
                "Webhooks); other vendors send their own."
            ),
            "content": {"application/json": {"schema": {"anyOf": [generic_format(), {"type": "object"}]}}},
        },
    },
    responses={
        202: _says(
            "Durable. `noted`: it calls for nothing. `quarantined`: it broke its contract and waits for a person.",
            _ANSWER,
        ),
        400: _says("Signed, but not strict JSON; kept in quarantine.", _ANSWER),
        401: _says("Unsigned, forged or stale; nothing is kept."),
        404: _says("No such source is configured."),
        413: _says(f"Larger than {BODY_CAP} bytes, where a source does not send many events at once."),
        503: _says("Could not be stored; deliver it again."),
    },
)
async def deliver(request: Request) -> Response:
    """Store one delivery and answer; what is urgent leaves right after, without making the sender wait."""
    state, source = request.app.state, request.path_params["source"]
    known = state.handrail.roster.intakes
    label = source if source in known else "unknown"  # strangers must not make up metrics
    its = known.get(source)
    cap = its.largest_body if isinstance(its, LargeDeliveries) else BODY_CAP
    try:
        body = await capped_body(request, cap)
        answer = await receive_webhook(state.handrail, source, request.headers.raw, body)
    except ClientDisconnect:
        state.metrics.count_webhook(label, "cut off")
        return Response(status_code=400)  # nobody hears it
    except TooLarge:
        return _refuse(state.metrics, label, 413, "the body is too large", f"send at most {cap} bytes at once")
    except UnknownSource:
        problem = f'no source "{source[:60]}"{did_you_mean(source, known)}'
        return _refuse(state.metrics, label, 404, problem, f"configured: {', '.join(known) or 'none'}")
    except SignatureRefused as refused:
        return _refuse(state.metrics, label, 401, str(refused), "sign the raw body with the source's secret")
    except SQLAlchemyError as problem:
        _log.error("%s: a delivery could not be stored, and its sender was told so: %s", source, in_short(problem))
        return _refuse(state.metrics, label, 503, "it could not be stored", "deliver it again in a minute")
    state.metrics.count_webhook(label, answer.body["status"])
    state.urgent.nudge(answer.urgent)
    if answer.urgent:
        await state.handrail.announce_critical_answer(answer.body["event_id"])
    if answer.is_activation:
        await state.handrail.announce_activation(answer.body["event_id"])
    if answer.is_announced:
        state.fetching.nudge()
    reached("webhook.answers")
    return JSONResponse(answer.body, status_code=answer.http_status)


@router.head(
    "/webhooks/{source}",
    summary="The address exists",
    openapi_extra={"parameters": [_SOURCE]},
    responses={404: {"description": "No such source is configured."}},
    response_class=Response,
)
async def probe(request: Request) -> Response:
    """Some tools ask for the address before they take it. Says nothing of signatures."""
    is_there = request.path_params["source"] in request.app.state.handrail.roster.intakes
    return Response(status_code=200 if is_there else 404)


def _refuse(metrics: Any, source: str, status: int, problem: str, fix: str) -> JSONResponse:
    metrics.count_webhook(source, str(status))
    problems = [{"path": "", "problem": problem, "fix": fix}]
    headers = {"Retry-After": "60"} if status == 503 else None
    return JSONResponse({"status": "refused", "problems": problems}, status_code=status, headers=headers)
