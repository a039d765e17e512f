"""On other people's pages: strict policies, hostile style sheets, other hosts, old browsers, no script at all."""

import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.conftest import Server, free_ports
from tests.widget.conftest import ANSWER_MS, Chat


def test_a_strict_policy_with_trusted_types_refuses_nothing(server: Server, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat().visit(f"{server.url}/demo/strict")
    chat.ask("how long does it take").locator("summary").click()
    chat.ask("i want to kill myself")
    chat.ask("I want to book an appointment. Ana Silva, 516-555-0138, ana@example.com, new patient, pain, any time")
    chat.press("Yes, contact me")
    chat.clear.click()
    expect(chat.said).to_have_count(0)

    assert chat.refused() == []
    assert chat.complaints == []
    assert chat.hosts - {""} == {server.url.removeprefix("http://")}  # "": the icon is a data: address
    policy = httpx.get(f"{server.url}/demo/strict").headers["content-security-policy"]
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy


def test_a_hostile_style_sheet_changes_nothing(server: Server, page_of_chat: Callable[[], Chat]) -> None:
    """The tag is on that page twice, and on the left, in the clinic's colour."""
    chat = page_of_chat().visit(f"{server.url}/demo/hostile")
    plain = page_of_chat().visit(f"{server.url}/demo/strict")
    asked = "how long does it take"
    chat.ask(asked)
    plain.ask(asked)

    def look(one: Chat, selector: str) -> list[Any]:
        looks: list[Any] = one.page.locator(f"ketalink-chat-panel {selector}").first.evaluate(
            """(element) => {
              const {width, height} = element.getBoundingClientRect()
              const style = getComputedStyle(element)
              return [width, height, style.font, style.color, style.direction, style.letterSpacing, style.textTransform,
                style.opacity, style.visibility, style.transform, style.filter, style.pointerEvents, style.textAlign]
            }"""
        )
        return looks

    for selector in (".panel", ".head h2", ".notice", "li.assistant .bubble", ".choice", "textarea", ".clear"):
        assert look(chat, selector) == look(plain, selector), selector
    expect(chat.page.locator("ketalink-chat")).to_have_count(1)
    box = chat.launcher.bounding_box()
    assert box is not None
    assert box["x"] < 100
    assert chat.launcher.evaluate("(button) => getComputedStyle(button).backgroundColor") == "rgb(122, 59, 158)"
    assert chat.launcher.evaluate("(button) => getComputedStyle(button).color") == "rgb(255, 255, 255)"


def test_a_light_colour_gets_dark_words(
    server: Server, page_of_chat: Callable[[], Chat], context: BrowserContext
) -> None:
    body = '<script src="/widget.js" data-accent="gold" data-label="Ask us"></script>'
    context.route("**/page", lambda route: route.fulfill(body=body, content_type="text/html"))
    chat = page_of_chat()
    chat.page.goto(f"{server.url}/page")

    button = chat.page.get_by_role("button", name="Ask us")
    assert button.evaluate("(button) => getComputedStyle(button).color") == "rgb(0, 0, 0)"


def test_what_the_page_says_of_the_clinic_is_shown(
    server: Server, page_of_chat: Callable[[], Chat], context: BrowserContext
) -> None:
    body = """<script src="/widget.js" data-name="Our practice" data-greeting="Good to see you." data-theme="dark"
      data-logo="data:image/gif;base64,R0lGODlhAQABAAAAACw="></script>"""
    context.route("**/page", lambda route: route.fulfill(body=body, content_type="text/html"))
    chat = page_of_chat().visit(f"{server.url}/page")

    expect(chat.panel).to_have_accessible_name("Our practice")
    expect(chat.log).to_contain_text("Good to see you.")
    expect(chat.panel.locator(".head img")).to_be_visible()
    assert chat.page.locator("ketalink-chat-panel").get_attribute("scheme") == "dark"


def test_without_script_the_page_says_how_to_reach_the_clinic(server: Server, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server.url}/demo/strict")

    expect(page.get_by_text("Call or text us")).to_be_visible()
    context.close()


def test_an_old_browser_keeps_the_line_that_says_how_to_reach_the_clinic(
    server: Server, page_of_chat: Callable[[], Chat]
) -> None:
    chat = page_of_chat()
    chat.page.add_init_script("delete window.customElements")
    chat.page.goto(f"{server.url}/demo/strict")

    expect(chat.page.get_by_text("Call or text us")).to_be_visible()
    expect(chat.launcher).to_have_count(0)
    assert chat.complaints == []


def test_where_the_chat_runs_that_line_is_gone(server: Server, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat().visit(f"{server.url}/demo/strict")

    expect(chat.page.get_by_text("Call or text us")).to_be_hidden()


def test_the_keys_of_the_page_are_not_pressed_by_what_is_typed(
    server: Server, page_of_chat: Callable[[], Chat]
) -> None:
    chat = page_of_chat().visit(server.url)
    chat.page.evaluate("window.heard = []; document.addEventListener('keydown', ({key}) => heard.push(key))")
    chat.input.press("s")

    assert chat.page.evaluate("window.heard") == []


def test_only_the_loader_is_fetched_before_somebody_opens_it(server: Server, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat()
    fetched: list[str] = []
    chat.page.on("request", lambda request: fetched.append(request.url.removeprefix(server.url)))
    chat.page.goto(f"{server.url}/demo/strict")
    expect(chat.launcher).to_be_visible()
    assert fetched == ["/demo/strict", "/widget.js"] or fetched == ["/demo/strict", "/widget.js", "data:,"]

    chat.launcher.click()
    expect(chat.input).to_be_visible()
    assert any(address.startswith("/widget/chat.js?v=") for address in fetched)


# ------------------------------------------------------------------ another site


@pytest.fixture
def site(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Server], str]]:
    """A website on another origin whose pages embed the widget of a server."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def serve(desk: Server, port: int = 0) -> str:
        body = f'<!doctype html><title>A clinic</title><script src="{desk.url}/widget.js" async></script>'.encode()

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        web = http.server.ThreadingHTTPServer(("127.0.0.1", port), Page)
        servers.append(web)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{web.server_address[1]}"

    yield serve
    for web in servers:
        web.shutdown()
        web.server_close()


def test_an_allowed_site_can_embed_it(
    site: Callable[..., str], page_of_chat: Callable[[], Chat], tmp_path_factory: pytest.TempPathFactory
) -> None:
    (port,) = free_ports(1)
    data_dir = tmp_path_factory.mktemp("embedded")
    settings = {"ALLOWED_ORIGINS": f"https://www.clinic.example, http://127.0.0.1:{port}/"}
    desk = Server(data_dir, f"sqlite:///{data_dir / 'ketalink.db'}", settings).start()
    try:
        chat = page_of_chat().visit(site(desk, port))
        chat.ask("how long does it take")
        chat.page.reload()
        expect(chat.said).to_have_count(1, timeout=ANSWER_MS)
        with chat.page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
            chat.clear.click()
        assert deleted.value.status == 204
        policy = httpx.get(f"{desk.url}/chat").headers["content-security-policy"]
        assert (
            f"frame-ancestors 'self' http://127.0.0.1:{port} https://clinic.example https://www.clinic.example"
            in policy
        )
    finally:
        desk.stop()


def test_any_other_site_is_refused_and_its_visitors_are_told_whom_to_call(
    server: Server, site: Callable[..., str], page_of_chat: Callable[[], Chat]
) -> None:
    chat = page_of_chat().visit(site(server))
    chat.say("how long does it take")

    expect(chat.trouble).to_be_visible()
    expect(chat.panel).to_contain_text("988")


def test_the_page_of_its_own_is_the_chat_alone(server: Server, page_of_chat: Callable[[], Chat]) -> None:
    chat = page_of_chat()
    chat.page.goto(f"{server.url}/chat")
    chat.ask("how long does it take")

    expect(chat.launcher).to_be_hidden()
    expect(chat.page.get_by_role("button", name="Close chat")).to_have_count(0)
    viewport = chat.page.viewport_size
    assert viewport is not None
    box = chat.page.locator("ketalink-chat-panel .panel").bounding_box()
    assert box == {"x": 0, "y": 0, **viewport}
