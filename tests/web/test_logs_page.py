"""The logs page: following, older lines on demand, search, links to lines, and hostile lines."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.machine import Machine
from tests.system.servers import LOOP, begin, command
from tests.web.test_refusals import login
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system]

Visit = Callable[..., Visitor]
Ask = Callable[..., Any]

#: A line in colours, one drawn again and again, markup, bytes that are no text.
HOSTILE = (r"printf '\033[31mERROR\033[0m red\n10%%\r100%%\n"
           r"<img src=x onerror=alert(1)>\n\377\200raw\n'")


#: More lines than a page is given within a few seconds.
FLOOD = 30_000


def count_to(number: int, word: str) -> str:
    return f"i=0; while [ $i -lt {number} ]; do echo \"{word} $i\"; i=$((i+1)); done"


def test_lines_come_live_and_older_ones_on_demand(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "talker", command(f"{count_to(900, 'entry')}; {HOSTILE}; {LOOP}"))
    visitor = visit()
    page = visitor.open("/logs?server=talker")
    lines = page.locator("#lines > li[id]")
    expect(page.locator("#lines .error")).to_contain_text("ERROR red")
    expect(page.get_by_text("100%", exact=True)).to_be_visible()
    expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    expect(page.get_by_text("\ufffd\ufffdraw")).to_be_visible()
    assert lines.count() == 200
    say(fleet, "talker", "fresh news")
    expect(page.get_by_text("fresh news")).to_be_visible()
    expect(page.get_by_text("entry 700", exact=True)).to_have_count(0)
    page.locator("#log").evaluate("each => { each.scrollTop = 0; }")
    expect(page.get_by_text("entry 700", exact=True)).to_have_count(1)
    say(fleet, "talker", "said while the reader is above")
    expect(page.get_by_role("button", name="1 new line")).to_be_visible()
    assert page.get_by_text("said while the reader is above").count() == 0
    page.get_by_role("button", name="1 new line").click()
    expect(page.get_by_text("said while the reader is above")).to_be_visible()
    while page.get_by_text("The log begins here.").count() == 0:
        page.locator("#log").evaluate("each => { each.scrollTop = 0; }")
        page.wait_for_timeout(50)
    shown = [each for each in page.locator("#lines bdi").all_inner_texts() if "entry" in each]
    assert shown == [f"entry {n}" for n in range(900)]


def say(fleet: Machine, name: str, text: str) -> None:
    """Let a server's first process say something."""
    fleet.zedops("exec", name, "--", "/bin/busybox", "sh", "-c", f"echo '{text}' > /proc/1/fd/1")


def test_a_flood_of_lines_leaves_the_page_bounded_and_ends_at_its_last_line(
    fleet: Machine, visit: Visit
) -> None:
    begin(fleet, "flood", command(f"echo calm; {LOOP}"))
    page = visit().open("/logs?server=flood")
    expect(page.get_by_text("calm")).to_be_visible()
    fleet.zedops("exec", "flood", "--", "/bin/sh", "-c", f"seq {FLOOD} > /proc/1/fd/1")
    last = page.locator("#lines").get_by_text(str(FLOOD), exact=True)
    expect(last).to_be_visible(timeout=30_000)
    assert page.locator("#lines > li").count() <= 3001


def test_a_search_reads_the_whole_log_with_context_and_lines_have_links(
    fleet: Machine, visit: Visit
) -> None:
    begin(fleet, "story", command(
        f"{count_to(3000, 'page')}; echo The needle; {count_to(3000, 'leaf')}; {LOOP}"
    ))
    visitor = visit()
    page = visitor.open("/logs?server=story")
    page.get_by_label("Search the whole log").fill("NEEDLE")
    page.get_by_label("Lines of context").fill("2")
    page.get_by_role("button", name="Search").click()
    found = page.locator("#lines bdi")
    expect(found).to_have_text(["page 2998", "page 2999", "The needle", "leaf 0", "leaf 1"])
    expect(page.locator("#lines .hit")).to_have_count(1)
    page.locator("#lines .hit .when").click()
    expect(page.locator("#lines .target")).to_contain_text("The needle")
    expect(page.locator("#lines .target")).to_be_in_viewport()
    expect(page.get_by_text("leaf 50", exact=True)).to_have_count(1)
    for path in ("/logs", "/logs?server=story", "/logs?server=story&q=needle&context=1"):
        visitor.open(path)
        visitor.check_access(path)
        visitor.check_narrow(path)


def test_servers_are_merged_by_time_and_it_works_without_script(
    fleet: Machine, visit: Visit
) -> None:
    for name in ("left", "right"):
        begin(fleet, name, command(f"{count_to(290, name)}; {LOOP}"))
    said = fleet.zedops("logs", "left", "right", "-n", "2").stdout.splitlines()
    assert sorted(said) == [f"{name:<5} | {name} {n}" for name in ("left", "right")
                            for n in (288, 289)]
    said = fleet.zedops("logs", "left", "--grep", "LEFT 28", "-C", "1").stdout.splitlines()
    assert said == ["left 27", "left 28", "left 29", "--", *(f"left {n}" for n in range(279, 290))]
    visitor = visit(java_script_enabled=False, login=False)
    page = visitor.page
    page.goto(fleet.zedops("web", "--print").stdout.strip())
    page.get_by_role("button", name="Log in").click()
    visitor.open("/logs")
    page.get_by_label("left").check()
    page.get_by_label("right").check()
    page.get_by_role("button", name="Show").click()
    seen: list[str] = []
    while True:
        seen = [*page.locator("#lines bdi").all_inner_texts(), *seen]
        times = page.locator("#lines time").evaluate_all("all => all.map((each) => each.dateTime)")
        assert times == sorted(times)
        if page.get_by_role("link", name="Older lines").count() == 0:
            break
        page.get_by_role("link", name="Older lines").click()
    assert sorted(seen) == sorted(f"{name} {n}" for name in ("left", "right") for n in range(290))
    assert page.locator("#lines .from").first.inner_text() in ("left", "right")


def test_only_readers_get_lines_and_unknown_servers_are_none(fleet: Machine, ask: Ask) -> None:
    begin(fleet, "closed", command(f"echo private; {LOOP}"))
    for path in ("/logs?server=closed", "/logs/live?server=closed", "/logs/download?server=closed"):
        answer = ask("GET", path)
        assert answer.status == 401, path
        assert "private" not in answer.text
    cookie = login(fleet, ask)
    for server in ("none", "<script>alert(1)</script>", "../closed", "closed&server=none"):
        path = f"/logs?server={quote(server, safe='=&')}"
        answer = ask("GET", path, Cookie=cookie)
        assert answer.status == 404, path
        assert "<script>alert" not in answer.text
    many = "&".join(f"server=s{n}" for n in range(9))
    assert "at most 8" in ask("GET", f"/logs?{many}", Cookie=cookie).text
    for query in ("before=x", "line=%00", "at=never", "context=-1", "context=99999999",
                  f"q={'x' * 999}"):
        assert ask("GET", f"/logs?server=closed&{query}", Cookie=cookie).status == 200, query
    whole: http.client.HTTPResponse = ask("GET", "/logs/download?server=closed", Cookie=cookie)
    assert whole.text == "private\n"  # type: ignore[attr-defined]
    assert whole.headers["Content-Disposition"] == 'attachment; filename="closed.log"'
    assert whole.headers["Content-Type"].startswith("text/plain")
