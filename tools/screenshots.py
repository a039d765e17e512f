"""Take the pictures of the website widget that the documents show: `.venv/app/bin/python tools/screenshots.py URL`.

URL is that of a running assistant (`make run`). Needs Chromium, as the test suite does. Look at what it took.
"""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
DESKTOP = {"viewport": {"width": 1200, "height": 820}}
PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 1.5, "has_touch": True, "is_mobile": True}
REQUEST = "I'm Ana Ruiz, 516-555-0142, ana@example.com, new patient, mornings are best, an appointment for my back pain"


def say(page: Page, text: str) -> None:
    replies = page.locator("ketalink-chat-panel li.assistant")
    before = replies.count()
    page.get_by_role("textbox", name="Your message").fill(text)
    page.keyboard.press("Enter")
    expect(replies.nth(before)).to_be_visible(timeout=30_000)


def press(page: Page, title: str) -> None:
    replies = page.locator("ketalink-chat-panel li.assistant")
    before = replies.count()
    page.get_by_role("button", name=title).last.click()
    expect(replies.nth(before)).to_be_visible(timeout=30_000)


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(700)  # what moves comes to rest
    page.screenshot(path=IMAGES / f"{name}.png")
    print(name)


def desktop(browser: Browser, url: str) -> None:
    page = browser.new_context(**DESKTOP).new_page()
    page.goto(url)
    expect(page.get_by_role("button", name="Request an appointment")).to_be_visible()
    take(page, "demo-page")
    say(page, "how long does an infusion take?")
    page.locator("ketalink-chat-panel summary").click()
    page.locator("ketalink-chat-panel .log").evaluate("(log) => log.scrollTo({top: 1e6, behavior: 'instant'})")
    take(page, "widget-answer")
    say(page, REQUEST)
    press(page, "Yes, contact me")
    take(page, "widget-read-back")


def phone(browser: Browser, url: str) -> None:
    context = browser.new_context(**PHONE, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{url}/chat")
    expect(page.get_by_role("button", name="Request an appointment")).to_be_visible()
    say(page, "i want to kill myself")
    take(page, "widget-phone-crisis")
    page = browser.new_context(**PHONE).new_page()
    page.goto(f"{url}/chat")
    say(page, "who drives me home?")
    page.context.set_offline(True)
    page.get_by_role("textbox", name="Your message").fill("and can I eat before?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    take(page, "widget-phone-offline")


def main() -> None:
    url = sys.argv[1].rstrip("/")
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        desktop(browser, url)
        phone(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
