"""A running fleet with its web page, a real Chromium, and an HTTP client without a browser."""

from __future__ import annotations

import http.client
import shutil
from collections.abc import Callable, Iterator

import docker
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.conftest import without
from tests.machine import Machine, free_port
from tests.web.visits import Visitor

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic",
          "--no-first-run", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium.

    Not for a session: Playwright's event loop runs until its end, and other tests have their own.
    """
    program = shutil.which("chromium")
    if program is None:
        without("chromium")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Machine]:
    """Run a fleet with its page; each test has servers of its own."""
    made = Machine(tmp_path_factory.mktemp("web"), docker_api, image)
    made.page = free_port()
    try:
        made.init()
        made.git("config", "user.name", "Ada <i>Lovelace</i>")
        made.git("config", "user.email", "ada@example.org")
        made.up()
        yield made
    finally:
        made.tear_down()


@pytest.fixture
def visit(chromium: Browser, fleet: Machine) -> Iterator[Callable[..., Visitor]]:
    """Open pages, logged in; at the end no console error and no foreign request may be left."""
    opened: list[tuple[BrowserContext, Visitor]] = []

    def begin(*, login: bool = True, refused: bool = False, **options: object) -> Visitor:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        visitor = Visitor(context.new_page(), f"http://127.0.0.1:{fleet.page}")
        visitor.is_refused = refused
        opened.append((context, visitor))
        if login:
            visitor.page.goto(link(fleet))
            visitor.page.wait_for_url(f"{visitor.url}/")
        return visitor

    yield begin
    for context, visitor in opened:
        context.close()
        assert visitor.faults == [], visitor.faults


def link(fleet: Machine) -> str:
    """Ask for a login link."""
    return fleet.zedops("web", "--print").stdout.strip()


@pytest.fixture
def ask(fleet: Machine) -> Callable[..., http.client.HTTPResponse]:
    """Send one request, with exactly these headers; redirections are not followed."""

    def send(
        method: str, path: str, body: str | None = None, source: str = "127.0.0.1", **headers: str
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(
            "127.0.0.1", fleet.page or 0, timeout=20, source_address=(source, 0)
        )
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        answer.text = answer.read().decode(errors="replace")  # type: ignore[attr-defined]
        connection.close()
        return answer

    return send
