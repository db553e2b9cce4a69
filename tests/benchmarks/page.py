"""How soon the page of `ganinvert ui` answers: the measurements of docs/how-to/in-the-browser.md.

Usage: python tests/benchmarks/page.py PHOTO [--generator ffhq-1024] [--moves 12] [--steps 12]

Inverts the photo on the page, in headless Chromium, and moves sliders of directions one after another; prints the times
from the move to each new image, with one and with three directions.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import time
from pathlib import Path

import torch
from playwright.sync_api import Page, sync_playwright

from ganinvert import load_generator
from ganinvert.ui import server
from ganinvert.ui.glance import GLANCE

PATIENCE = 600_000
CHANGED = "src => document.querySelector('#edited img').src != src"


def move(page: Page, direction: int, strength: float, looks: int) -> list[float]:
    """Set the slider of a direction, and return the seconds until each of so many new images is shown."""
    field = page.locator(f"#direction-{direction} input[type=number]")
    field.fill(f"{strength:.2f}")
    source, seconds, started = page.locator("#edited img").get_attribute("src"), [], time.monotonic()
    field.press("Enter")
    for _ in range(looks):
        page.wait_for_function(CHANGED, arg=source, polling=10)
        page.wait_for_function("() => document.querySelector('#edited img').complete", polling=10)
        seconds.append(time.monotonic() - started)
        source = page.locator("#edited img").get_attribute("src")
    return seconds


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--generator", default="portraits-64")
    parser.add_argument("--moves", type=int, default=12)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    opened = server.serving(arguments.photo, generator=arguments.generator, device="cpu")
    with opened as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.get_by_role("tab", name="Invert and edit").click()
        page.get_by_role("button", name="More options").last.click()
        page.locator("input[aria-label*='Steps'], label:has-text('Steps') input").last.fill(str(arguments.steps))
        page.locator("#invert").click()
        page.get_by_text(re.compile("PSNR .* LPIPS")).wait_for()
        looks = 2 if load_generator(arguments.generator).resolution > GLANCE else 1
        for count in (1, 3):
            rows = [move(page, n % count, 1 + n / 10, looks) for n in range(arguments.moves)][count:]
            for number, seconds in enumerate(zip(*rows, strict=True), 1):
                print(
                    f"{arguments.generator}, {count} directions, image {number} of {looks}: "
                    f"{statistics.median(seconds):.3f} s (median), {min(seconds):.3f} to {max(seconds):.3f}",
                    flush=True,
                )
        browser.close()


if __name__ == "__main__":
    main()
