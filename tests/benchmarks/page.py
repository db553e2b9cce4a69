"""How soon the page of `ganinvert ui` answers: the measurements of docs/how-to/in-the-browser.md.

Usage: python tests/benchmarks/page.py PHOTO [--generator ffhq-1024] [--moves 12] [--steps 12]

Inverts the photo on the page, in headless Chromium, and moves sliders of directions one after another; prints the times
from the move to the new image, with one and with three directions.
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

from ganinvert.ui import server

PATIENCE = 600_000
CHANGED = "src => document.querySelector('#edited img').src != src"


def move(page: Page, direction: int, strength: float) -> float:
    """Set the slider of a direction, and return the seconds until another image is shown."""
    before = page.locator("#edited img").get_attribute("src")
    field = page.locator(f"#direction-{direction} input[type=number]")
    field.fill(f"{strength:.2f}")
    started = time.monotonic()
    field.press("Enter")
    page.wait_for_function(CHANGED, arg=before, polling=10)
    page.wait_for_function("() => document.querySelector('#edited img').complete", polling=10)
    return time.monotonic() - started


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
        for count in (1, 3):
            seconds = [move(page, n % count, 1 + n / 10) for n in range(arguments.moves)][count:]
            print(
                f"{arguments.generator}, {count} directions: {statistics.median(seconds):.3f} s (median),"
                f" {min(seconds):.3f} to {max(seconds):.3f}",
                flush=True,
            )
        browser.close()


if __name__ == "__main__":
    main()
