"""What the web page costs: a first view, a change on the screen, open tabs, and pushes beside them.

    python -m benchmarks.web [SERVERS …=1000] [--edits N] [--tabs N] [--seconds N]

For each size a real manager on a hub of so many definitions, with simulated agents as in `size`.
The screen is Debian's Chromium, which is left out where it is not installed. Its clock and this
one's are the same, so a time is from main's move to the row that a script in the page saw change.
"""

from __future__ import annotations

import gzip
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import figures
from benchmarks.crowd import Crowd
from benchmarks.site import Figures, Site
from tests.machine import free_port

_LOOKS = 10
#: So many pushes with tabs open, then as many without.
_TURN = 5
#: The number of the first of these pushes; each push of a fleet has its own.
_LATER = 1_000_000
_WATCH = """(name) => {
  window.changed = new Promise((tell) => new MutationObserver((changes, watch) => {
    const row = document.getElementById(name);
    const isNew = (each) => row && [...each.addedNodes].some((node) => node.contains(row));
    if (!changes.some(isNew)) return;
    watch.disconnect();
    tell(performance.timeOrigin + performance.now());
  }).observe(document.getElementById("fleet"), { childList: true, subtree: true }));
}"""


class Reader:
    """A person at the page, without a browser."""

    def __init__(self, site: Site, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._origin = f"http://127.0.0.1:{port}"
        self._site, self._cookie = site, ""
        answer, _, _ = self.ask("POST", self.link().removeprefix(self._origin))
        self._cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]

    def link(self) -> str:
        """Make a login link."""
        return subprocess.run(
            [sys.executable, "-m", "zedops", "web", "--print"], cwd=self._site.people(),
            check=True, capture_output=True, text=True,
        ).stdout.strip()

    def ask(
        self, method: str, path: str, **form: str
    ) -> tuple[http.client.HTTPResponse, bytes, float]:
        """Send a request; returns the answer, its body, and the seconds to its first byte."""
        headers = {"Origin": self._origin, "Accept-Encoding": "gzip",
                   "Content-Type": "application/x-www-form-urlencoded"}
        headers |= {"Cookie": self._cookie} if self._cookie else {}
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        begun = time.monotonic()
        connection.request(method, path, urlencode(form), headers)
        answer = connection.getresponse()
        first_s = figures.timed(begun)
        body = answer.read()
        connection.close()
        return answer, body, first_s

    def tab(self) -> socket.socket:
        """Open the stream of a tab, and leave it open."""
        opened = socket.create_connection(self._address, timeout=60)
        request = f"GET /live HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
        opened.sendall(f"{request}Cookie: {self._cookie}\r\n\r\n".encode())
        assert opened.recv(9) == b"HTTP/1.1 "
        return opened


def first_view(reader: Reader) -> Figures:
    """Load the page as a browser does that has never been there."""
    pages = [reader.ask("GET", "/") for _ in range(_LOOKS)]
    html = pages[0][1]
    found = re.findall(rb'(?:src|href)="(/static/[^"]+)"', gzip.decompress(html))
    parts = [reader.ask("GET", each.decode())[1] for each in dict.fromkeys(found)]
    return {
        "the fleet page, first byte, p50 ms": figures.middle_ms([each[2] for each in pages[1:]]),
        "the fleet page, first byte, the first time, ms": pages[0][2] * 1e3,
        "first view, KB over the wire": (len(html) + sum(map(len, parts))) / 1e3,
    }


def typing(reader: Reader, site: Site) -> Figures:
    """Check a definition as the editor does after each pause."""
    name = site.name(0)
    page = gzip.decompress(reader.ask("GET", f"/servers/{name}/edit")[1]).decode()
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    took = []
    for at in range(_LOOKS):
        form = {**fields, "verb": "edit", "server": name, "text": f"image: x:{at}\nimag: y\n"}
        answer, body, first_s = reader.ask("POST", "/edit/check", **form)
        assert answer.status == 200, body
        took.append(first_s)
    return {"a check while typing, p50 ms": figures.middle_ms(took)}


def on_screen(reader: Reader, site: Site, count: int) -> Figures:
    """See how soon after a commit a row changes in a real browser."""
    program = shutil.which("chromium")
    if program is None:
        return {}
    from playwright.sync_api import sync_playwright

    took = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(reader.link())
        page.wait_for_url("**/")
        for at in range(count):
            number = (at + 1) * len(site.hosts)  # each on the first host
            name = site.name(number)
            page.goto(f"{page.url.partition('?')[0]}?q={name}")
            site.settle()
            page.evaluate(_WATCH, f"s-{name}")
            moved = time.time() - figures.timed(site.push_edit(number)[0])
            took.append(page.evaluate("window.changed") / 1e3 - moved)
        browser.close()
    return {
        "commit → row changed on the screen, p50 ms": figures.middle_ms(took),
        "the same, p99 ms": statistics.quantiles(took, n=100, method="inclusive")[98] * 1e3,
    }


def pushes(site: Site, first: int, count: int) -> list[float]:
    """Push edits one after the other; returns how long each took until main moved."""
    took = []
    for at in range(first, first + count):
        moved, begun = site.push_edit(at)
        took.append(moved - begun)
        site.settle()
    return took


def at_rest(reader: Reader, site: Site, tabs: int, seconds: float) -> Figures:
    """Leave tabs open on a fleet at rest."""
    before_mb, alone = site.manager.memory_info().rss / 1e6, _used(site, seconds)
    opened = [reader.tab() for _ in range(tabs)]
    with_tabs, after_mb = _used(site, seconds), site.manager.memory_info().rss / 1e6
    for each in opened:
        each.close()
    return {
        f"{tabs} tabs at rest, % of a core": with_tabs - alone,
        f"{tabs} tabs, MB": after_mb - before_mb,
    }


def beside(reader: Reader, site: Site, tabs: int, count: int) -> Figures:
    """Push with tabs open and without, in turn."""
    alone, with_tabs = list[float](), list[float]()
    for at in range(0, count, _TURN):
        alone += pushes(site, _LATER + 2 * at, _TURN)
        opened = [reader.tab() for _ in range(tabs)]
        with_tabs += pushes(site, _LATER + 2 * at + _TURN, _TURN)
        for each in opened:
            each.close()
    return {
        "begin of git push → main moved without tabs, p50 ms": figures.middle_ms(alone),
        f"the same beside {tabs} tabs, p50 ms": figures.middle_ms(with_tabs),
    }


def _used(site: Site, seconds: float) -> float:
    site.settle()
    before = sum(site.manager.cpu_times()[:2])
    took = site.wait(seconds)
    return (sum(site.manager.cpu_times()[:2]) - before) / took * 100


def measure(servers: int, edits: int, tabs: int, seconds: float) -> Figures:
    """Measure one size."""
    agents = min(1000, max(1, servers // 10))
    port = free_port()
    os.environ["ZEDOPS_WEB"] = f"127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="zedops-bench-") as folder:
        site = Site(Path(folder), agents, servers // agents)
        try:
            site.start_manager()
            crowd = Crowd(site)
            crowd.all_did("current", crowd.start())
            site.all_running()
            site.settle()
            pushes(site, 0, 1)  # makes the clone
            reader = Reader(site, port)
            return (first_view(reader) | typing(reader, site) | on_screen(reader, site, edits)
                    | at_rest(reader, site, tabs, seconds) | beside(reader, site, tabs, edits))
        finally:
            site.stop()


def main(sizes: list[int], edits: int, tabs: int, seconds: float) -> None:
    """Measure, print, write."""
    found = {servers: measure(servers, edits, tabs, seconds) for servers in sizes}
    for what in found[sizes[0]]:
        print(f"{what:64}" + "".join(f"{each[what]:11.1f}" for each in found.values()))
    figures.write("web", {str(servers): each for servers, each in found.items()})


if __name__ == "__main__":
    parser = figures.command_line(__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[1000])
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--tabs", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=30)
    asked = parser.parse_args()
    main(asked.sizes, asked.edits, asked.tabs, asked.seconds)
