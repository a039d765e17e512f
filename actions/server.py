"""The action server: rasa-sdk's executor behind one authenticated route, on loopback.

rasa-sdk's own server listens on every address, asks for no secret, and answers an error with the request's
body, which Rasa then logs with the patient's words in it.
"""

import hmac
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from actions.ask import ActionAskEmail, ActionAskFullName, ActionAskPhone
from actions.begin import ActionBeginRequest
from actions.form import ValidateAppointmentForm
from actions.request import ActionCancelRequest, ActionSaveRequest
from actions.review import ActionAskReview
from frontdesk.db import open_database
from frontdesk.settings import Settings

log = structlog.get_logger(__name__)


def create_app(settings: Settings) -> Starlette:
    """Make the action server with its actions and their collaborators."""
    database = open_database(settings)
    zone = ZoneInfo(settings.clinic_timezone)
    executor = ActionExecutor()
    for action in (
        ActionBeginRequest(database),
        ValidateAppointmentForm(database, zone),
        ActionAskFullName(),
        ActionAskPhone(),
        ActionAskEmail(),
        ActionAskReview(),
        ActionSaveRequest(database, zone),
        ActionCancelRequest(database),
    ):
        executor.register_action(action)
    authorization = f"Bearer {settings.secret('rasa')}".encode()

    async def run_action(request: Request) -> JSONResponse:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), authorization):
            return JSONResponse({"error": "The shared secret is missing or wrong."}, status_code=401)
        call = await _action_call(request)
        try:
            result = await executor.run(call)
        except ActionExecutionRejection as error:
            return JSONResponse(
                {"error": error.message, "action_name": error.action_name},
                status_code=400,
            )
        except ActionNotFoundException as error:
            return JSONResponse(
                {"error": error.message, "action_name": error.action_name},
                status_code=404,
            )
        except Exception as error:
            # Only the kind of error: its text, and the request, may hold what the visitor wrote.
            log.error(
                "action_failed",
                action=call.get("next_action"),
                error=type(error).__name__,
            )
            return JSONResponse({"error": type(error).__name__}, status_code=500)
        return JSONResponse(result.model_dump() if result else {"events": [], "responses": []})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        database.close()

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/webhook", run_action, methods=["POST"]),
            Route("/health", health),
        ],
        lifespan=lifespan,
    )


async def _action_call(request: Request) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("content-encoding") == "deflate":
        body = zlib.decompress(body)
    call: dict[str, Any] = json.loads(body)
    return call
