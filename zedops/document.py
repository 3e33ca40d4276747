"""A server's file ↔ its definition and state, pure.

The file has two halves. Above the marker line is the *head*: the user's, byte for byte. From the
marker on is the state block: zedops', replaced as a whole. One blank line in between belongs to
neither, and keeps git merges of the two halves clean. Must never raise on bad input: what is
wrong with a file is part of the Document.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zedops import source as yaml_source
from zedops.errors import Problem
from zedops.fields import looks_secret
from zedops.layout import MAX_BYTES, NAME
from zedops.model import Definition, State
from zedops.source import Mark, Path, Source, dotted

MARKER = "# --- state: written by zedops; edits below this line are overwritten"
#: So many problems of one file are told; to look for the remedy of each takes time.
MAX_PROBLEMS = 100
_MARKER_LINE = re.compile(r"^# --- state: written by zedops[^\n]*$", re.MULTILINE)
#: How the state of a file that is not followed ends.
GOES_ON = "(the last good definition goes on)"
#: Git's file mode of a symbolic link.
_SYMLINK = 0o120000

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """One file of `servers.d/` or `tombstones.d/`.

    `definition` is None exactly if `problems` is not empty. `state` is what the file says, which
    a person may have edited: the manager trusts its own copy first.
    """

    path: str
    head: str
    definition: Definition | None = None
    state: State | None = None
    problems: tuple[Problem, ...] = ()
    #: `data` as JSON: values would be a quarter of a fleet's memory, and are asked for seldom.
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
    def data(self) -> Any:
        """Give the head as YAML's values, before defaults; what is laid over them in `resolve`."""
        return json.loads(self.written)

    @property
    def source(self) -> Source:
        """Read the head again, with its places: to keep them takes more memory than all the rest,
        and they are asked for seldom.
        """
        return _source(self.path, self.head)

    def problem(self, path: Path, fact: str, remedy: str = "") -> Problem:
        """Make a problem at the place of a field in this file."""
        return self.source.problem(path, fact, remedy)


def parse(
    path: str, content: bytes, mode: int = 0o100644, like: Document | None = None
) -> Document:
    """Read a file. `mode` is git's: a symlink or submodule is refused, never followed.

    `like` is the same path's file at another time: where its head is the same, and nothing was
    wrong with it, only the state is read.
    """
    if refused := not_a_file(path, mode):
        return Document(path, "", problems=refused, is_read=False)
    if len(content) > MAX_BYTES:
        fact = f"{len(content)} bytes, more than the {MAX_BYTES} a definition may have"
        problem = Problem(path, 0, 0, "", fact, "shorten it")
        return Document(path, "", problems=(problem,), is_read=False)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(path, line, 1, "", "not UTF-8 text", "save it as UTF-8")
        return _broken(path, problem, content)
    head, tail, tail_line = split(text)
    if like is not None and (like.path, like.head) == (path, head) and not like.problems:
        state, found = _read_state(path, tail, tail_line)
        definition = None if found else like.definition
        return replace(like, definition=definition, state=state, problems=_few(path, found))
    source = _source(path, head)
    problems = [*_name_problems(path), *source.problems]
    definition = None
    if source.data is not None:
        problems += _shape_problems(source)
        definition, found = validate(Definition, source)
        reported = {problem.field for problem in problems}
        problems += [problem for problem in found if problem.field not in reported]
    state, found = _read_state(path, tail, tail_line)
    problems += found
    written = json.dumps(source.data, ensure_ascii=False, separators=(",", ":"))
    return Document(
        path, head, None if problems else definition, state, _few(path, problems), written,
    )


def not_a_file(path: str, mode: int) -> tuple[Problem, ...]:
    """Refuse what git's mode says is a link or a submodule."""
    if mode & 0o170000 == 0o100000:
        return ()
    what = "a symbolic link" if mode == _SYMLINK else "not a file"
    return (Problem(path, 0, 0, "", what, "commit a plain file"),)


def _few(path: str, problems: list[Problem]) -> tuple[Problem, ...]:
    """Keep as many problems as somebody may want to read."""
    found = sorted(set(problems))
    if len(found) > MAX_PROBLEMS:
        fact = f"{len(found) - MAX_PROBLEMS} problems more"
        found[MAX_PROBLEMS:] = [Problem(path, found[MAX_PROBLEMS].line, 1, "", fact)]
    return tuple(found)


@functools.lru_cache(maxsize=4)  # a file with many problems is asked for its places many times
def _source(path: str, head: str) -> Source:
    return yaml_source.load(path, head if head.endswith("\n") else head + "\n")


def stem(path: str) -> str:
    """Cut a path down to its file's name without the ending."""
    file = path.rpartition("/")[2]
    return file.rpartition(".")[0] or file


def split(text: str) -> tuple[str, str, int]:
    """Cut a text into head, tail (from the marker on, may be empty) and the tail's first line."""
    if match := _MARKER_LINE.search(text):
        start = match.start()
    elif match := re.search(r"^state:[ \t\r]*$", text, re.MULTILINE):
        start = match.start()  # the marker was deleted; the block is still ours
    else:
        return text, "", 0
    head = text[:start]
    line = head.count("\n") + 1
    for blank in ("\n\r\n", "\n\n"):
        if head.endswith(blank):
            head = head[: len(head) - len(blank) + 1]
            break
    return head, text[start:], line


def render(head: str, state: State | None) -> bytes:
    """Write a file: the user's head as it is, then zedops' block in the head's own line ends."""
    if head and not head.endswith("\n"):
        head += "\r\n" if "\r\n" in head else "\n"
    newline = "\r\n" if "\r\n" in head else "\n"
    lines = [*([""] if head else []), MARKER, *(_state_lines(state) if state else [])]
    return (head + "".join(line + newline for line in lines)).encode("utf-8", "surrogateescape")


def _state_lines(state: State) -> Iterable[str]:
    yield "state:"
    for key in State.model_fields:
        yield f"  {key}: {_scalar(getattr(state, key))}"


def _scalar(value: object) -> str:
    """Write one value. All text is quoted: a container id of digits must stay text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f'"{format_time(value)}"'
    return json.dumps(one_line(str(value)), ensure_ascii=False)


def one_line(text: str) -> str:
    """Put text as a state block holds it: one line, nothing that does not print."""
    printable = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return " ".join(printable.split())


def format_time(at: datetime) -> str:
    """Write a UTC time to the second: `2026-11-23T08:12:20Z`."""
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _broken(path: str, problem: Problem, content: bytes) -> Document:
    head = split(content.decode("utf-8", "surrogateescape"))[0]
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


def validate(model: type[M], source: Source) -> tuple[M | None, list[Problem]]:
    """Check data against a model; every problem with its place."""
    if not isinstance(source.data, dict):
        return None, []
    try:
        return model.model_validate(source.data), []
    except ValidationError as error:
        few = error.errors(include_url=False, include_context=False)[: MAX_PROBLEMS + 1]
        return None, [_translate(model, source, each) for each in few]


def _translate(model: type[BaseModel], source: Source, error: ErrorDetails) -> Problem:
    written: Path = ()
    unwritten: Path = ()
    for part in error["loc"]:
        if (*written, part) in source.marks:
            written = (*written, part)
        elif part != "[key]":
            unwritten = (*unwritten, part)
    mark = source.mark(written)
    kind, message = error["type"], error["msg"]
    remedy = ""
    if kind == "missing":
        written = (*written, *unwritten)
        message, remedy = "is required", "add it"
    elif kind == "extra_forbidden":
        known = _known_keys(model, written[:-1])
        close = difflib.get_close_matches(str(written[-1])[:100], known, n=1)
        message = "unknown key"
        remedy = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    elif kind == "value_error":
        message, _, remedy = _shortened(message.removeprefix("Value error, ")).partition("; ")
    else:
        message = _PLAIN_WORDS.get(kind, message[:1].lower() + message[1:])
        if not isinstance(error["input"], dict) and not _is_secret(written):
            message = f"{_shown(error['input'])}: {message}"
    return Problem(source.path, mark.line, mark.column, dotted(written), message, remedy)


def _is_secret(path: Path) -> bool:
    """Say whether what stands at a path may be a secret, which no message repeats."""
    return path[:1] == ("secrets",) or any(looks_secret(str(part)) for part in path)


def _shortened(message: str) -> str:
    """Cut out the middle, which is a value that is too long to show."""
    return message if len(message) <= 400 else f"{message[:100]}…{message[-200:]}"


def _shown(value: object) -> str:
    """Show the beginning of a value; of a list, which anchors may make huge, its first ones."""

    def cut(each: object) -> object:
        if isinstance(each, str):
            return each[:60]
        return "…" if isinstance(each, list | dict) else each

    shown = [cut(each) for each in value[:10]] if isinstance(value, list) else cut(value)
    return json.dumps(shown, default=str, ensure_ascii=False)[:60]


_PLAIN_WORDS = {
    "string_type": "must be text; put it in quotes",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "string_pattern_mismatch": "has characters that are not allowed here",
}


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    current: object = model
    for part in path:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            found = _models_in(fields[part].annotation)
            current = found[0] if found else None
    return sorted(getattr(current, "model_fields", {}))


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = getattr(annotation, "__args__", ())
    return [model for argument in arguments for model in _models_in(argument)]


def _as_written(tail: str) -> State | None:
    """Read a state block that is as `render` writes it, without YAML: most are, and it is slow."""
    lines = tail.rstrip("\n").replace("\r\n", "\n").split("\n")
    if lines[:2] != [MARKER, "state:"] or len(lines) != 2 + len(State.model_fields):
        return None
    values = {}
    for key, line in zip(State.model_fields, lines[2:], strict=True):
        start, text = f"  {key}: ", line[len(key) + 4 :]
        if not line.startswith(start) or text[:1] not in ('"', "n", "t", "f"):
            return None
        try:
            values[key] = json.loads(text)
        except ValueError:
            return None
    try:
        return State.model_validate(values, strict=False)
    except ValidationError:
        return None


def _read_state(path: str, tail: str, first_line: int) -> tuple[State | None, list[Problem]]:
    if not tail:
        return None, []
    if (written := _as_written(tail)) is not None:
        return written, []
    block = yaml_source.load(path, tail)
    remedy = f"move it above line {first_line}"
    if block.problems or not isinstance(block.data, dict):
        line = first_line + (block.problems[0].line - 1 if block.problems else 0)
        fact = "the state block cannot be read"
        remedy = f"delete everything from line {first_line} on; zedops writes it anew"
        return None, [Problem(path, line, 1, "state", fact, remedy)]
    problems = []
    for key in block.data:
        mark: Mark = block.mark((key,))
        if key != "state":
            fact = "stands below the state marker, where it would be overwritten"
            line = first_line + mark.line - 1
            problems.append(Problem(path, line, mark.column, str(key), fact, remedy))
    return _salvaged(block.data.get("state")), problems


def _salvaged(values: object) -> State | None:
    """Read what can be read of a state; None without an id.

    A newer zedops, or a person, may have written more or something else. A server whose id was
    lost for that would be another server, with an empty world.
    """
    if not isinstance(values, dict):
        return None
    good: dict[str, object] = {}
    for key in State.model_fields:
        if key in values:
            one = {"id": values.get("id"), key: values[key]}
            try:
                good[key] = getattr(State.model_validate(one, strict=False), key)
            except ValidationError:
                if key == "id":
                    return None
                if key == "data_exists":
                    good[key] = True  # could not be read, which is not: there is none
    return State.model_validate(good) if "id" in good else None
