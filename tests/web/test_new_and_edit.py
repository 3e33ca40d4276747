"""New servers and edits: gallery, form, import, and the editor that checks as one types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.machine import Machine, free_port
from tests.system.servers import LOOP, begin, command, write
from tests.web.test_acts import put, typed
from tests.web.test_refusals import Ask, login, own
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system]

Visit = Callable[..., Visitor]
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def commit(page: Page) -> None:
    """Preview what the editor has, and push it."""
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()


def test_a_preset_becomes_a_server(fleet: Machine, visit: Visit) -> None:
    fleet.write("presets.d/pond.yaml", "\n".join([
        "preset: {title: 'Pond <b>& co</b>', asks: {EULA: {value: 'TRUE', comment: you agree}}}",
        f"image: {fleet.image}", "ports: {game: 26500/udp}", "volumes: {world: /data}",
        f"command: {command(LOOP).partition(': ')[2]}", "secrets: [ADMIN_PASSWORD]",
        "stop: {grace: 5s}",
    ]))
    fleet.push("a preset")
    visitor = visit(refused=True)
    page = visitor.page
    page.get_by_role("link", name="New", exact=True).click()
    expect(page.get_by_role("link", name="Minecraft, Java edition")).to_be_visible()
    visitor.check_access("the gallery")
    visitor.check_narrow("the gallery")
    page.get_by_label("Search").fill("pond")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name="Minecraft, Java edition")).to_have_count(0)
    page.get_by_role("link", name="Pond <b>& co</b>").click()
    visitor.check_access("the form")
    visitor.check_narrow("the form")
    port = free_port()
    page.get_by_label("Name").fill("duck")
    page.get_by_label("Port game").fill(str(port))
    page.get_by_label("More variables").fill("QUACK=loud\nAPI_TOKEN=8f2a99bc01de77aa")
    page.get_by_role("button", name="Write the definition").click()
    expect(page.get_by_role("alert")).to_contain_text("API_TOKEN looks like a secret")
    page.get_by_label("More variables").fill("QUACK=loud")
    page.get_by_role("button", name="Write the definition").click()
    expect(page.locator("#plan")).to_contain_text("duck: create")
    expect(page.locator("#plan")).to_contain_text("zedops secret set duck ADMIN_PASSWORD")
    visitor.check_access("the editor of a new server")
    visitor.check_narrow("the editor of a new server")
    commit(page)
    expect(page.locator("dialog")).to_contain_text("zedops secret set duck ADMIN_PASSWORD")
    page.locator("dialog").get_by_role("link", name="Close").click()
    expect(page).to_have_url(re.compile("/servers/duck$"))
    fleet.pull()
    text = (fleet.clone / "servers.d/duck.yaml").read_text()
    assert f'game: "{port}:26500/udp"' in text
    assert 'QUACK: "loud"' in text
    assert "EULA" in text
    said = fleet.git("log", "-1", "--grep=duck: new", "--format=%ae|%s|%(trailers)").strip()
    assert said == "ada@example.org|duck: new|Zedops-Via: web"


def test_a_compose_file_is_imported_without_its_secrets(fleet: Machine, visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/new/import")
    visitor.check_access("the import")
    visitor.check_narrow("the import")
    page.get_by_label("Compose file or line").fill(f"""
services:
  web:
    image: {fleet.image}
    container_name: pasted-web
    command: {command(LOOP).partition(": ")[2]}
    environment: {{MOOD: {json.dumps(EVIL)}, DB_PASSWORD: hunter2-hunter2}}
    ports: ["{free_port()}:8080"]
    labels: {{note: {json.dumps(EVIL)}}}
  local:
    image: {fleet.image}
    volumes: ["./data:/data"]
  odd:
    image: {fleet.image}
    ipc: "container:x"
""")
    page.get_by_role("button", name="Translate").click()
    expect(page.get_by_text("name it")).to_contain_text("local: not imported")
    expect(page.get_by_text("odd: not imported")).to_be_visible()
    expect(page.locator("#plan")).to_contain_text("web: create")
    expect(page.locator("#plan")).to_contain_text("zedops secret set web DB_PASSWORD")
    assert "hunter2" not in page.content()
    page.get_by_label("Name").fill("pasted")
    expect(page.locator("#plan")).to_contain_text("pasted: create")
    visitor.check_access("the editor of an import")
    commit(page)
    text = fleet.git("show", "main:servers.d/pasted.yaml", cwd=fleet.hub)
    assert "hunter2" not in text
    assert "DB_PASSWORD" in text
    assert "hunter2" not in fleet.said()


def test_a_docker_run_line_is_imported_without_scripts(fleet: Machine, visit: Visit) -> None:
    visitor = visit(java_script_enabled=False, login=False, refused=True)
    page = visitor.page
    page.goto(fleet.zedops("web", "--print").stdout.strip())
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="New", exact=True).click()
    page.get_by_role("link", name="Import", exact=True).click()
    page.get_by_label("Compose file or line").fill("docker run -d --name moor \\\n  -e A=1 nothing")
    page.get_by_label("Directory").fill("relative")
    page.get_by_role("button", name="Translate").click()
    expect(page.get_by_role("alert")).to_contain_text("no absolute path")
    page.get_by_label("Directory").fill("")
    page.get_by_role("button", name="Translate").click()
    text = page.get_by_label("Definition").input_value()
    assert "image: nothing" in text
    page.get_by_label("Definition").fill(f"{text}desired: stopped\nimag: x\n")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#plan")).to_contain_text("did you mean 'image'?")
    page.get_by_label("Definition").fill(f"{text}desired: stopped\n")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Commit and push").click()
    expect(page.get_by_role("heading", name="Pushed")).to_be_visible()
    assert "A:" in fleet.git("show", "main:servers.d/moor.yaml", cwd=fleet.hub)


def test_the_editor_completes_checks_and_keeps_drafts(fleet: Machine, visit: Visit) -> None:
    write(fleet, "scribe", command(LOOP), "desired: stopped", f"labels: {{x: {json.dumps(EVIL)}}}")
    fleet.push("scribe: begin")
    fleet.wait_for(lambda: fleet.state("scribe").get("id"))
    visitor = visit(refused=True)
    page = visitor.open("/servers/scribe/edit")
    expect(page.locator("#plan")).to_contain_text("Nothing differs")
    text = typed(page)
    page.get_by_text("The state, written by zedops").click()
    expect(page.get_by_label("The state, read only")).to_contain_text("status:")
    put(page, f"{text}\nlim")
    page.keyboard.press("Control+End")
    page.keyboard.press("Control+Space")
    expect(page.get_by_role("option", name="limits", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    put(page, f"{text}\ndesired_: {EVIL}\n")
    expect(page.locator("#plan")).to_contain_text("did you mean 'desired'?")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    expect(page.locator("#checked")).to_have_text("Checked: 1 problem in the text")
    visitor.check_access("the editor")
    visitor.check_narrow("the editor")
    put(page, f"{text}\nenv: {{SAID: yes}}\n")
    expect(page.locator("#plan")).to_contain_text("+env: {SAID: yes}")
    page.reload()
    expect(page.locator("#draft")).to_contain_text("typed here before")
    expect(page.locator("#plan")).to_contain_text("+env: {SAID: yes}")
    # another person changes another line, and then the same one
    path = fleet.clone / "servers.d/scribe.yaml"
    fleet.pull()
    path.write_text(path.read_text().replace("grace: 5s", "grace: 7s"))
    fleet.push("scribe: patience")
    page.get_by_label("Definition").press("Control+End")
    page.keyboard.type("# mine")
    page.get_by_role("button", name="Take in their change").click()
    expect(page.get_by_text("The newest version is taken in.")).to_be_visible()
    mine = typed(page)
    assert "grace: 7s" in mine
    assert "# mine" in mine
    fleet.pull()
    path.write_text(path.read_text().replace("grace: 7s", "grace: 9s"))
    fleet.push("scribe: more patience")
    put(page, mine.replace("grace: 7s", "grace: 8s"))
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("dialog")).to_contain_text("another push changed the same lines")
    expect(page.locator("dialog")).to_contain_text("+stop: {grace: 9s}")
    page.locator("dialog").get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Take in their change").click()
    expect(page.get_by_text("your text is as you typed it")).to_be_visible()
    assert "grace: 8s" in typed(page)
    expect(page.locator("#plan")).to_contain_text("-stop: {grace: 9s}")
    commit(page)
    assert "grace: 8s" in fleet.git("show", "main:servers.d/scribe.yaml", cwd=fleet.hub)


def test_texts_that_must_not_get_through_change_nothing(fleet: Machine, ask: Ask) -> None:
    begin(fleet, "still", command(LOOP))
    before = fleet.git("rev-parse", "main", cwd=fleet.hub)
    cookie = login(fleet, ask)
    token = ask("GET", "/", Cookie=cookie).text.partition('value="')[2].partition('"')[0]
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": own(fleet)}
    marker = "image: x\n# --- state: written by zedops\nstate: {id: abc}\n"

    def send(
        path: str, headers: dict[str, str] | None = None, sign: str = token, **said: Any
    ) -> Any:
        body = urlencode({"form_token": sign, **said}, doseq=True)
        return ask("POST", path, body, **{"Cookie": cookie, **kind, **(headers or {})})

    for path in ("/edit", "/edit/check", "/new/write", "/new/import"):
        assert send(path, {"Cookie": ""}).status == 401, path
        assert send(path, {"Cookie": f"{cookie[:-3]}xyz"}).status == 401, path
        assert send(path, {"Origin": "https://evil.example"}).status == 403, path
        assert send(path, sign="guess").status == 403, path
    for path in ("/edit/schema", "/new", "/new/minecraft", "/new/import", "/servers/still/edit"):
        assert ask("GET", path).status == 401, path
    # the state belongs to zedops, names are no paths, and each text has its own name
    answer = send("/act", verb="edit", server="still", text=marker, message="m")
    assert answer.status == 409
    assert "line 2: the state below a definition is written by zedops" in answer.text
    for name in ("../zedops", "a/b", EVIL, "", "still"):
        answer = send("/act", verb="new", server=name, text=f"image: {EVIL}", message="m")
        assert answer.status == 409, name
        assert "<script>" not in answer.text.replace("<script src", ""), name
        assert "<img" not in answer.text
    assert send("/act", verb="import", server=["a", "a"], text=["image: x"] * 2).status == 409
    # the page shows the typed text again, as text
    for path in ("/edit", "/edit/check"):
        answer = send(path, verb="edit", server="still", text=f"imag: {EVIL}\nx: [")
        assert answer.status == 200
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
    answer = send("/new/import", source=f"services: {{a: {{image: x, pid: {json.dumps(EVIL)}}}}}")
    assert answer.status == 409
    assert "<img" not in answer.text
    odd: list[dict[str, Any]] = [
        {}, {"verb": "edit"}, {"verb": "new"}, {"verb": "edit", "server": "none", "text": "x"},
        {"verb": "edit", "server": "still", "base": "0" * 40, "merge": "1", "text": "y"},
    ]
    for said in odd:
        assert send("/edit", **said).status in (200, 409), said
        assert send("/edit/check", **said).status == 200, said
    huge = "services: " + "[" * 200_000
    assert send("/new/import", source=huge).status == 409
    assert ask("POST", "/edit/check", "x" * 1_100_000, Cookie=cookie, **kind).status == 413
    assert fleet.git("rev-parse", "main", cwd=fleet.hub) == before
