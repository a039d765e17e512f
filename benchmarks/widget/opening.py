"""How long from the click on the button to a box that can be typed in.

`.venv/app/bin/python -m benchmarks.widget.opening URL` with a running assistant (`make run`). The browser's cache is
empty at each visit. Beside it, in turns: a request of the same page that opens nothing and only asks for the file,
which is what the network and the server cost.
"""

import os
import shutil
import statistics
import sys
import time

from playwright.sync_api import Browser, sync_playwright

VISITS = 30
# Kilobits a second and milliseconds of a network, as Chromium's own tools name them; none is this machine's loopback.
NETWORKS: dict[str, tuple[int, int] | None] = {"loopback": None, "fast 4G": (9_000, 60), "slow 4G": (1_600, 150)}


def visit(browser: Browser, url: str, network: tuple[int, int] | None) -> tuple[float, float]:
    """Return milliseconds from click to focus in the box, and of fetching the chat's file alone."""
    context = browser.new_context()
    page = context.new_page()
    if network:
        kilobits, latency = network
        bytes_a_second = kilobits * 1000 / 8
        context.new_cdp_session(page).send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": latency,
                "downloadThroughput": bytes_a_second,
                "uploadThroughput": bytes_a_second,
            },
        )
    page.goto(f"{url}/demo/strict")
    fetched: float = page.evaluate(
        """async () => {
          const began = performance.now()
          await (await fetch('/widget/chat.js?alone', {cache: 'no-store'})).text()
          return performance.now() - began
        }"""
    )
    launcher = page.get_by_role("button", name="Chat with us")
    launcher.wait_for()
    opened: float = launcher.evaluate(
        """(button) => new Promise((resolve) => {
          const began = performance.now()
          button.click()
          const look = () => {
            const panel = button.getRootNode().querySelector('ketalink-chat-panel')
            if (panel?.shadowRoot?.activeElement?.matches('textarea')) resolve(performance.now() - began)
            else requestAnimationFrame(look)
          }
          look()
        })"""
    )
    context.close()
    return opened, fetched


def main() -> None:
    url = sys.argv[1].rstrip("/")
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    print("| network | click to a box that can be typed in, median | p95 | fetching the file alone | ratio |")
    print("| --- | --- | --- | --- | --- |")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for name, network in NETWORKS.items():
            began = time.monotonic()
            times = [visit(browser, url, network) for _ in range(VISITS)]
            opened, fetched = (sorted(column) for column in zip(*times, strict=True))
            middle, alone = statistics.median(opened), statistics.median(fetched)
            p95 = opened[int(len(opened) * 0.95)]
            print(f"| {name} | {middle:.0f} ms | {p95:.0f} ms | {alone:.0f} ms | {middle / alone:.1f} |", flush=True)
            print(f"  {VISITS} visits in {time.monotonic() - began:.0f} s", file=sys.stderr)
        browser.close()


if __name__ == "__main__":
    main()
