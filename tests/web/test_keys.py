"""The page by keyboard alone, in the colours that the reader chose, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.machine import Machine
from tests.system.servers import LOOP, command, write
from tests.web.visits import Visitor

pytestmark = [pytest.mark.docker, pytest.mark.system]

Visit = Callable[..., Visitor]


def test_a_server_is_found_and_stopped_by_the_palette(fleet: Machine, visit: Visit) -> None:
    write(fleet, "lantern", command(LOOP))
    write(fleet, "beacon", command(LOOP))
    fleet.push("two lights")
    visitor = visit()
    page = visitor.page
    expect(page.locator("#s-lantern .badge")).to_have_text("running")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="A server, an act or a page")
    expect(box).to_be_focused()
    page.keyboard.type("stop lan")
    options = page.locator("#palette-list").get_by_role("option")
    expect(options).to_have_count(1)
    expect(box).to_have_attribute("aria-activedescendant", "palette-1")
    visitor.check_access("the palette")
    visitor.check_narrow("the palette")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog dialog")).to_contain_text("lantern: stop")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_have_count(0)  # one dialog at a time
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("lantern")
    expect(options.nth(1)).to_contain_text("Stop lantern")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    page.get_by_role("combobox", name="A server, an act or a page").fill("beac")
    page.keyboard.press("Enter")  # before the answer
    page.wait_for_url(f"{visitor.url}/servers/beacon")


def test_single_keys_move_and_never_fire_while_a_person_types(
    fleet: Machine, visit: Visit
) -> None:
    for name in ("aa", "ab"):
        write(fleet, f"keys/{name}", command(LOOP), "desired: stopped")
    fleet.push("two rows")
    visitor = visit()
    page = visitor.open("/?folder=keys")
    for name in ("aa", "ab"):
        expect(page.locator(f"#s-{name} .badge")).to_have_text("stopped")
    page.locator("h1").click()
    for key, focused in (("j", "to-s-aa"), ("j", "to-s-ab"), ("j", "to-s-ab"), ("k", "to-s-aa")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.id") == focused
    page.keyboard.press("x")
    expect(page.get_by_label("Select aa")).to_be_checked()
    page.keyboard.press("/")
    search = page.get_by_label("Search")
    expect(search).to_be_focused()
    page.keyboard.type("?jkx/")
    page.keyboard.press("Control+k")
    expect(search).to_have_value("?jkx/")
    assert page.locator("dialog").count() == 0
    page.locator("h1").click()
    page.keyboard.press("?")
    visitor.check_access("the keys")
    page.get_by_label("Single keys on").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_have_count(0)
    page.reload()
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="A server, an act or a page")).to_be_focused()


def test_chosen_colours_last(fleet: Machine, visit: Visit) -> None:
    visitor = visit(color_scheme="light")
    page = visitor.page
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(back)
    page.get_by_label("Colours").select_option("dark")
    dark = page.evaluate(back)
    assert dark != light
    page.reload()
    assert page.evaluate(back) == dark
    page.get_by_label("Colours").select_option("system")
    assert page.evaluate(back) == light
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(back) == dark
    visitor.check_narrow("the header")


def test_a_german_reader_gets_german_pages_and_the_same_acts(
    fleet: Machine, visit: Visit
) -> None:
    write(fleet, "laterne", command(LOOP))
    fleet.push("a light")
    visitor = visit(locale="de-DE")
    page = visitor.page
    assert page.locator("html").get_attribute("lang") == "de"
    expect(page.locator("#s-laterne .badge").first).to_have_text("läuft")
    visitor.check_access("in German")
    visitor.check_narrow("in German")
    page.locator("#s-laterne").get_by_role("link", name="Anhalten laterne").click()
    expect(page.locator("dialog")).to_contain_text("laterne: stop")
    visitor.check_access("the dialog in German")
    page.get_by_role("button", name="Eintragen und übertragen").click()
    expect(page.get_by_role("heading", name="Übertragen")).to_be_visible()
    page.locator("dialog").get_by_role("link", name="Schließen").click()
    # the row comes over the stream
    expect(page.locator("#s-laterne .badge").first).to_have_text("angehalten")
    assert fleet.subjects().count("laterne: stop") == 1
    page.get_by_label("Status").select_option("stopped")
    page.wait_for_url("**/?*status=stopped*")
    expect(page.locator("#s-laterne")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("Control+k")
    page.keyboard.type("starten late")
    expect(page.locator("#palette-list").get_by_role("option")).to_have_text(
        "Starten laterne angehalten"
    )
    page.keyboard.press("Escape")
    for path in ("/hosts", "/timeline", "/logs", "/servers/laterne", "/new", "/doctor"):
        visitor.open(path)
        visitor.check_access(path)
