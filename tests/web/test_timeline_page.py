"""The timeline: changes with their results, the past of every page, and two moments compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.machine import Machine
from tests.system.servers import LOOP, add, begin, command, edit
from tests.web.test_refusals import login
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system]

Visit = Callable[..., Visitor]
Ask = Callable[..., Any]


def test_a_change_has_its_diff_and_the_past_has_its_pages(fleet: Machine, visit: Visit) -> None:
    path = begin(fleet, "epoch", command(LOOP))
    before = fleet.git("rev-parse", "HEAD").strip()
    add(fleet, path, "labels: {age: iron}")
    fleet.git("push", "--quiet")
    fleet.pull()
    edit(fleet, path, "age: iron", "age: steam")
    fleet.git("push", "--quiet")
    visitor = visit()
    page = visitor.open("/timeline?server=epoch")
    page.get_by_role("link", name="epoch: age: iron to age: steam", exact=True).click()
    expect(page.locator(".diff .cut")).to_contain_text(["age: iron"])
    expect(page.locator(".diff .add").first).to_contain_text("age: steam")
    page.get_by_role("link", name="The fleet before").click()
    expect(page.get_by_text("As it was at")).to_be_visible()
    page.get_by_role("link", name="epoch", exact=True).click()
    expect(page.locator("pre")).to_contain_text("age: iron")
    page.get_by_role("link", name="Now").click()
    expect(page.locator("pre").first).to_contain_text("age: steam")
    now = fleet.git("rev-parse", "HEAD").strip()
    visitor.open("/timeline")
    page.get_by_label("Compare").fill(before)
    page.get_by_label("with").fill(now)
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("main li")).to_contain_text(["labels.age: None → steam"])
    for each in ("/timeline", f"/timeline/{now}", f"/servers/epoch?at={before}",
                 f"/timeline/compare?old={before}&new={now}"):
        visitor.open(each)
        visitor.check_access(each)
        visitor.check_narrow(each)


def test_an_undo_shows_its_plan_and_is_a_commit(fleet: Machine, visit: Visit) -> None:
    path = begin(fleet, "regret", command(LOOP))
    add(fleet, path, "labels: {mood: bold}")
    fleet.git("push", "--quiet")
    page = visit().open("/timeline?server=regret")
    page.get_by_role("link", name="Undo regret: labels: {mood: bold}").click()
    expect(page.locator("dialog")).to_contain_text("-labels: {mood: bold}")
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    fleet.pull()
    assert "mood" not in path.read_text()


def test_no_moment_is_read_from_a_hostile_url_and_commits_stay_text(
    fleet: Machine, ask: Ask
) -> None:
    evil = "<script>alert(1)</script>"
    fleet.write("servers.d/relic.yaml", f"# {evil}\nimage: {fleet.image}\ndesired: stopped\n")
    fleet.push(f"relic {evil}")
    commit = fleet.git("rev-parse", "HEAD").strip()
    cookie = login(fleet, ask)
    for path in ("/timeline", "/timeline?server=relic", f"/timeline/{commit}", f"/?at={commit}",
                 f"/servers/relic?at={commit}", f"/timeline/compare?old={commit}&new={commit}"):
        answer = ask("GET", path, Cookie=cookie)
        assert answer.status == 200, path
        assert evil not in answer.text, path
        assert ask("GET", path).status == 401, path
    for when in ("--output=x", ":/relic", "HEAD^{/x}", "main", "0000000", evil, "1970-01-01",
                 "9999-99-99", "../x"):
        for path in (f"/?at={quote(when)}", f"/servers/relic?at={quote(when)}",
                     f"/timeline?before={quote(when)}", f"/timeline/{quote(when, safe='')}",
                     f"/timeline/compare?old={quote(when)}&new={commit}"):
            answer = ask("GET", path, Cookie=cookie)
            assert answer.status in (400, 404), path
            assert evil not in answer.text
    assert ask("GET", "/timeline?server=..%2Fx", Cookie=cookie).status == 400
