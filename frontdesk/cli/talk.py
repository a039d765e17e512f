"""`./ketalink ask` and `./ketalink chat`: talking to the assistant from the terminal."""

import json
import subprocess
from typing import Annotated, Any

import httpx
import typer
from rich.text import Text

from frontdesk.chat.messages import from_rasa
from frontdesk.cli.console import CommandFailed, err, out
from frontdesk.cli.serve import address
from frontdesk.cli.train import require_rasa, usable_model
from frontdesk.loopback import NO_TLS
from frontdesk.model_folder import ModelFolder
from frontdesk.processes import PROJECT, RASA_PYTHON, rasa_environment, tied
from frontdesk.settings import Settings, load_settings

QUIT = "/quit"
_REPLY_SECONDS = 30


class NothingAnswers(Exception):
    """No front desk runs on this machine's PORT."""


class Refused(Exception):
    """The front desk answered with an error, in words for whoever asked."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem.get('title', 'The request was refused')}. {problem.get('detail', '')}".strip())
        self.session: str | None = problem.get("session")


class ChatClient:
    """One conversation over the chat API."""

    def __init__(self, settings: Settings) -> None:
        self._http = httpx.Client(base_url=address(settings), timeout=_REPLY_SECONDS, trust_env=False, verify=NO_TLS)
        self._session: str | None = None

    def check(self) -> None:
        """Raise NothingAnswers unless a front desk is there, CommandFailed when it is something else."""
        try:
            answer = self._http.get("/healthz")
        except httpx.TransportError as error:
            raise NothingAnswers from error
        if "alive" not in answer.text:
            raise CommandFailed(
                f"What answers at {self._http.base_url} is not the assistant. Set PORT to the assistant's."
            )

    def say(self, text: str) -> list[dict[str, Any]]:
        """Send words and return the replies; raise Refused or NothingAnswers."""
        return self._send({"text": text})

    def press(self, payload: str) -> list[dict[str, Any]]:
        """Use a button and return the replies; raise Refused or NothingAnswers."""
        return self._send({"payload": payload})

    def forget(self) -> None:
        """Have the conversation deleted."""
        if self._session is not None:
            self._http.delete("/api/chat", headers={"Authorization": f"Bearer {self._session}"})

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _send(self, message: dict[str, str]) -> list[dict[str, Any]]:
        # What a terminal cannot decode arrives as lone surrogates, which JSON carries as escapes.
        body = json.dumps({"session": self._session, **message})
        try:
            answer = self._http.post("/api/chat", content=body, headers={"Content-Type": "application/json"})
            content: dict[str, Any] = answer.json()
        except httpx.TransportError as error:
            raise NothingAnswers from error
        except ValueError as error:
            raise CommandFailed(f"The answer of {self._http.base_url} cannot be read.") from error
        if not answer.is_success:
            refused = Refused(content)
            self._session = refused.session or self._session
            raise refused
        self._session = content["session"]
        messages: list[dict[str, Any]] = content["messages"]
        return messages


def ask(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In quotes, as a visitor would write it.")],
) -> None:
    """Answer one question: through the running assistant, or else with the model alone, which takes a while."""
    settings = load_settings()
    client = ChatClient(settings)
    try:
        client.check()
        messages = client.say(question)
        client.forget()
    except NothingAnswers:
        messages = _ask_model(settings, question)
    except Refused as error:
        raise CommandFailed(str(error)) from error
    finally:
        client.close()
    for message in messages:
        _show(message)


def chat() -> None:
    """Talk to the running assistant. A number presses a button; /quit leaves."""
    settings = load_settings()
    client = ChatClient(settings)
    try:
        client.check()
        out.print(f"Write to the assistant. A number presses a button; {QUIT} leaves.", style="dim")
        _converse(client)
    except NothingAnswers:
        raise CommandFailed(
            f"No assistant answers at {address(settings)}. Start it with ./ketalink serve, or set PORT."
        ) from None
    finally:
        client.close()


def _converse(client: ChatClient) -> None:
    buttons: list[dict[str, str]] = []
    while True:
        try:
            words = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            out.print()
            return
        if words == QUIT:
            return
        try:
            if words.isdecimal() and 0 < int(words) <= len(buttons):
                messages = client.press(buttons[int(words) - 1]["payload"])
            else:
                messages = client.say(words)
        except Refused as error:
            out.print(Text(str(error), style="red"))
            continue
        buttons = []
        for message in messages:
            _show(message, first_number=len(buttons) + 1)
            buttons += message.get("buttons") or []


def _show(message: dict[str, Any], first_number: int = 0) -> None:
    """Print a message with what it rests on; buttons are numbered from `first_number`, if that is not 0."""
    out.print(Text(message["text"], style="bold red" if message["kind"] == "safety" else ""))
    for number, button in enumerate(message.get("buttons") or [], start=first_number):
        out.print(Text(f"  {number}. {button['title']}" if first_number else f"  [{button['title']}]"))
    facts = [f"{name}: {', '.join(message[name])}" for name in ("topics", "sources") if message.get(name)]
    if message.get("lead"):
        facts.append(f"lead: {message['lead']}")
    if facts:
        out.print(Text("  " + " · ".join(facts), style="dim"))


def _ask_model(settings: Settings, question: str) -> list[dict[str, Any]]:
    """Return the replies of the model alone; raise CommandFailed."""
    require_rasa()
    model = usable_model(ModelFolder(settings.model_dir))
    if model is None:
        raise CommandFailed("No assistant is running, and there is no model to ask. Run ./ketalink train, or serve.")
    with err.status(f"No assistant runs on port {settings.port}; loading the model alone …"):
        answered = subprocess.run(  # noqa: S603
            tied([str(RASA_PYTHON), "-m", "bot.ask", str(model.path)]),
            cwd=PROJECT,
            env=rasa_environment(settings),
            input=json.dumps({"text": question}) + "\n",
            capture_output=True,
            text=True,
            errors="replace",
        )
    try:
        content = json.loads(answered.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        last_words = answered.stderr.strip().splitlines()[-1:] or [f"exit code {answered.returncode}"]
        raise CommandFailed(f"The model could not be asked: {last_words[0]}") from error
    if "error" in content:
        raise CommandFailed(content["error"])
    return [from_rasa(message) for message in content["messages"]]
