"""A browser with a virtual authenticator, at a fleet that takes passkeys. For tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

from tests.machine import Machine
from tests.web.visits import Visitor


@contextmanager
def authenticator(chromium: Browser, fleet: Machine) -> Iterator[Visitor]:
    """Open a tab at a fleet that takes passkeys from now on."""
    url = f"http://localhost:{fleet.page}"
    fleet.pull()
    before = (fleet.clone / "zedops.yaml").read_text()
    fleet.write("zedops.yaml", f"{before}web: {{url: '{url}', logins: [link, passkey]}}\n")
    fleet.push("passkeys")
    context = chromium.new_context()
    visitor = Visitor(context.new_page(), url)
    tool = context.new_cdp_session(visitor.page)
    tool.send("WebAuthn.enable")
    tool.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
        "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
    }})
    yield visitor
    context.close()


def make(visitor: Visitor, email: str, name: str) -> str:
    """Make a passkey; returns its line."""
    page = visitor.open("/login/passkey/new")
    page.get_by_label("Address").fill(email)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.locator("#passkey-made")).to_be_visible()
    return page.locator("#passkey-line").inner_text()


def log_in(visitor: Visitor) -> Page:
    """Try to log in."""
    page = visitor.open("/login")
    page.get_by_role("button", name="Log in with a passkey").click()
    return page


def can_log_in(visitor: Visitor) -> bool:
    """Say whether a login works."""
    with visitor.page.expect_response("**/login/passkey/finish") as done:
        log_in(visitor)
    return bool(done.value.ok)
