"""A terminal in a server's container: on the page, with its rights and its end."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.machine import Machine
from tests.system.servers import LOOP, begin, command
from tests.web.test_refusals import login, own
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system]

Ask = Callable[..., Any]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(autouse=True, scope="module")
def _server(fleet: Machine) -> None:
    begin(fleet, "quay", command(LOOP))


def processes(fleet: Machine, name: str) -> str:
    """List what runs in a container."""
    container = fleet.container(name)
    assert container is not None
    return str(fleet.api.top(container["Id"])["Processes"])


def test_a_terminal_runs_in_the_container_and_ends_with_its_tab(
    fleet: Machine, visit: Callable[..., Visitor]
) -> None:
    visitor = visit()
    page = visitor.open("/servers/quay")
    page.get_by_role("link", name="Terminal").click()
    shown = page.locator("#terminal .xterm-rows")
    expect(shown).to_contain_text("#")
    page.keyboard.type("echo $((6*7)) in $HOSTNAME; stty size; sleep 12345\n")
    expect(shown).to_contain_text("42 in ")
    columns = page.evaluate("document.querySelector('.xterm-rows').childElementCount")
    expect(shown).to_contain_text(f"{columns} ")
    page.evaluate("document.fonts.ready")
    colour = "printf '\\033[38;2;1;2;3;48;2;200;0;0mred\\033[0m\\n'\n"
    fleet.wait_for(lambda: "sleep 12345" in processes(fleet, "quay"))
    page.keyboard.press("Control+C")
    page.keyboard.type(colour)
    cell = shown.locator("span", has_text=re.compile("^red"))
    expect(cell.first).to_have_css("background-color", "rgb(200, 0, 0)")
    visitor.check_access("terminal")
    visitor.check_narrow("terminal")
    page.locator("#terminal").click()
    page.keyboard.type("sleep 54321\n")
    fleet.wait_for(lambda: "sleep 54321" in processes(fleet, "quay"))
    visitor.open("/")
    fleet.wait_for(lambda: "sleep 54321" not in processes(fleet, "quay"))
    said = fleet.said()
    assert re.search(r"terminal \w{8} of Ada .* <ada@example.org> in .*quay: a shell", said)
    assert re.search(r"terminal \w{8} of Ada .* ended", said)


def test_a_terminal_is_refused_without_its_session_token_and_right(
    fleet: Machine, ask: Ask
) -> None:
    cookie, other = login(fleet, ask), login(fleet, ask)
    page = ask("GET", "/servers/quay/terminal", Cookie=cookie).text
    token = page.partition('data-token="')[2].partition('"')[0]
    head = {**FORM, "Origin": own(fleet)}
    start = "/servers/quay/terminal"
    assert ask("POST", start, "form_token=guess", Cookie=cookie, **head).status == 403
    assert ask("POST", start, f"form_token={token}", Cookie=other, **head).status == 403
    assert ask("POST", start, f"form_token={token}", Cookie=cookie, **FORM).status == 403
    assert ask("POST", start, f"form_token={token}", **head).status == 401
    made = ask("POST", start, f"form_token={token}", Cookie=cookie, **head)
    name = made.text.partition('"terminal":"')[2].partition('"')[0]
    assert re.fullmatch("[0-9a-f]{32}", name), made.text
    assert "has ended" in ask("GET", f"/terminals/{name}/out", Cookie=other).text
    late = ask("POST", f"/terminals/{name}/in", f"form_token={token}&number=1&data=x",
               Cookie=cookie, **head)
    assert late.status == 409, "its tab has not begun to read"
    opened = [ask("POST", start, f"form_token={token}", Cookie=cookie, **head).status
              for _ in range(8)]
    assert opened[-1] == 409, "a session has few"


def test_a_tab_that_reads_nothing_slows_down_its_own_program_only(
    fleet: Machine, ask: Ask
) -> None:
    cookie = login(fleet, ask)
    page = ask("GET", "/servers/quay/terminal", Cookie=cookie).text
    token = page.partition('data-token="')[2].partition('"')[0]
    head = {**FORM, "Origin": own(fleet), "Cookie": cookie}
    made = ask("POST", "/servers/quay/terminal", f"form_token={token}", **head)
    name = made.text.partition('"terminal":"')[2].partition('"')[0]
    with socket.create_connection(("127.0.0.1", fleet.page or 0), timeout=20) as deaf:
        deaf.sendall(f"GET /terminals/{name}/out HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                     f"Cookie: {cookie}\r\n\r\n".encode())
        typed = f"form_token={token}&number=1&data=" + quote("while :; do echo flood; done\n")
        fleet.wait_for(lambda: ask("POST", f"/terminals/{name}/in", typed, **head).status == 200)
        sleeps = f"form_token={token}&number=2&data=" + quote("\x03") * 3000
        assert ask("POST", f"/terminals/{name}/in", sleeps, **head).status == 200
        assert ask("GET", "/servers/quay", Cookie=cookie).status == 200
        fleet.write("servers.d/calm.yaml", f"image: {fleet.image}\ndesired: stopped\n")
        fleet.push("beside a flood")
        again = ask("POST", f"/terminals/{name}/in", typed.replace("number=1", "number=2"), **head)
        assert again.status == 200, "a number that was taken types nothing twice"
    fleet.wait_for(lambda: f"terminal {name[:8]} of" in fleet.said() and any(
        f"terminal {name[:8]} " in line and "ended" in line for line in fleet.said().splitlines()))


def test_the_hosts_policy_forbids_it(fleet: Machine, visit: Callable[..., Visitor]) -> None:
    fleet.policy.write_text("exec: false\n")
    try:
        page = visit().open("/servers/quay/terminal")
        expect(page.locator("#terminal-told")).to_contain_text("runs no commands in containers")
        said = fleet.zedops("exec", "quay", "--", "true", code=1).stderr
        assert "its owner can remove `exec: false`" in said
    finally:
        fleet.policy.unlink()
    assert fleet.zedops("exec", "quay", "--", "/bin/sh", "-c", "echo there").stdout == "there\n"
