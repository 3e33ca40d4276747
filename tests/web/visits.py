"""A person at the page, who notes every fault of it. For tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from tests.machine import DEADLINE_S

_AXE = Path(__file__).parent / "axe.min.js"


class Visitor:
    """One tab."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        #: Console errors, failed scripts, and requests to other origins.
        self.faults: list[str] = []
        #: Whether the hub refuses this person something; browsers note that in the console.
        self.is_refused = False
        # deadlines, not waits: other tests may keep both cores busy
        page.set_default_timeout(DEADLINE_S * 1000)
        expect.set_options(timeout=DEADLINE_S * 1000)
        page.on("console", lambda said: self._note(said.type == "error", said.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("request", lambda one: self._note(not self._is_own(one.url), one.url))

    def _note(self, is_fault: bool, text: str) -> None:
        if is_fault and not (self.is_refused and "409 (Conflict)" in text):
            self.faults.append(text)

    def _is_own(self, url: str) -> bool:
        return urlsplit(url).netloc == urlsplit(self.url).netloc or url.startswith("data:")

    def open(self, path: str) -> Page:
        """Go to a path of the site."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def check_access(self, what: str) -> None:
        """See that axe finds nothing, in light and in dark."""
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            # the page's own policy forbids added scripts: the debugger runs it past that
            self.page.evaluate(_AXE.read_text())
            found: dict[str, Any] = self.page.evaluate("axe.run()")
            wrong = [(each["id"], [node["html"] for node in each["nodes"]][:3])
                     for each in found["violations"]]
            assert wrong == [], (what, scheme, wrong)

    def check_narrow(self, what: str) -> None:
        """See that a page of 360 pixels needs no sideways scroll."""
        before = self.page.viewport_size
        self.page.set_viewport_size({"width": 360, "height": 800})
        width = self.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, (what, width)
        if before:
            self.page.set_viewport_size(before)
