"""Reads a server's file into its definition and state. Pure.

The file has two halves. The *head*, above the marker line, belongs to the user, byte for byte. The
state block, from the marker on, belongs to zedops, which replaces it as a whole (`state_block`).
Must never raise on bad input: the Document carries the problems of its file.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field, replace
from typing import Any

from zedops.errors import Problem
from zedops.spec import loader as yaml_source
from zedops.spec import state_block
from zedops.spec.layout import MAX_BYTES, MAX_FILE_BYTES, MAX_GRAVE_BYTES, NAME, Kind, kind_of
from zedops.spec.model import Definition
from zedops.spec.places import Path, Source
from zedops.spec.state import State
from zedops.spec.validation import MAX_PROBLEMS, validate

#: Git's file mode of a symbolic link.
_SYMLINK = 0o120000
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Document:
    """One file of `servers.d/` or `tombstones.d/`.

    `definition` is None exactly if `problems` is not empty. `state` comes from the file, where a
    person may have edited it: the manager trusts its own copy first.
    """

    path: str
    head: str
    definition: Definition | None = None
    state: State | None = None
    problems: tuple[Problem, ...] = ()
    #: `data` as JSON: as objects it would take a quarter of a fleet's memory, and is rarely used.
    written: str = field(default="null", compare=False, repr=False)
    #: False where the text was not read (a link, too many bytes): nothing may be written over it.
    is_read: bool = True

    @property
    def name(self) -> str:
        """Name the server: the file's stem."""
        return stem(self.path)

    @property
    def id(self) -> str | None:
        """Identify the server across renames, once zedops has seen it."""
        return self.state.id if self.state else None

    @property
    def adopted_id(self) -> str | None:
        """Return the id that the definition itself adopts."""
        return self.definition.adopted_id if self.definition else None

    @property
    def data(self) -> Any:
        """Return the head's YAML values, before `resolve` lays them over preset and defaults."""
        return json.loads(self.written)

    @property
    def source(self) -> Source:
        """Read the head again, with its places. They are rarely used, and keeping them would take
        more memory than all the rest.
        """
        return _source(self.path, self.head)

    def problem(self, path: Path, fact: str, remedy: str = "") -> Problem:
        """Make a problem at the place of a field in this file."""
        return self.source.problem(path, fact, remedy)


def parse(
    path: str, content: bytes, mode: int = 0o100644, like: Document | None = None
) -> Document:
    """Read a file. `mode` is git's: a symlink or submodule is refused, never followed.

    `like` is the same path's file at another time: if its head is the same and had no problems,
    only the state is read.
    """
    if refused := not_a_file(path, mode):
        return Document(path, "", problems=refused, is_read=False)
    if len(content) > MAX_FILE_BYTES:
        return Document(path, "", problems=(_too_large(path, len(content)),), is_read=False)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(path, line, 1, "", "not UTF-8 text", "save it as UTF-8")
        return _broken(path, problem, content)
    head, tail, tail_line = state_block.split(text)
    if like is not None and (like.path, like.head) == (path, head) and not like.problems:
        state, found = state_block.read(path, tail, tail_line)
        definition = None if found else like.definition
        return replace(like, definition=definition, state=state, problems=_few(path, found))
    size = len(head.encode()) if len(content) > MAX_BYTES else 0
    if size > (MAX_GRAVE_BYTES if kind_of(path) is Kind.TOMBSTONE else MAX_BYTES):
        state, _ = state_block.read(path, tail, tail_line)
        return Document(path, head, state=state, problems=(_too_large(path, size),))
    source = _source(path, head)
    problems = [*_name_problems(path), *source.problems]
    definition = None
    if source.data is not None:
        problems += _shape_problems(source)
        definition, found = validate(Definition, source)
        reported = {problem.field for problem in problems}
        problems += [problem for problem in found if problem.field not in reported]
    state, found = state_block.read(path, tail, tail_line)
    problems += found
    written = _as_json(source.data)
    return Document(
        path, head, None if problems else definition, state, _few(path, problems), written,
    )


def not_a_file(path: str, mode: int) -> tuple[Problem, ...]:
    """Refuse a symbolic link or a submodule, by git's mode."""
    if mode & 0o170000 == 0o100000:
        return ()
    what = "a symbolic link" if mode == _SYMLINK else "not a file"
    return (Problem(path, 0, 0, "", what, "commit a plain file"),)


def _too_large(path: str, size: int) -> Problem:
    fact = f"{size} bytes, more than the {MAX_BYTES} a definition may have"
    return Problem(path, 0, 0, "", fact, "shorten it")


def _few(path: str, problems: list[Problem]) -> tuple[Problem, ...]:
    """Sort problems and keep the first MAX_PROBLEMS of them."""
    found = sorted(set(problems))
    if len(found) > MAX_PROBLEMS:
        fact = f"{len(found) - MAX_PROBLEMS} problems more"
        found[MAX_PROBLEMS:] = [Problem(path, found[MAX_PROBLEMS].line, 1, "", fact)]
    return tuple(found)


@functools.lru_cache(maxsize=4)  # each problem of a file looks up its place
def _source(path: str, head: str) -> Source:
    return yaml_source.load(path, head if head.endswith("\n") else head + "\n")


def stem(path: str) -> str:
    """Cut a path down to its file's name without the ending."""
    file = path.rpartition("/")[2]
    return file.rpartition(".")[0] or file


def _broken(path: str, problem: Problem, content: bytes) -> Document:
    head = state_block.split(content.decode("utf-8", "surrogateescape"))[0]
    return Document(path, head, problems=(problem,))


def _name_problems(path: str) -> list[Problem]:
    name = stem(path)
    if NAME.fullmatch(name):
        return []
    remedy = "rename it: lower-case letters, digits and '-', at most 63, no '-' first"
    return [Problem(path, 0, 0, "", f"{name!r} cannot be a server's name", remedy)]


def _shape_problems(source: Source) -> list[Problem]:
    if not isinstance(source.data, dict):
        return [source.problem((), "not a mapping", "write `image: …` and other keys")]
    if "image" not in source.data and "game" not in source.data:
        return [source.problem(("image",), "is required", "add it")]
    if source.flow:
        return [source.problem((), "one {…} mapping", "write each key on a line of its own")]
    return []


