"""Git's objects: reads the output of batch commands, writes the input of fast-import. Pure.

Formats: git-diff-tree(1) "Raw output format", git-fast-import(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

NO_OBJECT = "0" * 40
FILE_MODE = 0o100644
LINK_MODE = 0o120000
#: The last second of the year 9998: later ones are no date in every time zone.
_LATEST_S = 253370764799


@dataclass(frozen=True)
class Entry:
    """A file in a tree: git's mode and the blob's id."""

    mode: int
    blob: str

    @property
    def is_file(self) -> bool:
        """Tell a plain file from a link or a submodule."""
        return self.mode & 0o170000 == 0o100000


@dataclass(frozen=True)
class FileChange:
    """A path that differs between two commits; None means that it is absent."""

    path: str
    before: Entry | None
    after: Entry | None


@dataclass(frozen=True)
class Commit:
    """A commit, and its changes against its first parent."""

    id: str
    email: str  #: the committer's
    parents: tuple[str, ...]
    changes: list[FileChange]


@dataclass(frozen=True)
class Signature:
    """A committer or author, and the time (UTC seconds)."""

    name: str
    email: str
    at_s: int

    def __str__(self) -> str:
        return f"{self.name} <{self.email}> {self.at_s} +0000"


def raw_changes(fields: list[bytes]) -> list[FileChange]:
    """Read raw differences; stop before those against a merge's second parent."""
    found = []
    for meta, path in zip(fields[::2], fields[1::2], strict=False):
        if not meta.lstrip(b"\n").startswith(b":"):
            break
        old_mode, new_mode, old_blob, new_blob, _ = meta.lstrip(b"\n:").split()
        found.append(FileChange(
            path.decode("utf-8", "surrogateescape"),
            _entry(old_mode, old_blob),
            _entry(new_mode, new_blob),
        ))
    return found


def _entry(mode: bytes, blob: bytes) -> Entry | None:
    return None if int(mode, 8) == 0 else Entry(int(mode, 8), blob.decode())


def import_stream(
    ref: str,
    parents: list[str],
    files: Mapping[str, bytes | Entry | None],
    message: str,
    author: Signature,
    committer: Signature,
) -> bytes:
    """Write a fast-import stream (git-fast-import(1))."""
    text = message.encode()
    parts = [f"commit {ref}\nmark :1\nauthor {author}\ncommitter {committer}\n".encode()]
    parts.append(b"data %d\n%s\n" % (len(text), text))
    for index, parent in enumerate(parents):
        parts.append(f"{'merge' if index else 'from'} {parent}\n".encode())
    # removals first: a folder may take a removed file's place, and the other way round
    for path, content in sorted(files.items(), key=lambda item: item[1] is not None):
        quoted = _quote(path)
        match content:
            case None:
                parts.append(b"D %s\n" % quoted)
            case Entry():
                parts.append(b"M %o %s %s\n" % (content.mode, content.blob.encode(), quoted))
            case _:
                parts.append(b"M %o inline %s\n" % (FILE_MODE, quoted))
                parts.append(b"data %d\n%s\n" % (len(content), content))
    # fast-import requires a ref; the reset drops it before it is written
    end = f"get-mark :1\nreset {ref}\nfrom {NO_OBJECT}\n\ndone\n"
    return b"".join([*parts, end.encode()])


def _quote(path: str) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'


def moment(seconds: str) -> datetime:
    """Read a commit's time, in seconds since 1970. Its author chose it: cut what no date can be."""
    return datetime.fromtimestamp(max(0, min(int(seconds), _LATEST_S)), UTC)
