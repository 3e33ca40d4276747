"""A terminal in a server's container: on the page, with its rights and its end."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import sys
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


def opened(fleet: Machine, ask: Ask) -> tuple[str, str, Callable[[int, str], Any], socket.socket]:
    """Open a terminal without a browser; returns its name, cookie, how to type, and its output."""
    cookie = login(fleet, ask)
    page = ask("GET", "/servers/quay/terminal", Cookie=cookie).text
    token = page.partition('data-token="')[2].partition('"')[0]
    head = {**FORM, "Origin": own(fleet), "Cookie": cookie}
    made = ask("POST", "/servers/quay/terminal", f"form_token={token}", **head)
    name = made.text.partition('"terminal":"')[2].partition('"')[0]
    output = socket.create_connection(("127.0.0.1", fleet.page or 0), timeout=30)
    output.sendall(f"GET /terminals/{name}/out HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                   f"Connection: close\r\nCookie: {cookie}\r\n\r\n".encode())

    def type_in(number: int, text: str) -> Any:
        body = f"form_token={token}&number={number}&data={quote(text)}"
        return ask("POST", f"/terminals/{name}/in", body, **head)

    return name, cookie, type_in, output


def has_ended(fleet: Machine, name: str) -> bool:
    return any(f"terminal {name[:8]} " in line and "ended" in line
               for line in fleet.log.read_text().splitlines())


def test_a_tab_that_reads_nothing_slows_down_its_own_program_only(
    fleet: Machine, ask: Ask
) -> None:
    name, cookie, type_in, deaf = opened(fleet, ask)
    with deaf:
        fleet.wait_for(lambda: type_in(1, "while :; do echo flood; done\n").status == 200)
        assert type_in(2, "x" * 3000).status == 200
        assert ask("GET", "/servers/quay", Cookie=cookie).status == 200
        fleet.write("servers.d/calm.yaml", f"image: {fleet.image}\ndesired: stopped\n")
        fleet.push("beside a flood")
        assert type_in(2, "x").status == 200, "a number that was taken types nothing twice"
    fleet.wait_for(lambda: has_ended(fleet, name))


def test_a_terminal_ends_with_its_session(fleet: Machine, ask: Ask) -> None:
    name, _, type_in, output = opened(fleet, ask)
    with output:
        fleet.wait_for(lambda: type_in(1, "sleep 999\n").status == 200)
        fleet.wait_for(lambda: "sleep 999" in processes(fleet, "quay"))
        fleet.zedops("web", "--end-sessions")
        while output.recv(4096):
            pass
    assert type_in(2, "x").status == 401
    fleet.wait_for(lambda: has_ended(fleet, name))
    fleet.wait_for(lambda: "sleep 999" not in processes(fleet, "quay"))


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


def test_the_command_line_opens_one_in_its_own_terminal(fleet: Machine) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "zedops", "exec", "-it", "quay"], cwd=fleet.clone,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    ) as process:
        os.close(theirs)
        said = read(ours, "#")
        os.write(ours, b"echo sum $((6*7)); sleep 777\n")
        assert "sum 42" in read(ours, "sum 42")
        fleet.wait_for(lambda: "sleep 777" in processes(fleet, "quay"))
        os.write(ours, b"\x03exit\n")  # Ctrl-C goes to the program there
        read(ours, None)
        assert process.wait(timeout=20) == 0, said
    os.close(ours)
    assert "needs a terminal" in fleet.zedops("exec", "-it", "quay", code=2).stderr
    assert "Missing argument" in fleet.zedops("exec", "quay", code=2).stderr


def read(terminal: int, until: str | None) -> str:
    """Read until a text appears, or until the end."""
    said = ""
    while until is None or until not in said:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            piece = b""
        if not piece:
            assert until is None, said
            break
        said += piece.decode(errors="replace")
    return said
