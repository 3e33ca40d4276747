"""Every act of the page: the dialog shows what is pushed, and the push is like everybody's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.machine import Machine, free_port
from tests.system.servers import LOOP, begin, command, runs, write
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system]

Visit = Callable[..., Visitor]


def go(page: Page, name: str, verb: str) -> None:
    """Click an act of a row, and push what the dialog shows."""
    page.locator(f"#{name}").get_by_role("link", name=f"{verb} {name[2:]}", exact=True).click()
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    page.locator("dialog").get_by_role("link", name="Close").click()
    expect(page.locator("dialog")).to_have_count(0)


def typed(page: Page) -> str:
    """Read the definition in the editor, as the form would send it."""
    return page.locator("textarea[name=text]").first.input_value()


def put(page: Page, text: str) -> None:
    """Replace the text in the editor, as a person at a keyboard does."""
    expect(page.locator("#editor .code-editor")).not_to_have_count(0)  # else keys miss both
    page.get_by_label("Definition").press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def test_a_server_is_stopped_started_deleted_and_restored(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "mill", command(LOOP), f"ports: {{game: {free_port()}/udp}}")
    visitor = visit()
    page, name = visitor.page, "s-mill"
    page.locator(f"#{name}").get_by_role("link", name="Stop mill").click()
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text("mill: stop")
    expect(dialog).to_contain_text("+desired: stopped")
    expect(dialog).to_contain_text("zedops stop mill")
    visitor.check_access("the dialog")
    visitor.check_narrow("the dialog")
    dialog.get_by_label("Message").fill("mill: a rest <b>for all</b>")
    dialog.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    dialog.get_by_role("link", name="Close").click()
    expect(page.locator(f"#{name} .badge")).to_have_text("stopped")
    fleet.pull()
    said = fleet.git("log", "-1", "--grep=a rest", "--format=%an|%ae|%s|%(trailers)").strip()
    who, message = "Ada iLovelace/i|ada@example.org", "mill: a rest <b>for all</b>"
    assert said == f"{who}|{message}|Zedops-Via: web"
    go(page, name, "Start")
    expect(page.locator(f"#{name} .badge")).to_have_text("running")
    go(page, name, "Delete")
    expect(page.locator(f"#{name}")).to_have_count(0)
    page.get_by_role("link", name="Show deleted").click()
    expect(page.locator("#d-mill .badge")).to_have_text("deleted")
    go(page, "d-mill", "Restore")
    expect(page.locator(f"#{name} .badge")).to_have_text("running")


def test_a_restart_and_a_rebuild_start_another_process(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "again", command(LOOP))
    page = visit().page
    for verb in ("Restart", "Rebuild"):
        before = runs(fleet, "again")
        go(page, "s-again", verb)
        fleet.wait_for(lambda before=before: runs(fleet, "again") != before)  # type: ignore[misc]
    expect(page.locator("#s-again .badge")).to_have_text("running")


def test_several_servers_change_in_one_commit(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "one", command(LOOP))
    begin(fleet, "two", command(LOOP))
    page = visit().page
    for name in ("one", "two"):
        page.get_by_label(f"Select {name}").check()
    page.get_by_role("form", name="Acts on the selected").get_by_role("button", name="Stop").click()
    expect(page.locator("dialog")).to_contain_text("one, two: stop")
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    for name in ("one", "two"):
        expect(page.locator(f"#s-{name} .badge")).to_have_text("stopped")
    assert sum("one, two: stop" in each for each in fleet.subjects()) == 1


def test_data_goes_only_after_its_name_was_typed(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "precious")
    world = fleet.data_root / "servers" / fleet.state("precious")["id"]
    page = visit(refused=True).page
    go(page, "s-precious", "Delete")
    page.goto(f"{page.url}?deleted=1")
    row = page.locator("#d-precious")
    expect(row.locator(".badge")).to_have_text("deleted")
    row.get_by_role("link", name="Purge now precious").click()
    page.get_by_role("link", name="Remove its data, too").click()
    confirm = page.get_by_label("Type precious")
    confirm.fill("precius")
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Nothing was changed")).to_be_visible()
    assert world.exists()
    page.locator("dialog").get_by_role("link", name="Close").click()
    row.get_by_role("link", name="Purge now precious").click()
    page.get_by_role("link", name="Remove its data, too").click()
    page.get_by_label("Type precious").fill("precious")
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    fleet.wait_for(lambda: not world.exists())


def test_a_failed_server_is_edited_and_runs(fleet: Machine, visit: Visit) -> None:
    write(fleet, "typo", command(LOOP), image="localhost:1/none:1")
    fleet.push("typo: begin")
    visitor = visit()
    page = visitor.page
    page.locator("#s-typo").get_by_role("link", name="Edit & retry").click()
    text = typed(page)
    put(page, f"imag: x\n{text}")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("dialog")).to_contain_text("did you mean 'image'?")
    expect(page.get_by_role("button", name="Commit and push")).to_be_disabled()
    page.locator("dialog").get_by_role("link", name="Cancel").click()
    put(page, text.replace("localhost:1/none:1", fleet.image))
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Commit and push").click()
    page.locator("dialog").get_by_role("link", name="Close").click()
    expect(page.locator("h1 .badge")).to_have_text("running")


def test_what_the_hub_refuses_changes_nothing_and_says_why(fleet: Machine, visit: Visit) -> None:
    port = free_port()
    begin(fleet, "holder", command(LOOP), f"ports: {{game: {port}/udp}}")
    write(fleet, "rival", command(LOOP), "desired: stopped")
    fleet.push("rival: begin")
    visitor = visit(refused=True)
    page = visitor.open("/servers/rival/edit")
    text = typed(page)
    put(page, f"{text}\nports: {{game: {port}/udp}}\n")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("dialog")).to_contain_text("is also used by 'holder'")
    page.evaluate("document.querySelector('dialog button.primary').disabled = false")
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Nothing was changed")).to_be_visible()
    expect(page.locator("dialog")).to_contain_text("is also used by 'holder'")
    assert fleet.state("rival")["ports"] == []


def test_a_change_is_undone_from_the_history(fleet: Machine, visit: Visit) -> None:
    path = begin(fleet, "regret", command(LOOP), "env: {MOOD: good}")
    path.write_text(path.read_text().replace("good", "bad"))
    fleet.push("regret: a bad mood")
    fleet.pull()
    page = visit().open("/servers/regret")
    page.get_by_role("link", name="Undo regret: a bad mood").click()
    expect(page.locator("dialog")).to_contain_text("+env: {MOOD: good}")
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    fleet.pull()
    assert "MOOD: good" in path.read_text()


def test_acts_need_no_script(fleet: Machine, visit: Visit) -> None:
    begin(fleet, "bare", command(LOOP))
    visitor = visit(java_script_enabled=False, login=False)
    page = visitor.page
    page.goto(fleet.zedops("web", "--print").stdout.strip())
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Stop bare").click()
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    fleet.wait_for(lambda: fleet.state("bare")["status"] == "stopped")


def test_a_manager_without_other_hosts_makes_no_token(fleet: Machine, visit: Visit) -> None:
    visitor = visit(refused=True)
    page = visitor.open("/hosts")
    page.get_by_label("Name").fill("attic")
    page.get_by_role("button", name="Commit and make a token").click()
    expect(page.get_by_role("heading", name="Nothing was changed")).to_be_visible()
    expect(page.locator(".notice")).to_contain_text("serves no other hosts")
    assert "attic" not in (fleet.git("show", "main:zedops.yaml", cwd=fleet.hub))
