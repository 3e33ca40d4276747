"""How a hub grows with its state commits, how few files it stays in, what pushes see of a repack.

    python -m benchmarks.growth [COMMITS=2000] [SERVERS=1000] [FOLDERS=10] [--packs]

State commits of one server each are written as a manager writes them (fast-import; what a commit
is made of lies in files of its own), 100 in one stream and without waiting for the disk, because
many of them are to end within minutes. After each 100 the hub is looked at and, when it is time,
repacked by what the manager does that with. With --packs each 100 are a pack of their own, as large
commits are: 100,000 that way take minutes, and five million files would take hours.

Then a person pushes one file at a time, while the hub rests and while it is repacked, in turns. No
hook and no manager runs there: the comparison is of git's work with objects alone.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import figures, git
from zedops.fleet import audit
from zedops.fleet.lifecycle import fold
from zedops.fleet.trailers import EMAIL
from zedops.git.maintenance import Packer, look
from zedops.git.objects import Signature
from zedops.git.repository import Repository
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN
from zedops.protocol.sync import ContainerFacts, Goal, ServerReport
from zedops.spec import document, state_block
from zedops.spec.state import State, Status
from zedops.system.ulid import new_id

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
_IMAGE, _COMMIT = f"sha256:{'a' * 64}", "4af7e43"
#: So often the hub rests and is repacked, each time after so many more commits at most, one file
#: each object.
_TURNS, _MORE = 3, 500
#: Pushes a turn while the hub rests; while it is repacked there are as many as it takes.
_PUSHES = 20


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
    """Writes state commits of one server each: it ends by itself, or begins again."""

    def __init__(self, hub: Hub, names: list[str]) -> None:
        self._hub, self._names, self._count = hub, names, 0
        self._heads = {
            path: document.parse(
                path, _DEFINITION.format(port=20_000 + at % 9_000, name=Path(path).stem).encode()
            ).head
            for at, path in enumerate(names)
        }
        self._states = {
            path: State(
                id=new_id(_BEGUN.timestamp()), status=Status.RUNNING, data_exists=True,
                host="attic", container=_container(), image=_IMAGE, commit=_COMMIT, since=_BEGUN,
            )
            for path in names
        }
        who = Signature("zedops", EMAIL, int(_BEGUN.timestamp()))
        files = {path: self._text(path) for path in names}
        self.head = hub.repository.write_commit([], files, "begin\n", who, who)
        hub.repository.run("update-ref", MAIN, self.head)

    def _text(self, path: str) -> bytes:
        return state_block.render(self._heads[path], self._states[path])

    def _change(self, path: str) -> str:
        """Have a host report a server; returns what the manager's commit says of it."""
        before, at = self._states[path], _BEGUN + timedelta(seconds=self._count)
        runs = before.status is not Status.RUNNING
        facts = ContainerFacts(
            id=_container() if runs else before.container or "", running=runs, image=_IMAGE,
            exit_code=None if runs else 137,
        )
        after = self._states[path] = fold(before, ServerReport(
            id=before.id, at=at, container=facts, data_exists=True, about=_COMMIT, applied=runs,
        ), Goal.RUNNING)
        moved = [before.status, after.status]
        return audit.write_message([audit.transition(Path(path).stem, moved, after, times=[at])])

    def write(self, count: int, *, packs: bool) -> None:
        """Write so many, each on the one before, as one pack or as a file each object."""
        ref, parts = "refs/zedops/import/growth", []
        for at in range(count):
            self._count += 1
            path = random.choice(self._names)  # noqa: S311
            message, text = self._change(path).encode(), self._text(path)
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
            "-c", f"fastimport.unpackLimit={1 if packs else 100_000}", "-c", "core.fsync=none",
            "fast-import", "--quiet", "--force", "--date-format=raw", "--done",
            stdin=b"".join(parts),
        )
        self._hub.repository.run("update-ref", MAIN, self.head)


def _container() -> str:
    return f"{random.getrandbits(48):012x}"


class Person:
    """A person who pushes commits of one file each, onto a branch that only they move."""

    def __init__(self, folder: Path, hub: Hub, path: str) -> None:
        self._hub, self._path, self._count = hub, path, 0
        hub.repository.run("clone", "--quiet", "--bare", ".", str(folder / "clone.git"))
        self._clone = Repository(folder / "clone.git")
        self._head = self._clone.resolve(MAIN) or ""
        (folder / "no-hooks").mkdir()
        hub.repository.run("config", "core.hooksPath", str(folder / "no-hooks"))
        self.push()  # the first makes the branch, and takes several times as long

    def push(self) -> float:
        """Push one more; returns the seconds of `git push`."""
        self._count += 1
        who = Signature("Bench", "bench@example.org", int(time.time()))
        files = {self._path: f"image: registry.example/games/server:{self._count}\n".encode()}
        self._head = self._clone.write_commit([self._head], files, "Edit\n", who, who)
        begun = time.monotonic()
        self._clone.run("push", "--quiet", str(self._hub.path), f"{self._head}:refs/heads/person")
        return figures.timed(begun)


def pushes(person: Person, writer: Writer, packer: Packer, more: int) -> dict[str, float]:
    """Push while the hub rests and while it is repacked, in turns, each after more commits."""
    resting, beside, repacks = list[float](), list[float](), list[float]()
    with ThreadPoolExecutor(1) as pool:
        for _ in range(_TURNS):
            writer.write(more, packs=False)
            os.sync()  # what the writer did not wait for is no push's to wait for either
            resting += [person.push() for _ in range(_PUSHES)]
            begun = time.monotonic()
            packing = pool.submit(packer.pack)
            while not packing.done():
                beside.append(person.push())
            repacks.append(figures.timed(begun))
            assert packing.result()
    found: dict[str, float] = {"pushes: a repack beside them, longest s": round(max(repacks), 2)}
    for when, times in {"at rest": resting, "beside a repack": beside}.items():
        found |= {
            f"pushes {when}": len(times),
            f"a push {when}, median ms": round(figures.middle_ms(times), 1),
            f"a push {when}, slowest ms": round(max(times) * 1e3, 1),
        }
    return found


def grow(
    hub: Hub, writer: Writer, packer: Packer, commits: int, *, packs: bool
) -> dict[str, float]:
    """Write so many commits, and repack when it is time."""
    assert packer.pack()
    most, most_packs, repacks = 0, 0, list[float]()
    begin, marks = size_bytes(hub.path), list[tuple[int, int]]()
    for at in range(0, commits, _BATCH):
        count = min(_BATCH, commits - at)
        writer.write(count, packs=packs)
        standing = look(hub.path)
        most, most_packs = max(most, standing.loose), max(most_packs, standing.packs)
        if standing.is_due:
            begun = time.monotonic()
            assert packer.pack()
            repacks.append(figures.timed(begun))
            marks.append((at + count, size_bytes(hub.path)))
    loose = size_bytes(hub.path)
    assert packer.pack()
    end = size_bytes(hub.path)
    return {
        "bytes a commit, packed": round((end - begin) / commits),
        **halves(marks, begin, commits, end),
        "MB at the end, packed": round(end / 1e6, 1),
        "MB at the end, as it stood": round(loose / 1e6, 1),
        "files at most (estimate)": most, "packs at most": most_packs, "repacks": len(repacks),
        "a repack, median s": round(statistics.median(repacks), 2) if repacks else 0,
        "a repack, longest s": round(max(repacks), 2) if repacks else 0,
    }


def halves(
    marks: list[tuple[int, int]], begin: int, commits: int, end: int
) -> dict[str, float]:
    """Say what a commit took before and after the repack that was nearest to the middle.

    `marks` are (commits so far, bytes) after each repack; nothing is said where there was none.
    """
    inside = [each for each in marks if each[0] < commits]
    if not inside:
        return {}
    at, middle = min(inside, key=lambda each: abs(each[0] - commits / 2))
    return {
        "first half: commits until the repack nearest to the middle": at,
        "bytes a commit, first half": round((middle - begin) / at),
        "bytes a commit, second half": round((end - middle) / (commits - at)),
    }


def main(commits: int, servers: int, folders: int, *, packs: bool) -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory(prefix="zedops-bench-") as place:
        git.isolate(Path(place))
        hub, names = Hub.create(Path(place) / "fleet.git"), paths(servers, folders)
        writer, packer = Writer(hub, names), Packer(hub.path)
        found: dict[str, float] = {"commits": commits, "servers": servers, "folders": folders}
        found |= grow(hub, writer, packer, commits, packs=packs)
        person = Person(Path(place), hub, names[0])
        found |= pushes(person, writer, packer, min(commits, _MORE))
        hub.repository.run("fsck", "--connectivity-only")
    for what, each in found.items():
        print(f"{what:60} {each:>12}")
    figures.write("growth", found)


if __name__ == "__main__":
    parser = figures.command_line(__doc__)
    parser.add_argument("commits", type=int, nargs="?", default=2000)
    parser.add_argument("servers", type=int, nargs="?", default=1000)
    parser.add_argument("folders", type=int, nargs="?", default=10)
    parser.add_argument("--packs", action="store_true")
    asked = parser.parse_args()
    main(asked.commits, asked.servers, asked.folders, packs=asked.packs)
