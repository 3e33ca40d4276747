"""How a hub grows with its state commits, and how few files it stays in.

    python -m benchmarks.growth [COMMITS=2000] [SERVERS=1000] [FOLDERS=10] [--packs]

State commits of one server each are written as a manager writes them (fast-import; what a commit
is made of lies in files of its own), 100 in one stream and without waiting for the disk, because
many of them are to end within minutes. After each 100 the hub is looked at and, when it is time,
repacked by what the manager does that with. With --packs each 100 are a pack of their own, as large
commits are: 100,000 that way take minutes, and five million files would take hours.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import figures
from zedops import document, state_block
from zedops.hub import MAIN, Hub
from zedops.ids import new_id
from zedops.model import State, Status
from zedops.objects import Signature
from zedops.packing import Packer, look
from zedops.trailers import EMAIL

_BATCH = 100
_DEFINITION = """\
image: registry.example/games/server:1.4
ports:
  game: {port}/udp
env:
  SERVER_NAME: {name}
volumes:
  world: /world
"""
_BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def paths(servers: int, folders: int) -> list[str]:
    """Name the files of a fleet, flat or in folders."""
    return [
        f"servers.d/g{at % folders:03}/s{at:05}.yaml" if folders > 1 else f"servers.d/s{at:05}.yaml"
        for at in range(servers)
    ]


def size_bytes(path: Path) -> int:
    """Say what a hub's objects take on disk, in whole blocks."""
    return sum(each.lstat().st_blocks for each in (path / "objects").rglob("*")) * 512


class Writer:
    """Writes state commits of one server each."""

    def __init__(self, hub: Hub, names: list[str], *, packs: bool) -> None:
        self._hub, self._names, self._count = hub, names, 0
        self._limit = 1 if packs else 100_000
        self._heads = {
            path: _DEFINITION.format(port=20_000 + at % 9_000, name=Path(path).stem)
            for at, path in enumerate(names)
        }
        self._ids = {path: new_id(_BEGUN.timestamp()) for path in names}
        who = Signature("zedops", EMAIL, int(_BEGUN.timestamp()))
        files = {path: self._text(path, Status.RUNNING) for path in names}
        self.head = hub.repository.write_commit([], files, "begin\n", who, who)
        hub.repository.run("update-ref", MAIN, self.head)

    def _text(self, path: str, status: Status) -> bytes:
        head = document.parse(path, self._heads[path].encode()).head
        digest = f"{random.getrandbits(48):012x}"
        return state_block.render(head, State(
            id=self._ids[path], status=status, data_exists=True, host="attic", container=digest,
            image=f"sha256:{'a' * 64}", commit="4af7e43",
            since=_BEGUN + timedelta(seconds=self._count),
        ))

    def write(self, count: int) -> None:
        """Write so many, each on the one before."""
        ref, parts = "refs/zedops/import/growth", []
        for at in range(count):
            self._count += 1
            path = random.choice(self._names)  # noqa: S311
            text = self._text(path, Status.RUNNING if self._count % 2 else Status.STOPPED)
            subject = f"{Path(path).stem}: stopped → running\n\nZedops-Server: {Path(path).stem}\n"
            message = subject.encode()
            parts.append(
                b"commit %s\nmark :%d\ncommitter zedops <%s> %d +0000\ndata %d\n%s\n%s"
                b"M 100644 inline %s\ndata %d\n%s\n" % (
                    ref.encode(), at + 1, EMAIL.encode(),
                    int(_BEGUN.timestamp()) + self._count, len(message), message,
                    b"" if at else b"from %s\n" % self.head.encode(),
                    path.encode(), len(text), text,
                )
            )
        parts.append(b"get-mark :%d\ndone\n" % count)
        self.head = self._hub.repository.run(
            "-c", f"fastimport.unpackLimit={self._limit}", "fast-import", "--quiet", "--force",
            "--date-format=raw", "--done", stdin=b"".join(parts),
        )
        self._hub.repository.run("update-ref", MAIN, self.head)


def main(commits: int, servers: int, folders: int, *, as_packs: bool) -> None:
    """Measure, print, write."""
    most, packs, repacks = 0, 0, list[float]()
    with tempfile.TemporaryDirectory(prefix="zedops-bench-") as place:
        hub = Hub.create(Path(place) / "fleet.git")
        hub.repository.run("config", "core.fsync", "none")
        writer, packer = Writer(hub, paths(servers, folders), packs=as_packs), Packer(hub.path)
        assert packer.pack()
        begin, marks = size_bytes(hub.path), list[tuple[int, int]]()
        for at in range(0, commits, _BATCH):
            writer.write(min(_BATCH, commits - at))
            standing = look(hub.path)
            most, packs = max(most, standing.loose), max(packs, standing.packs)
            if standing.is_due:
                begun = time.monotonic()
                assert packer.pack()
                repacks.append(figures.timed(begun))
                marks.append((at + _BATCH, size_bytes(hub.path)))
        loose = size_bytes(hub.path)
        assert packer.pack()
        end = size_bytes(hub.path)
        hub.repository.run("fsck", "--connectivity-only")
    found = {
        "commits": commits, "servers": servers, "folders": folders,
        "bytes a commit, packed": round((end - begin) / commits),
        "bytes a commit, first half": round((half(marks, commits, end)[0] - begin) / commits * 2),
        "bytes a commit, second half": round((end - half(marks, commits, end)[0]) / commits * 2),
        "MB at the end, packed": round(end / 1e6, 1),
        "MB at the end, as it stood": round(loose / 1e6, 1),
        "files at most (estimate)": most, "packs at most": packs, "repacks": len(repacks),
        "a repack, median s": round(sorted(repacks)[len(repacks) // 2], 2) if repacks else 0,
        "a repack, longest s": round(max(repacks), 2) if repacks else 0,
    }
    for what, each in found.items():
        print(f"{what:40} {each:>12}")
    figures.write(f"growth-{servers}-{folders}", found)


def half(marks: list[tuple[int, int]], commits: int, end: int) -> tuple[int, int]:
    """Find the size just repacked nearest to the middle."""
    near = min(marks, key=lambda each: abs(each[0] - commits / 2), default=(commits, end))
    return near[1], near[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("commits", type=int, nargs="?", default=2000)
    parser.add_argument("servers", type=int, nargs="?", default=1000)
    parser.add_argument("folders", type=int, nargs="?", default=10)
    parser.add_argument("--packs", action="store_true")
    asked = parser.parse_args()
    main(asked.commits, asked.servers, asked.folders, as_packs=asked.packs)
