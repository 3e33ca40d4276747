"""The fleet page and the page of a server, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.machine import Machine, free_port
from tests.system.servers import LOOP, begin, command, write
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system]

Visit = Callable[..., Visitor]


def test_a_row_changes_on_screen_as_the_server_does(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "lively", command(LOOP), f"ports: {{game: {free_port()}/udp}}")
    page = visit().page
    row = page.locator("#s-lively")
    expect(row.locator(".badge")).to_have_text("running")
    expect(row).to_contain_text("/udp")
    page.evaluate("window.same = 1")  # the page must not load again
    fleet.zedops("stop", "lively", "--wait")
    expect(row.locator(".badge")).to_have_text("stopped")
    fleet.zedops("delete", "lively", "--yes", "--wait")
    expect(row).to_have_count(0)
    expect(page.get_by_role("link", name="Show deleted (")).to_be_visible()
    assert page.evaluate("window.same") == 1


def test_trouble_is_first_and_says_why_and_filters_stand_in_the_url(
    fleet: Machine, visit: Visit
) -> None:
    write(fleet, "aardvark", command(LOOP), "labels: {team: blue}", "desired: stopped")
    write(fleet, "zoo", image="localhost:1/none:1")
    fleet.push("two servers")
    page = visit().page
    expect(page.locator("#s-zoo")).to_contain_text("cannot pull")
    names = page.locator("tbody th[scope=row] a").all_inner_texts()
    assert names.index("zoo") < names.index("aardvark")
    page.get_by_label("Search").fill("aard")
    expect(page.locator("#s-zoo")).to_have_count(0)
    expect(page.locator("#s-aardvark")).to_be_visible()
    assert "q=aard" in page.url
    page.reload()
    expect(page.locator("#s-zoo")).to_have_count(0)
    page.goto(page.url.partition("?")[0] + "?label=team%3Dblue&status=stopped")
    assert page.locator("tbody th[scope=row] a").all_inner_texts() == ["aardvark"]


def test_pages_can_be_read_by_all_and_on_a_phone(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "plain", command(LOOP), f"ports: {{game: {free_port()}/udp}}")
    visitor = visit()
    for path in ("/", "/?group=host&deleted=1", "/servers/plain", "/servers/none", "/login"):
        visitor.open(path)
        visitor.check_access(path)
        visitor.check_narrow(path)
    visitor.faults = [each for each in visitor.faults if "404" not in each]


def test_reading_needs_no_script(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "quiet", command(LOOP))
    page = visit(java_script_enabled=False, login=False)
    page.page.goto(fleet.zedops("web", "--print").stdout.strip())
    page.page.get_by_role("button", name="Log in").click()
    expect(page.page.locator("#s-quiet .badge")).to_have_text("running")
    page.page.get_by_label("Search").fill("nothing like it")
    page.page.get_by_role("button", name="Look now").click()
    expect(page.page.get_by_text("No server fits")).to_be_visible()
    page.open("/servers/quiet").get_by_role("heading", name="Definition").wait_for()


def test_a_page_that_lost_its_stream_says_so_and_recovers(fleet: Machine, visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    fleet.down()
    expect(page.locator("#stream")).to_contain_text("may be out of date")
    expect(page.locator("body")).to_have_class("lost stale")
    fleet.up()
    expect(page.locator("#stream")).to_be_hidden()
    expect(page.locator("body")).to_have_class("")
    visitor.faults = [each for each in visitor.faults if "ERR_" not in each]
