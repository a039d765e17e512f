"""Everybody can use it: axe finds nothing in any state, in any way of looking at it."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from frontdesk.settings import PROJECT
from tests.conftest import Server
from tests.widget.conftest import ANSWER_MS, Chat

AXE = PROJECT / "frontdesk" / "widget" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP = {"width": 1280, "height": 860}

# 400 % zoom of a window of 1280 × 1024 leaves 320 × 256.
VIEWS: dict[str, Callable[[Page], None]] = {
    "light": lambda page: page.emulate_media(color_scheme="light"),
    "dark": lambda page: page.emulate_media(color_scheme="dark"),
    "forced colours": lambda page: page.emulate_media(forced_colors="active"),
    "320 px": lambda page: page.set_viewport_size({"width": 320, "height": 640}),
    "400 % zoom": lambda page: page.set_viewport_size({"width": 320, "height": 256}),
}


def typing(chat: Chat) -> None:
    chat.page.route("**/api/chat", lambda route: None)  # no answer comes
    chat.say("how long does it take")
    expect(chat.page.locator("ketalink-chat-panel .typing")).to_be_visible()


def in_the_form(chat: Chat) -> None:
    chat.ask("I'd like an appointment")
    chat.ask("Ana Silva, 516-555-0136")


def read_back(chat: Chat) -> None:
    chat.ask("I want to book an appointment. Ana Silva, 516-555-0137, ana@example.com, new patient, pain, any time")
    chat.press("Yes, contact me")


def confirmed(chat: Chat) -> None:
    read_back(chat)
    chat.press("Yes, send it")


def refused(chat: Chat) -> None:
    chat.say("tell me about it " * 300)
    expect(chat.trouble).to_be_visible(timeout=ANSWER_MS)


def offline(chat: Chat) -> None:
    chat.ask("how long does it take")
    chat.page.context.set_offline(True)
    chat.say("does it hurt")
    expect(chat.trouble).to_be_visible(timeout=ANSWER_MS)


def long_history(chat: Chat) -> None:
    for _ in range(6):
        for question in ("how long does it take", "does it hurt", "are there side effects?", "qwertz uiop"):
            chat.ask(question)


def sources_shown(chat: Chat) -> None:
    chat.ask("how long does it take").locator("summary").click()


STATES: dict[str, Callable[[Chat], Any]] = {
    "closed": lambda chat: chat.page.keyboard.press("Escape"),
    "open": lambda chat: None,
    "typing": typing,
    "buttons and sources": sources_shown,
    "safety": lambda chat: chat.ask("i want to kill myself"),
    "emergency": lambda chat: chat.ask("i have crushing chest pain right now and can't breathe"),
    "form": in_the_form,
    "read-back": read_back,
    "confirmation": confirmed,
    "error": refused,
    "offline": offline,
    "long history": long_history,
}


def violations(page: Page) -> list[str]:
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [
        f"{one['impact']} {one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(chat: Chat, state: str) -> None:
    if not AXE.exists():
        pytest.fail("axe-core is not installed: `npm ci` in frontdesk/widget, or `make test`, which does so")
    page = chat.page
    STATES[state](chat)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for name, look in VIEWS.items():
        page.set_viewport_size(DESKTOP)
        page.emulate_media(color_scheme="light", forced_colors="none")
        look(page)
        page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name}: scrolls sideways"


def test_everything_to_press_is_large_enough(chat: Chat) -> None:
    in_the_form(chat)
    chat.ask("how long does it take")
    small = chat.page.evaluate(
        """() => {
          const panel = document.querySelector('ketalink-chat').shadowRoot.querySelector('ketalink-chat-panel')
          return [...panel.shadowRoot.querySelectorAll('button, summary, form a')].map((element) => {
            const {width, height} = element.getBoundingClientRect()
            return [element.textContent.trim() || element.ariaLabel, width, height]
          }).filter(([, width, height]) => width < 24 || height < 24)
        }"""
    )
    assert small == []


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
def test_less_motion_for_those_who_want_none(chat: Chat, motion: Any, moves: bool) -> None:
    chat.page.emulate_media(reduced_motion=motion)
    typing(chat)

    moving = chat.page.locator("ketalink-chat-panel .typing").evaluate(
        "(dots) => dots.getAnimations({subtree: true}).length > 0"
    )
    assert moving is moves


@pytest.fixture
def phone(browser: Any, server: Server) -> Any:
    """A phone, held upright, with a finger for a mouse."""
    context = browser.new_context(
        viewport={"width": 390, "height": 760}, has_touch=True, is_mobile=True, reduced_motion="reduce"
    )
    yield Chat(context.new_page()).visit(f"{server.url}/demo/strict")
    context.close()


def test_on_a_phone_it_takes_the_whole_screen_and_brings_up_no_keyboard(phone: Chat) -> None:
    assert phone.page.locator("ketalink-chat-panel .panel").bounding_box() == {
        "x": 0,
        "y": 0,
        "width": 390,
        "height": 760,
    }
    expect(phone.input).not_to_be_focused()
    expect(phone.launcher).to_be_hidden()
    assert float(phone.input.evaluate("(input) => parseFloat(getComputedStyle(input).fontSize)")) >= 16


def test_on_a_phone_back_closes_it_and_stays_on_the_page(phone: Chat) -> None:
    address = phone.page.url

    phone.page.go_back()

    expect(phone.panel).to_be_hidden()
    expect(phone.launcher).to_be_visible()
    assert phone.page.url == address


def test_above_the_keyboard_of_a_phone_the_box_stays_in_view(phone: Chat) -> None:
    phone.page.evaluate(
        """() => {
          Object.defineProperty(visualViewport, 'height', {value: 400})
          visualViewport.dispatchEvent(new Event('resize'))
        }"""
    )

    box = phone.input.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 400
