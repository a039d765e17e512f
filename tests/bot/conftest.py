"""A small assistant, trained once, behind the project's channel on a server that really runs."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import rasa
import requests
import yaml
from aiohttp import web
from cryptography.fernet import Fernet
from rasa.core.agent import Agent, load_agent
from rasa.core.run import configure_app
from rasa.core.utils import AvailableEndpoints

from bot.channel import FrontDeskInput

PROJECT = Path(__file__).resolve().parents[2]
SECRET = "s3cret-" * 6
FORM = "visit_form"
EXAMPLES = {
    "session/duration": [
        "how long does one infusion take",
        "how many minutes is a visit",
        "will it be over in an hour",
    ],
    "session/feelings": ["what does it feel like", "will i see strange things", "how will i feel in the chair"],
    "cost/price": ["how much does it cost", "what is the price of one infusion", "is it expensive"],
    "conditions/ptsd": ["does it help with ptsd", "is it used to treat trauma", "i have ptsd, is it for me"],
    "conditions/fibromyalgia": [
        "does it help with fibromyalgia",
        "i have fibro, is it for me",
        "is fibromyalgia treated",
    ],
    "none_of_these": ["none of these", "neither of them", "something else"],
    "not_what_i_meant": ["that's not what i meant", "you misunderstood me", "wrong answer, that was not my question"],
    "come_in": ["book me a visit", "i would like to come in", "put me down for next week"],
    "greet": ["hello", "hi there", "good morning"],
    "save": ["please save my request", "save it for me", "store what i told you"],
    # No ordinary sentence comes near it: only a command could reach it.
    "zebra_command": ["a submarine sails over the moon", "the moon has submarines", "submarines fly to the moon"],
}
ACTIONS = {
    "session": "utter_session",
    "cost": "utter_cost",
    "conditions": "utter_conditions",
    "none_of_these": "utter_none_of_these",
    "not_what_i_meant": "utter_not_what_i_meant",
    "greet": "utter_greet",
    "save": "action_save",
    "zebra_command": "utter_executed",
    "nlu_fallback": "utter_default",
}


def asked_in_form(field: str) -> dict[str, Any]:
    """Return the slot of a form's field, which takes any words but a question about the session, or a complaint."""
    mapping = {
        "type": "from_text",
        "not_intent": ["session", "not_what_i_meant"],
        "conditions": [{"active_loop": FORM, "requested_slot": field}],
    }
    return {"type": "text", "influence_conversation": False, "mappings": [mapping]}


DOMAIN = {
    "version": "3.1",
    "intents": [*sorted(ACTIONS), "come_in"],
    "entities": ["condition", "day", "medicine", "part_of_day", "person"],
    "slots": {
        "full_name": {"type": "text", "influence_conversation": False, "mappings": [{"type": "custom"}]},
        **{field: asked_in_form(field) for field in ("reason", "wish")},
    },
    "forms": {FORM: {"required_slots": ["reason", "wish"]}},
    "responses": {
        "utter_session/duration": [
            {
                "text": "About an hour. {clinic}",
                "metadata": {
                    "kind": "answer",
                    "title": "How long it takes",
                    "related": ["session/feelings", "cost/price"],
                    "sources": ["seed article"],
                    "facts": [{"needs": ["phone"], "say": "Call {phone}."}],
                    "if_unknown": "I don't know the number.",
                },
            },
            {"text": "1 hr", "channel": "sms"},
        ],
        "utter_session/feelings": [
            {"text": "It differs.", "metadata": {"title": "How it feels", "sources": ["seed article", "survey"]}}
        ],
        "utter_cost/price": [
            {"text": "Ask us.", "metadata": {"title": "What it costs", "related": ["session/duration"]}}
        ],
        "utter_conditions/ptsd": [{"text": "It is studied for PTSD.", "metadata": {"title": "PTSD"}}],
        "utter_conditions/fibromyalgia": [{"text": "It is used for it.", "metadata": {"title": "Fibromyalgia"}}],
        "utter_none_of_these": [{"text": "Then tell me in other words."}],
        "utter_not_what_i_meant": [{"text": "Sorry, I got that wrong."}],
        "utter_ask_reason": [{"text": "What brings you here?"}],
        "utter_ask_wish": [{"text": "Which visit would you like?"}],
        "utter_greet": [{"text": "Hello.", "buttons": [{"title": "How long?", "payload": "How long does it take?"}]}],
        "utter_saved": [{"text": "Saved as {lead}.", "metadata": {"kind": "confirmation"}}],
        "utter_executed": [{"text": "A command was executed."}],
        "utter_default": [{"text": "Not sure.", "metadata": {"kind": "fallback"}}],
        "utter_did_you_mean": [{"text": "Did you mean one of these?", "metadata": {"kind": "fallback"}}],
    },
    "actions": ["action_save", "utter_unworded"],
}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of the project's own pipeline and policies over a handful of examples."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "config.yml", folder)
    contents = {
        "domain.yml": DOMAIN,
        "nlu.yml": {
            "version": "3.1",
            "nlu": [
                {"intent": topic, "examples": "".join(f"- {text}\n" for text in texts)}
                for topic, texts in EXAMPLES.items()
            ],
        },
        "rules.yml": {
            "version": "3.1",
            "rules": [
                {"rule": intent, "steps": [{"intent": intent}, {"action": action}]}
                for intent, action in ACTIONS.items()
            ]
            + [
                {
                    "rule": "a visit is wanted",
                    "steps": [{"intent": "come_in"}, {"action": FORM}, {"active_loop": FORM}],
                },
                {
                    "rule": "the form is complete",
                    "condition": [{"active_loop": FORM}],
                    "steps": [
                        {"action": FORM},
                        {"active_loop": None},
                        {"slot_was_set": [{"requested_slot": None}]},
                        {"action": "action_save"},
                    ],
                },
            ],
        },
    }
    for name, content in contents.items():
        (folder / name).write_text(yaml.safe_dump(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # Rasa keeps its cache under the working directory
        patch.setenv("RASA_TELEMETRY_ENABLED", "false")
        trained = rasa.train(
            domain="domain.yml", config="config.yml", training_files=["nlu.yml", "rules.yml"], output="models"
        )
        assert trained.model is not None
        return str(Path(trained.model).resolve())


SAVED = {"events": [], "responses": [{"response": "utter_saved", "lead": "KL-2345678"}]}


@dataclass
class ActionServer:
    """What stands where the action server would: it answers as told, and remembers how it was asked."""

    status: int = 200
    body: Any = field(default_factory=lambda: SAVED)
    calls: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def answers(self, status: int, body: Any) -> None:
        self.status, self.body = status, body

    async def handle(self, request: web.Request) -> web.Response:
        self.calls.append(await request.json())
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body, content_type="application/json")
        return web.json_response(self.body, status=self.status)


@dataclass
class Channel:
    """The front desk's side of the connection."""

    url: str
    app: Any
    agent: Agent
    loop: asyncio.AbstractEventLoop
    actions: ActionServer
    profile: Path

    def post(self, headers: dict[str, Any] | None = None, **request: Any) -> requests.Response:
        if headers is None:
            headers = {"Authorization": f"Bearer {SECRET}"}
        return requests.post(f"{self.url}/message", headers=headers, timeout=30, **request)

    def say(self, text: str, conversation: str, channel: str = "widget", **more: Any) -> requests.Response:
        return self.post(json={"conversation": conversation, "channel": channel, "text": text, **more})

    def forget(self, conversation: str, secret: str = SECRET) -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return requests.delete(f"{self.url}/conversations/{conversation}", headers=headers, timeout=30).status_code

    def remembered(self, conversation: str) -> list[str]:
        """Return what visitors said in a conversation, as Rasa's tracker store has it."""
        tracker = asyncio.run_coroutine_threadsafe(self.agent.tracker_store.retrieve(conversation), self.loop).result(
            30
        )
        return [event.text for event in tracker.events if event.type_name == "user"] if tracker else []


@pytest.fixture(scope="session")
def channel(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    """Rasa as it is served: the project's channel, response generator and tracker store, and an action server."""
    folder = tmp_path_factory.mktemp("served")
    profile = folder / "clinic.yml"
    profile.write_text("phone: 516-555-0100\n")
    actions = ActionServer()
    listening = [_listener(), _listener()]
    ports = [one.getsockname()[1] for one in listening]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[Any, Any, Any]:
        stand_in = web.Application()
        stand_in.router.add_post("/webhook", actions.handle)
        runner = web.AppRunner(stand_in)
        await runner.setup()
        await web.SockSite(runner, listening[0]).start()
        endpoints = folder / "endpoints.yml"
        written = yaml.safe_load((PROJECT / "endpoints.yml").read_text())
        written["action_endpoint"]["url"] = f"http://127.0.0.1:{ports[0]}/webhook"
        endpoints.write_text(yaml.safe_dump(written))
        app = configure_app([FrontDeskInput(SECRET)], enable_api=False, use_uvloop=False)
        app.ctx.agent = await load_agent(model, endpoints=AvailableEndpoints.read_endpoints(str(endpoints)))
        server = await app.create_server(sock=listening[1], return_asyncio_server=True)
        await server.startup()
        await server.start_serving()
        return app, server, runner

    async def stop(server: Any, runner: web.AppRunner) -> None:
        server.close()
        await runner.cleanup()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLINIC_PROFILE", str(profile))
        patch.setenv("TRACKER_DATABASE_URL", f"sqlite:///{folder / 'conversations.db'}")
        patch.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
        app, server, runner = asyncio.run_coroutine_threadsafe(start(), loop).result(120)
        url = f"http://127.0.0.1:{ports[1]}/webhooks/frontdesk"
        yield Channel(url, app, app.ctx.agent, loop, actions, profile)
        asyncio.run_coroutine_threadsafe(stop(server, runner), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener
