"""The front desk's web application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from typing import TypeVar
from zoneinfo import ZoneInfo

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from frontdesk.chat.api import PLACE_HEADER, ChatApi, unavailable
from frontdesk.chat.api import router as chat_router
from frontdesk.chat.call_back import CallBacks, load_texts
from frontdesk.chat.origins import AllowedOrigins
from frontdesk.chat.rasa import RasaClient
from frontdesk.chat.service import ChatService
from frontdesk.chat.tokens import SessionTokens
from frontdesk.chat.welcome import load_welcome
from frontdesk.clinic import Clinic, load_clinic
from frontdesk.console.pages import router as console_router
from frontdesk.console.state import Console, create_console
from frontdesk.content.profile import Profile, ProfileKeeper
from frontdesk.db import Database, DatabaseUnavailable, open_database
from frontdesk.health import ActionServerProbe
from frontdesk.limits import Counters, MessageLimit
from frontdesk.metrics import READY, REGISTRY, Failure, report
from frontdesk.outbox.background import Background
from frontdesk.outbox.configured import configured
from frontdesk.outbox.worker import Worker
from frontdesk.problems import Problem
from frontdesk.retention.nightly import Nightly
from frontdesk.retention.policy import Policy
from frontdesk.retention.purge import Purge
from frontdesk.safety.guard import shipped_guard
from frontdesk.safety.replies import load_replies
from frontdesk.settings import Settings
from frontdesk.sms.api import make_sms
from frontdesk.sms.api import router as sms_router
from frontdesk.sms.sending import SmsDestination, TwilioAccount
from frontdesk.sms.texts import load_texts as load_sms_texts
from frontdesk.tracing import Tracing
from frontdesk.tracing import use as use_tracing
from frontdesk.trackers import open_trackers
from frontdesk.turns import SharedTurns
from frontdesk.widget.pages import router as widget_router

log = structlog.get_logger(__name__)

AnyResponse = TypeVar("AnyResponse", bound=Response)

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
LONGEST_ANSWER_BY_TEXT_SECONDS = 60.0
API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def create_app(settings: Settings) -> FastAPI:
    """Make the application. The database has to be migrated; Rasa may come later."""
    database = open_database(settings)
    profile = Profile(settings, database)
    clinic = load_clinic(settings.clinic_profile)
    channel, secret, patience = settings.rasa_channel, settings.secret("rasa"), settings.rasa_timeout_seconds
    rasa = RasaClient(channel, secret, patience)
    # By text an answer may follow later: it is waited for, because asking twice is hearing twice.
    patient_rasa = RasaClient(channel, secret, max(patience, LONGEST_ANSWER_BY_TEXT_SECONDS))
    actions = ActionServerProbe(settings.actions_address)
    destinations = [*configured(settings), *_texts(settings, database)]
    outbox = Background(Worker(database, destinations, settings.notify_attempts))
    database.on_commit(outbox.committed)
    counters, shared_turns = Counters.of(settings), SharedTurns.of(settings)
    trackers = open_trackers(settings)
    purging = Purge(database, trackers, Policy.of(settings))
    nightly = Nightly(purging, ZoneInfo(settings.clinic_timezone)) if settings.purge_daily else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        endpoint = settings.otel_exporter_otlp_endpoint
        tracing = Tracing.to(endpoint) if endpoint else None
        use_tracing(tracing)
        keeper = ProfileKeeper(profile, database)
        keeper.start()
        outbox.start()
        if nightly is not None:
            nightly.start()
        app.state.sms.debts.start()
        yield
        app.state.sms.debts.stop()
        await keeper.stop()
        if nightly is not None:
            nightly.stop()
        await run_in_threadpool(outbox.stop)
        await rasa.close()
        await patient_rasa.close()
        await actions.close()
        if shared_turns is not None:
            await shared_turns.close()
        trackers.database.close()
        database.close()
        if tracing is not None:
            use_tracing(None)
            await run_in_threadpool(tracing.stop)

    app = FastAPI(title="Ketalink front desk", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.settings = settings
    app.state.clinic = clinic
    app.state.database = database
    call_backs = CallBacks(database, ZoneInfo(settings.clinic_timezone), load_texts(clinic))
    guard, replies = shipped_guard(), load_replies(clinic)
    app.state.chat = ChatApi(
        service=ChatService(database, rasa, guard, replies, call_backs, shared_turns),
        tokens=SessionTokens(settings.secret("session"), settings.session_hours),
        limit=MessageLimit(settings.chat_limit_per_minute, "chat", counters),
        clinic=clinic,
        call_back_offer=call_backs.texts["offer"],
        welcome=load_welcome(clinic),
        origins=AllowedOrigins.of(settings.allowed_origins, settings.public_url),
    )
    by_text = ChatService(database, patient_rasa, guard, replies, call_backs, shared_turns)
    app.state.sms = make_sms(settings, clinic, database, by_text, counters, shared_turns)
    app.state.console = _counting_in(counters, create_console(settings, database, clinic))
    app.state.probes = {"rasa": rasa.is_ready, "actions": actions.is_ready}
    app.state.profile = profile
    profile.on_change(lambda clinic: _say(app, clinic))
    app.include_router(chat_router)
    app.include_router(sms_router)
    app.include_router(widget_router)
    app.include_router(console_router)

    @app.get("/healthz", include_in_schema=False)
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    async def checked() -> dict[str, bool]:
        answers = await asyncio.gather(run_in_threadpool(_answers, database), rasa.is_ready(), actions.is_ready())
        checks = dict(zip(("database", "rasa", "actions"), answers, strict=True))
        for part, is_ready in checks.items():
            READY.labels(part).set(is_ready)
        return checks

    @app.get("/readyz", include_in_schema=False)
    async def ready() -> JSONResponse:
        checks = await checked()
        status = 200 if all(checks.values()) else 503
        return JSONResponse(
            {name: "ready" if ok else "down" for name, ok in checks.items()},
            status_code=status,
        )

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        await checked()
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    @app.middleware("http")
    async def secure(request: Request, call_next):  # type: ignore[no-untyped-def]
        response = _secured(await call_next(request))
        if request.url.path.startswith("/api/"):
            response.headers["Cache-Control"] = "no-store"
        return response

    if origins := app.state.chat.origins.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After", PLACE_HEADER],
        )
    _translate_errors(app)
    return app


def _say(app: FastAPI, clinic: Clinic) -> None:
    """Say from now on what has changed about the clinic: in the chat, by text, on the page and in the console."""
    settings, database, chat = app.state.settings, app.state.database, app.state.chat
    replies = load_replies(clinic)
    call_backs = CallBacks(database, ZoneInfo(settings.clinic_timezone), load_texts(clinic))
    desk = app.state.sms.desk
    desk.reword(load_sms_texts(clinic)[0])
    for service in (chat.service, desk.chat):
        service.reword(replies, call_backs)
    app.state.clinic = clinic
    app.state.chat = replace(
        chat, clinic=clinic, welcome=load_welcome(clinic), call_back_offer=call_backs.texts["offer"]
    )
    texts = create_console(settings, database, clinic).texts
    app.state.console = replace(app.state.console, clinic=clinic, texts=texts)


def _counting_in(counters: Counters, console: Console) -> Console:
    """Return the console with all its limits counted where the others are."""
    limits = {
        one.name: replace(limit, counters=counters)
        for one in fields(console)
        if isinstance(limit := getattr(console, one.name), MessageLimit)
    }
    return replace(console, **limits)  # type: ignore[arg-type]


def _texts(settings: Settings, database: Database) -> list[SmsDestination]:
    """Return what sends texts; nothing when they can only be answered."""
    account = TwilioAccount.of(settings)
    return [SmsDestination(database, account, ZoneInfo(settings.clinic_timezone))] if account else []


def _secured(response: AnyResponse) -> AnyResponse:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", API_POLICY)
    return response


def _answers(database: Database) -> bool:
    try:
        database.check()
    except DatabaseUnavailable:
        return False
    return True


def _translate_errors(app: FastAPI) -> None:
    """Each error becomes one JSON shape, in one place."""

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        title = {
            404: "There is nothing here",
            405: "This address takes another method",
        }.get(error.status_code, "The request was refused")
        return Problem(
            error.status_code,
            title,
            str(error.detail),
            headers=dict(error.headers or {}),
        ).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, _error: RequestValidationError) -> JSONResponse:
        return Problem(
            400,
            "The request could not be read",
            "A value is missing or of the wrong kind.",
        ).response()

    @app.exception_handler(SQLAlchemyError)
    async def database_down(request: Request, error: SQLAlchemyError) -> JSONResponse:
        report(log, Failure.DATABASE_UNAVAILABLE, error=type(error).__name__)
        return unavailable(request.app.state.clinic).response()

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        # The route's pattern, not the address: that may hold an id.
        path = request.scope["route"].path if "route" in request.scope else None
        report(log, Failure.REQUEST_FAILED, path=path, error=type(error).__name__)
        return _secured(unavailable(request.app.state.clinic).response())  # made outside the middleware
