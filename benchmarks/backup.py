"""First and incremental backups of a world, beside restic alone.

    python -m benchmarks.backup [FILES=5000] [BYTES=20000] [ROUNDS=3]

The world has FILES files of BYTES random bytes each. A round changes 1 % of them, and then asks
zedops for a backup: from the begin of the command to the new snapshot in git. Beside it, restic
alone backs the same directory up into a repository of its own, which has the same rounds. The
server runs on meanwhile (`quiesce: none`). What git grows by is the hub's objects, packed.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks import figures
from benchmarks.host import machine
from tests.machine import Machine


def fill(world: Path, count: int, size: int) -> list[Path]:
    """Write the world, a hundred files in each folder."""
    made = []
    for number in range(count):
        path = world / f"{number // 100:04d}" / f"{number:06d}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(size))
        made.append(path)
    return made


def bare(world: Path, repository: Path, *words: str) -> float:
    """Let restic alone do something; returns its seconds."""
    begun = time.monotonic()
    subprocess.run(
        ["restic", *words], check=True, stdout=subprocess.DEVNULL, cwd=world,
        env={**os.environ, "RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": "x",
             "RESTIC_CACHE_DIR": f"{repository}.cache"},
    )
    return time.monotonic() - begun


def zedops(site: Machine) -> float:
    """Back up through zedops; returns the seconds until the snapshot is in git."""
    before = site.state("world")["backup_snapshot"]
    begun = time.monotonic()
    site.zedops("backup", "world")
    site.wait_for(lambda: site.state("world")["backup_snapshot"] != before, 1800)
    return time.monotonic() - begun


def packed_bytes(hub: Path) -> int:
    """Measure the hub's objects, all in one pack."""
    subprocess.run(["git", "repack", "-adq"], cwd=hub, check=True)
    return sum(each.stat().st_size for each in (hub / "objects/pack").iterdir())


def main() -> None:
    """Measure, and say the figures."""
    count, size, rounds = figures.numbers(__doc__, files=5000, bytes=20_000, rounds=3)
    with machine() as site:
        site.write("servers.d/world.yaml", (
            f"image: {site.image}\nvolumes: {{world: /data}}\nbackup: {{quiesce: none}}\n"
        ))
        site.push("world")
        site.wait_for(lambda: site.state("world").get("data_exists"))
        world = site.data_root / "servers" / site.state("world")["id"] / "world"
        made = fill(world, count, size)
        repository = site.folder / "bare"
        bare(world, repository, "init")
        first = {"restic alone": [bare(world, repository, "backup", ".")],
                 "zedops backup": [zedops(site)]}
        rows = {f"first: {name}": each
                for name, each in figures.compare(first, "restic alone").items()}
        grown = packed_bytes(site.hub)
        again: dict[str, list[float]] = {"restic alone": [], "zedops backup": []}
        for turn in range(rounds):
            for path in made[turn :: 100]:
                path.write_bytes(os.urandom(size))
            again["restic alone"].append(bare(world, repository, "backup", "."))
            again["zedops backup"].append(zedops(site))
        rows |= {f"1 % changed: {name}": each
                 for name, each in figures.compare(again, "restic alone").items()}
        figures.show(rows)
        grown = (packed_bytes(site.hub) - grown) // rounds
        print(f"git grows by {grown} bytes a backup, the person's commit and zedops' own")
        figures.write("backup", {**rows, "git_bytes": grown})


if __name__ == "__main__":
    main()
