"""Photographs the web page of a real fleet: `assets/web-*.webp`.

    scripts/screenshots

Needs a Docker Engine, a static busybox and Debian's Chromium, which also packs the pictures.
"""

from __future__ import annotations

import shutil
import sys
from base64 import b64decode, b64encode
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from docs.picture import fleet
from tests.machine import Machine, free_port

FOLDER = Path(__file__).with_name("assets")
MOST_BYTES = 150_000
_GAME = "volumes: {world: /data}\nstop: {grace: 5s}\n"
_TALK = """command:
  - /bin/busybox
  - sh
  - -c
  - |
    trap 'exit 0' TERM
    echo "[server] loading the map"; echo "WARN: the map is old"; echo ok > /data/world.txt
    for name in ada bob cleo; do echo "[server] $name joined"; done
    echo "ERROR: cleo timed out"
    while :; do /bin/busybox sleep 1 & wait $!; done
"""
_PACK = """async (source) => {
  const picture = new Image();
  picture.src = source;
  await picture.decode();
  const sheet = Object.assign(document.createElement("canvas"),
    { width: picture.width, height: picture.height });
  sheet.getContext("2d").drawImage(picture, 0, 0);
  return sheet.toDataURL("image/webp", 0.8);
}"""


class Camera:
    """Opens pages of one fleet and keeps pictures of them."""

    def __init__(self, browser: Browser, host: Machine) -> None:
        self._browser, self._url = browser, f"http://127.0.0.1:{host.page}"
        self._packing = browser.new_page()
        self._login = host.zedops("web", "--print").stdout.strip()
        self._state: object = None

    def open(self, path: str, width: int = 1280, height: int = 800, scheme: str = "light") -> Page:
        """Open a page in a window of its own."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=1.25,
            color_scheme=scheme, storage_state=self._state,  # type: ignore[arg-type]
        )
        page = context.new_page()
        page.set_default_timeout(30_000)
        if self._state is None:
            page.goto(self._login)
            page.wait_for_url(f"{self._url}/")
            self._state = context.storage_state()
        page.goto(f"{self._url}{path}")
        return page

    def keep(self, page: Page, name: str) -> None:
        """Keep a picture of what the window shows."""
        raw = page.screenshot(animations="disabled", caret="hide")
        source = f"data:image/png;base64,{b64encode(raw).decode()}"
        packed = b64decode(self._packing.evaluate(_PACK, source).partition(",")[2])
        if len(packed) > MOST_BYTES:
            sys.exit(f"{name} has {len(packed)} bytes")
        (FOLDER / f"web-{name}.webp").write_bytes(packed)
        print(f"{name}: {len(packed)} bytes")  # noqa: T201
        page.context.close()


def begin(host: Machine) -> None:
    """Fill the fleet with servers in several states."""
    image = host.image
    ports = {"rosewood": "16261/udp", "muldraugh": "16271/udp", "attic/westpoint": "16281/udp"}
    for path, port in ports.items():
        host.write(f"servers.d/{path}.yaml",
                   f"image: {image}\nports: {{game: {port}}}\n{_GAME}{_TALK}")
    host.write("servers.d/valley.yaml", f"image: localhost:1/valheim:none\n{_GAME}")
    host.write("servers.d/farm.yaml",
               f"# for the weekend\nimage: {image}\ndesired: stopped\n"
               f"ports: {{game: 25565/tcp}}\n{_GAME}")
    host.push("Servers for friends")
    host.pull()
    (host.clone / "servers.d/muldraugh.yaml").unlink()
    host.git("push", "--quiet", code=None)
    host.git("commit", "--quiet", "-am", "muldraugh: the season is over")
    host.git("push", "--quiet", "-o", "allow-delete=muldraugh")
    host.pull()


def photograph(camera: Camera) -> None:
    """Take every picture."""
    page = camera.open("/")
    expect(page.locator("#s-valley .badge")).to_have_text("failed")
    expect(page.locator("#s-westpoint .badge")).to_have_text("running")
    camera.keep(page, "fleet")
    camera.keep(camera.open("/", 390, 800, "dark"), "phone")
    page = camera.open("/servers/rosewood")
    page.get_by_role("link", name="Restart rosewood").click()
    expect(page.get_by_role("heading", name="What is committed")).to_be_visible()
    camera.keep(page, "act")
    page = camera.open("/servers/farm/edit", scheme="dark")
    expect(page.locator("#plan")).to_contain_text("Nothing differs")
    page.get_by_label("Definition").press("Control+End")
    page.keyboard.insert_text("limits: {memory: 4GiB}\nports_: {}\n")
    expect(page.locator("#plan")).to_contain_text("did you mean")
    page.get_by_label("Definition").press("Control+End")
    page.keyboard.type("heal")
    expect(page.get_by_role("option", name="health")).to_be_visible()
    camera.keep(page, "editor")
    page = camera.open("/new")
    camera.keep(page, "new")
    page = camera.open("/logs?server=rosewood")
    expect(page.locator(".log")).to_contain_text("cleo timed out")
    camera.keep(page, "logs")
    camera.keep(camera.open("/timeline"), "timeline")


def main() -> None:
    """Run a fleet and photograph it."""
    program = shutil.which("chromium")
    if program is None:
        sys.exit("no chromium here; scripts/test sees to one")
    with fleet(free_port()) as host, sync_playwright() as started:
        begin(host)
        host.wait_for(lambda: host.state("valley").get("status") == "failed")
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        photograph(Camera(browser, host))
        browser.close()


if __name__ == "__main__":
    main()
