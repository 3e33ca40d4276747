"""How long a server is down while `zedops move` brings its world to another host over the bus.

    python -m benchmarks.move [MEGABYTES=1024] [FILES=1000]

Two hosts with Engines of their own, one manager, NATS between them. The server writes the machine's
uptime into its world when it ends and when it begins. While the world is copied, 1 % of its files
change. Beside it: restic alone backs up the same difference, and docker-py stops
and starts a container.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import figures
from benchmarks.backup import bare, fill
from benchmarks.downtime import COMMAND
from benchmarks.host import machine
from tests.system.many import Many


def change(world: Path, files: list[Path], many: Many, changed: set[Path]) -> None:
    """Change one file after the other while the server runs on the old host."""
    for path in files:
        time.sleep(0.5)
        if ("attic", "running") not in many.on("mover"):
            return
        path.write_bytes(os.urandom(path.stat().st_size))
        changed.add(path.relative_to(world))


def down_s(world: Path) -> float:
    """Read how long the server was down: from its last end to its last beginning."""
    said = [line.split() for line in (world / "times").read_text().splitlines()]
    ends = [float(at) for what, at in said if what == "end"]
    begins = [float(at) for what, at in said if what == "begin"]
    return begins[-1] - ends[-1]


def restart_s(many: Many) -> float:
    """Stop and start the server's container through docker-py alone."""
    api, name = many.hosts["cellar"].api, f"{many.fleet}-mover"
    begun = time.monotonic()
    api.stop(name, timeout=30)
    api.start(name)
    return time.monotonic() - begun


def main() -> None:
    """Move one server, and write a table."""
    megabytes, count = figures.numbers(__doc__, megabytes=1024, files=1000)
    with tempfile.TemporaryDirectory(prefix="zedops-bench-") as folder, \
            machine(start=False) as site:
        packed = b"".join(site.api.get_image(site.image))
        many = Many(Path(folder), site.api, site.image, packed, ("attic", "cellar"))
        try:
            many.begin()
            rows = run(many, megabytes << 20, count)
        finally:
            many.tear_down()
    for name, each in rows.items():
        print(f"{name:58} {each:9.2f}")
    figures.write("move", rows)


def run(many: Many, size: int, count: int) -> dict[str, float]:
    """Move one server; returns the figures."""
    many.write("servers.d/mover.yaml", f"host: attic\nimage: {many.image}\n"
               f"command: {json.dumps(COMMAND)}\nvolumes: {{world: /data}}\nstop: {{grace: 30s}}\n")
    many.push("mover: begin")
    many.wait_for(lambda: many.state("mover").get("data_exists"))
    home = Path("servers") / many.state("mover")["id"] / "world"
    world, there = (many.hosts[each].data_root / home for each in ("attic", "cellar"))
    files = fill(world, count, size // count)
    alone = many.folder / "alone"
    bare(world, alone, "init")
    bare(world, alone, "backup", ".")
    changed: set[Path] = set()
    changing = threading.Thread(target=change, args=(world, files[: count // 100], many, changed))
    changing.start()
    begun = time.monotonic()
    many.pull()
    many.zedops("move", "mover", "--host", "cellar", "--yes")
    many.wait_for(lambda: many.on("mover") == [("cellar", "running")], 900)
    whole = time.monotonic() - begun
    changing.join()
    many.wait_for(lambda: (there / "times").read_text().endswith("\n"))
    rows = {"whole move, s": whole, "server down, s": down_s(there),
            "changed files": float(len(changed))}
    rows["restic alone: backup of the difference, s"] = bare(world, alone, "backup", ".")
    begun = time.monotonic()
    for each in changed:
        shutil.copyfile(world / each, many.folder / "copy")
    rows["copy of the difference, s"] = time.monotonic() - begun
    rows["docker-py: stop and start, s"] = restart_s(many)
    return rows


if __name__ == "__main__":
    main()
