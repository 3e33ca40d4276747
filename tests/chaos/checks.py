"""What must hold however the run went: one list of broken promises, empty where all is well."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from tests.chaos.acts import Chaos
from tests.chaos.images import GAMES
from tests.chaos.site import ManyHosts, Place, Site

#: From the last act until everything is as people asked.
SETTLE_S = 120.0
#: A status may lag behind the Engine for so long.
TRUE_S = 2.0
_PORT = re.compile(r'"(\d+):8080"')


def settle(chaos: Chaos, ports: dict[str, int]) -> list[str]:
    """Put back and mend all that was broken, wait, and list what is not as it should be."""
    _put_back(chaos)
    if isinstance(chaos.site, ManyHosts):
        for host in chaos.site.hosts.values():
            host.heal()
    for name in sorted(chaos.expected.bad):
        chaos.mend(name)
    wrong = _rest(chaos)
    if wrong and _free_ghost_ports(chaos):
        wrong = _rest(chaos)
    wrong += _worlds(chaos.site)
    wrong += [each for name, port in ports.items() if (each := _unanswered(chaos, name, port))]
    wrong += _git(chaos.site)
    return wrong


def _rest(chaos: Chaos) -> list[str]:
    """Wait until everything is as people asked; returns what still is not at the deadline."""
    deadline = time.monotonic() + SETTLE_S
    while (wrong := _differences(chaos)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return wrong


def _free_ghost_ports(chaos: Chaos) -> bool:
    """Restart Engines that hold a port of no container, as zedops tells people to; say if one did.

    An Engine that is killed in the midst of a start can come back with a port that belongs to no
    container (moby/moby#20486). Only another start of the Engine frees it.
    """
    texts = [chaos.path(name).read_text() for name in chaos.expected.running]
    ports = {int(each) for text in texts for each in _PORT.findall(text)}
    found = False
    for place in chaos.site.places():
        published = {port.get("PublicPort") for each in place.api.containers()
                     for port in each["Ports"]}
        if ghosts := {each for each in ports - published if _is_bound(place, each)}:
            print(f"the Engine at {place.address} holds ports of no container: {ghosts}")
            place.engine.stop()
            place.engine.start()
            found = True
    return found


def _is_bound(place: Place, port: int) -> bool:
    """Say whether a process listens on a port of a host; asking it would meet stale NAT rules."""
    daemon = (place.engine.folder / "pid").read_text()
    lines = Path(f"/proc/{daemon}/net/tcp").read_text().splitlines()[1:]
    listening = (each.split()[1] for each in lines if each.split()[3] == "0A")
    return any(int(each.rpartition(":")[2], 16) == port for each in listening)


def _put_back(chaos: Chaos) -> None:
    """Bring moved worlds back to their places."""
    for place, aside in list(chaos.expected.away.items()):
        if place.exists():  # nothing may have been made there
            if any(each.name == "log" for each in place.iterdir()):
                raise AssertionError(f"a fresh world was made at {place}")
            shutil.rmtree(place)
        aside.rename(place)
        del chaos.expected.away[place]


def _rows(site: Site) -> dict[str, dict[str, Any]]:
    found = json.loads(site.zedops("list", "--json").stdout)
    return {each["name"]: each for each in found if each["status"] != "deleted"}


def _differences(chaos: Chaos) -> list[str]:
    """Compare what people asked for, what zedops says and what the Engine shows."""
    rows, site = _rows(chaos.site), chaos.site
    found = []
    for name, running in sorted(chaos.expected.running.items()):
        row = rows.get(name)
        wanted = "running" if running else "stopped"
        if row is None:
            found.append(f"{name}: not listed")
            continue
        if row["status"] != wanted:
            found.append(f"{name}: {row['status']} instead of {wanted}: {row['message']}")
        shown = [each["State"] for _, each in site.named(name)]
        if ("running" in shown) is not running or shown.count("running") > 1:
            found.append(f"{name}: the Engine shows {shown}, wanted {wanted}")
    gone = sorted(chaos.expected.deleted - set(chaos.expected.running))
    return found + [f"{name}: deleted, and has a container" for name in gone if site.named(name)]


def untrue(chaos: Chaos) -> list[str]:
    """List servers whose status is not what the Engine shows, twice within `TRUE_S`."""

    def look() -> set[str]:
        rows = _rows(chaos.site)
        return {
            f"{name}: listed as {row['status']}, the Engine shows {state}"
            for name, row in rows.items() if row["status"] in ("running", "stopped")
            for state in [_runs(chaos.site, name)]
            if state is not (row["status"] == "running")
        }

    first = look()
    deadline = time.monotonic() + TRUE_S
    while first and time.monotonic() < deadline:
        time.sleep(0.2)
        first &= look()
    return sorted(first)


def _runs(site: Site, name: str) -> bool:
    return any(each["State"] in ("running", "paused") for _, each in site.named(name))


def _worlds(site: Site) -> list[str]:
    """Read every counter's world: one birth, and each number one more than the last."""
    found = []
    for log in site.worlds("/log"):
        lines = log.read_text().splitlines()
        numbers = [int(each) for each in lines if each.isdigit()]
        for at, (one, two) in enumerate(itertools.pairwise(numbers)):
            if two != one + 1:
                found.append(f"{log}: {one} is followed by {two} in line {at + 2}")
    return found


def seeds(site: Site) -> dict[Path, str]:
    """Read the seed of every minetest world."""
    found = {}
    for path in site.worlds("/world/map_meta.txt"):
        lines = [each for each in path.read_text().splitlines() if each.startswith("seed = ")]
        found[path] = lines[0] if lines else ""
    return found


def _unanswered(chaos: Chaos, name: str, port: int) -> str | None:
    """Ask a game over UDP as a client does; None if it answers."""
    if not chaos.expected.running.get(name):
        return None
    game = GAMES[name]
    deadline = time.monotonic() + 30
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        while time.monotonic() < deadline:
            for place in chaos.site.places():
                client.sendto(game.probe, (place.address, port))
            try:
                client.recv(2048)
            except OSError:
                continue
            return None
    return f"{name}: the game does not answer at port {port}"


def _git(site: Site) -> list[str]:
    site.check_hub()
    main = set(site.git("rev-list", "main", cwd=site.hub).split())
    return [f"commit {each} was accepted and is not in main"
            for each in site.accepted if each not in main]


def complaints(log: Path) -> list[str]:
    """Find tracebacks in what zedops said."""
    text = log.read_text() if log.exists() else ""
    return [f"traceback in {log}: {each[:2000]}" for each in text.split("Traceback")[1:]]
