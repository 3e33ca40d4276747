"""Images of the run: a server that counts, and games that other people wrote.

The counter's world is a log of one number a line. A container that starts reads the last number and
goes on from there, so a lost world, a second birth and two writers at once all break the sequence.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import docker

COUNTER = "zedops-chaos-counter:1"

_COUNT = r"""
SAVE=${SAVE:-0}
log=/data/log
[ -e /data/birth ] || /bin/busybox cat /proc/sys/kernel/random/uuid > /data/birth
end() { /bin/busybox sleep "$SAVE"; echo "saved $n" >> /data/saves; exit 0; }
trap end TERM
n=$(/bin/busybox tail -n 1 "$log" 2>/dev/null || echo 0)
while :; do
  n=$((n + 1))
  echo "$n" >> "$log"
  /bin/busybox sleep 0.3 & wait $!
done
"""


@dataclass(frozen=True)
class Game:
    """A game of Debian's: its package, program, what of /usr it reads, how it is started."""

    package: str
    program: str
    folders: tuple[str, ...]
    command: tuple[str, ...]
    port: str  #: container port and protocol
    world: str  #: a file below /data whose line `seed` must never change; "": it keeps none
    probe: bytes  #: a datagram that it answers


GAMES = {
    "minetest": Game(
        "minetest-server", "/usr/lib/minetest/minetestserver", ("/usr/share/games/minetest",),
        ("/usr/lib/minetest/minetestserver", "--world", "/data/world", "--gameid", "minetest"),
        "30000/udp", "world/map_meta.txt",
        # a client's first packet: protocol id, no peer yet, channel 0, reliable, sequence 65500
        bytes.fromhex("4f45740300000003ffdc01"),
    ),
    "teeworlds": Game(
        "teeworlds-server", "/usr/games/teeworlds-server", ("/usr/share/games/teeworlds",),
        ("/usr/games/teeworlds-server", "bindaddr 0.0.0.0", "sv_port 8303"),
        # a control packet that asks for a token (teeworlds 0.7 protocol, NET_CTRLMSG_TOKEN)
        "8303/udp", "", bytes.fromhex("040000ffffffff05") + b"\x12\x34\x56\x78" + bytes(508),
    ),
}


def build_counter(api: docker.APIClient) -> str:
    """Make the counter's image from a static busybox."""
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name in ("bin/busybox", "bin/sh"):
                tar.add("/bin/busybox", arcname=name)
            _folders(tar, "tmp", "data")
        command = ["/bin/sh", "-c", _COUNT]
        return _load(api, packed.getvalue(), COUNTER, f"CMD {json.dumps(command)}")


def build_game(api: docker.APIClient, name: str) -> str | None:
    """Make a game's image of its program and the libraries it asks for; None: not installed."""
    game = GAMES[name]
    program = game.program if Path(game.program).exists() else shutil.which(Path(game.program).name)
    if program is None:
        return None
    with io.BytesIO() as packed:
        with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
            for path in sorted({program, *_libraries(program)}):
                tar.add(path, arcname=path.lstrip("/"))
            for folder in game.folders:
                tar.add(folder, arcname=folder.lstrip("/"))
            _folders(tar, "tmp", "data")
        image = f"zedops-chaos-{name}:1"
        command = [program, *game.command[1:]]
        return _load(
            api, packed.getvalue(), image, f"CMD {json.dumps(command)}", "ENV HOME=/data"
        )


def _libraries(program: str) -> set[str]:
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(/\S+) \(0x", said))


def _folders(tar: tarfile.TarFile, *names: str) -> None:
    for name in names:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(entry)


def _load(api: docker.APIClient, packed: bytes, image: str, *changes: str) -> str:
    repository, _, tag = image.partition(":")
    api.import_image_from_data(packed, repository=repository, tag=tag, changes=list(changes))
    return image
