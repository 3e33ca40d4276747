"""Draws `session.svg`: a real session in a terminal, a push that converges, a container healed.

    python -m docs.picture

Needs a Docker Engine and a static busybox, which becomes an image of its own for as long as this
takes. The picture shows real input and real output; nothing in it is written by hand.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.utils
from rich.console import Console
from rich.text import Text

from tests.machine import Machine

PICTURE = Path(__file__).with_name("session.svg")
_COLUMNS, _LINES = 96, 60
_IMAGE = "example/zomboid"
_SCRIPT = "trap 'exit 0' TERM; echo ok >/data/world.txt; /bin/busybox sleep 1000000 & wait"
_IDLE = ["/bin/busybox", "sh", "-c", _SCRIPT]
_DEFINITION = """\
# For friends. Saving the map takes its time.
image: example/zomboid:42
ports: {game: 16261/udp}
volumes: {world: /data}
stop: {grace: 120s}
"""
#: rich's own, without the fonts that it would load from elsewhere.
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-size: {char_height}px; line-height: {line_height}px;
font-family: monospace; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


class Session:
    """Records commands typed into a terminal, with their output."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._console = Console(
            record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True
        )

    def type(self, command: str, until: str = "") -> None:
        """Run a command and show it with its output."""
        self._console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        shown = _run(command, self._folder)
        if until not in shown:
            sys.exit(f"`{command}` did not say {until!r}, but: {shown}")
        if shown.strip():
            self._console.print(Text.from_ansi(shown.rstrip()))

    def say(self, text: str) -> None:
        """Show a remark between two commands."""
        self._console.print(Text(f"\n# {text}", "bright_black"))

    def save(self) -> None:
        """Write the picture."""
        text = self._console.export_svg(title="zedops", code_format=_SVG, unique_id="z")
        PICTURE.write_text(re.sub(r"[ \t]+\n", "\n", text))


def _run(command: str, folder: Path) -> str:
    """Run a command at a terminal of a known size; returns the text on the screen."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
    with subprocess.Popen(
        ["bash", "-c", command], cwd=folder, stdin=subprocess.DEVNULL, stdout=follower,
        stderr=follower,
    ):
        os.close(follower)
        said = b""
        with contextlib.suppress(OSError):  # the other side has closed, so all output is read
            while chunk := os.read(leader, 65536):
                said += chunk
    os.close(leader)
    text = re.sub(r"\x1b\[K", "", said.decode()).replace("\r\n", "\n")
    return "\n".join(line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n"))


@contextlib.contextmanager
def fleet(page: int | None = None) -> Iterator[Machine]:
    """Run a fleet with a plausible name; `page` is the port of its web page."""
    api = docker.APIClient(version="auto", timeout=60, **docker.utils.kwargs_from_env())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add("/bin/busybox", arcname="bin/busybox")
    with tempfile.TemporaryDirectory(prefix="zedops-picture-") as folder:
        api.import_image_from_data(
            packed.getvalue(), repository=_IMAGE, tag="42", changes=[f"CMD {json.dumps(_IDLE)}"]
        )
        config = Path(folder) / "gitconfig"
        config.write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
        os.environ |= {
            "GIT_CONFIG_GLOBAL": str(config), "GIT_PAGER": "cat", "TERM": "xterm-256color",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8",
            "COLUMNS": str(_COLUMNS), "ZEDOPS_WEB": "off",
        }
        made = Machine(Path(folder), api, f"{_IMAGE}:42")
        made.fleet, made.page = "friends", page
        made.clone, made.hub = made.folder / "friends", made.folder / "friends.git"
        try:
            made.init()
            made.up()
            yield made
        finally:
            made.tear_down()
            api.remove_image(f"{_IMAGE}:42", force=True)
            api.close()


def _healed(host: Machine, seen: str) -> bool:
    """Say whether git records a server as missing and then as running."""
    host.git("fetch", "--quiet")
    subjects = host.git("log", "--format=%s", f"{seen.strip()}..origin/main")
    return "missing" in subjects and subjects.split("\n")[0].endswith("running")


def main() -> None:
    """Play the session and draw it."""
    with fleet() as host:
        session = Session(host.clone)
        host.write("servers.d/rosewood.yaml", _DEFINITION)
        session.type("cat servers.d/rosewood.yaml")
        session.type('git add . && git commit -qm "rosewood: begin" && git push -q', "running")
        session.say("A change. The push shows its effect before the work begins.")
        session.type("git pull -q && sed -i 's/120s}/120s}\\nlimits: {memory: 6GiB}/' "
                     "servers.d/rosewood.yaml")
        session.type('git commit -qam "rosewood: 6 GiB" && git push -q', "running")
        session.say("A person removes the container. zedops makes it again, and git records it.")
        seen = host.git("rev-parse", "HEAD")
        session.type("docker rm -f friends-rosewood")
        host.wait_for(lambda: _healed(host, seen))
        session.type("zedops history rosewood")
        session.type("zedops list", "running")
        session.save()


if __name__ == "__main__":
    main()
