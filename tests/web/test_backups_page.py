"""The backups of a server on its page: snapshots, sizes, the last proof, and the way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.machine import Machine
from tests.system.servers import LOOP, begin, command, state
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system, pytest.mark.usefixtures("restic")]

QUICK = "backup: {quiesce: none}\nhealth: {test: [CMD-SHELL, 'true'], interval: 1s}"


def push(page: Page) -> None:
    """Push what the dialog shows, and close it."""
    dialog = page.locator("dialog")
    dialog.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    dialog.get_by_role("link", name="Close").click()


def test_a_world_is_backed_up_proven_and_restored_from_the_page_of_its_server(
    fleet: Machine, visit: Callable[..., Visitor]
) -> None:
    begin(fleet, "vault", command(LOOP), *QUICK.splitlines())
    kept = fleet.data_root / "servers" / str(state(fleet, "vault")["id"]) / "w/kept"
    kept.write_text("before")
    fleet.zedops("backup", "vault", "--wait")
    first = str(state(fleet, "vault")["backup"]).split()[1]
    kept.write_text("after" * 100)
    visitor = visit()
    page = visitor.page
    page.goto(f"{visitor.url}/servers/vault")
    part = page.get_by_role("region", name="Backups", exact=True)
    expect(part).to_contain_text(f"snapshot {first}")
    expect(part.locator("svg")).to_have_count(0)  # one snapshot makes no curve
    part.get_by_role("link", name="Back up vault").click()
    expect(page.locator("dialog")).to_contain_text("zedops backup vault")
    push(page)
    fleet.wait_for(lambda: str(state(fleet, "vault")["backup"]).split()[1] != first)
    part.get_by_role("link", name="Prove the newest snapshot of vault").click()
    expect(page.locator("dialog")).to_contain_text("zedops backup prove vault")
    push(page)
    fleet.wait_for(lambda: "proven" in str(state(fleet, "vault")["backup"]))
    page.reload()
    second = str(state(fleet, "vault")["backup"]).split()[1]
    expect(part.get_by_role("row", name=second)).to_contain_text("proven")
    expect(part.get_by_role("img", name="The sizes of 2 snapshots")).to_be_visible()
    visitor.check_access("the backups")
    visitor.check_narrow("the backups")
    part.get_by_role("link", name=f"Restore vault to {first}").click()
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text(f"zedops backup restore vault --to {first}")
    expect(dialog).to_contain_text("is kept aside for the retention")
    push(page)
    fleet.wait_for(lambda: kept.read_text() == "before")
    said = fleet.git("log", "-1", "--grep=restore of its world", "--format=%s|%(trailers)", "main",
                     cwd=fleet.hub).strip()
    assert said == f"vault: restore of its world to {first}|Zedops-Via: web"


def test_a_server_without_snapshots_says_so(fleet: Machine, visit: Callable[..., Visitor]) -> None:
    begin(fleet, "empty-vault", command(LOOP))
    visitor = visit()
    visitor.page.goto(f"{visitor.url}/servers/empty-vault/backups")
    expect(visitor.page.get_by_role("main")).to_contain_text("No snapshots yet.")


def test_a_failed_update_is_undone_together_with_the_world(
    fleet: Machine, visit: Callable[..., Visitor]
) -> None:
    begin(fleet, "turned", command(LOOP), "backup: {every: 6h, quiesce: none}")
    kept = fleet.data_root / "servers" / str(state(fleet, "turned")["id"]) / "w/kept"
    kept.write_text("of the former image")
    fleet.wait_for(lambda: state(fleet, "turned").get("backup"))
    path = fleet.clone / "servers.d/turned.yaml"
    path.write_text(path.read_text().replace(fleet.image, "localhost:1/newer:2"))
    fleet.push("turned: newer")
    fleet.wait_for(lambda: state(fleet, "turned")["status"] == "failed", 60)
    kept.write_text("converted")
    visitor = visit()
    page = visitor.page
    page.goto(f"{visitor.url}/servers/turned")
    page.get_by_role("link", name="Undo turned: newer").click()
    dialog = page.locator("dialog")
    expect(dialog).not_to_contain_text("restore:")
    dialog.get_by_role("link", name="With the world of before").click()
    expect(dialog).to_contain_text("restore:")
    expect(dialog).to_contain_text("zedops backup restore")
    visitor.check_access("the undo")
    push(page)
    fleet.wait_for(lambda: kept.read_text() == "of the former image")
    fleet.wait_for(lambda: state(fleet, "turned")["status"] == "running")
