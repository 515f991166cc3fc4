"""The system's Chromium, without a window; nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: names the program, where it is not on PATH under one of the usual names
VARIABLE = "COURANT_TEST_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class NoChromium(Exception):
    """There is no browser to test with; the text says where it was looked for."""


def find() -> str:
    """The path of the browser. Raises NoChromium with the reason where there is none."""
    given = os.environ.get(VARIABLE)
    for name in [given] if given else _NAMES:
        if path := shutil.which(name):
            return path
    if given:
        raise NoChromium(f"{VARIABLE} names {given}, which is no program")
    raise NoChromium(f"no Chromium was found on PATH (tried {', '.join(_NAMES)}; {VARIABLE} names another)")


@contextmanager
def launched() -> Iterator[Browser]:
    """
    The running browser.

    Until it is closed, Django takes the thread for one that runs async code and refuses its ORM.
    """
    # runtests.py asks this module for the browser, and needs nothing else of it.
    from playwright.sync_api import sync_playwright

    # A click right after scrolling is lost where a sandboxed frame has a process of its own and stood there before.
    arguments = ["--disable-features=IsolateSandboxedIframes", "--disable-gpu"]
    if os.geteuid() == 0:  # Chromium's own sandbox refuses to work for root
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()
