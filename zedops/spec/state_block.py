"""The state block of a server's file: zedops' half, from the marker line to the end. Pure.

`render` writes the whole block, in the file's own line ends; `read` also accepts a block that a
person changed. One blank line before it belongs to neither half, and keeps merges of both clean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import ValidationError

from zedops.errors import Problem
from zedops.spec import loader
from zedops.spec.state import State

MARKER = "# --- state: written by zedops; edits below this line are overwritten"
_MARKER_LINE = re.compile(r"^# --- state: written by zedops[^\n]*$", re.MULTILINE)
#: A JSON value: text, null, true or false.
_VALUE = r'("[^"\\\n]*(?:\\.[^"\\\n]*)*"|null|true|false)'
#: Optional fields at the end, written only if `kept_until` is set.
_SELDOM = ("kept_until", "purge_data")
#: The last optional field, written only once there is a backup.
_BACKUP = "backup"
_FIELDS = tuple(key for key in State.model_fields if key not in (*_SELDOM, _BACKUP))
#: A whole tail as `render` writes it; the groups are the values.
_WRITTEN = re.compile(
    r"\r?\n".join([
        re.escape(MARKER), "state:", *(f"  {key}: {_VALUE}" for key in _FIELDS),
    ]) + "(?:" + "".join(rf"\r?\n  {key}: {_VALUE}" for key in _SELDOM)
    + rf")?(?:\r?\n  {_BACKUP}: {_VALUE})?(?:\r?\n)*"
)  # fmt: skip
#: Most characters of one text; a state has 32 KiB beside its definition.
_MOST_TEXT = 4000
#: The end of the message in the state of a file that the manager does not follow.
GOES_ON = "(the last good definition goes on)"

#: Most bytes of a message.
MESSAGE_BYTES = 1000


def split(text: str) -> tuple[str, str, int]:
    """Cut a text into head, tail (from the marker on, may be empty) and the tail's first line."""
    if match := _MARKER_LINE.search(text):
        start = match.start()
    elif match := re.search(r"^state:[ \t\r]*$", text, re.MULTILINE):
        start = match.start()  # a person deleted the marker; the block still belongs to zedops
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
    """Write a file: the user's head unchanged, then zedops' block in the head's line ends."""
    if head and not head.endswith("\n"):
        head += "\r\n" if "\r\n" in head else "\n"
    newline = "\r\n" if "\r\n" in head else "\n"
    lines = [*([""] if head else []), MARKER, *(_state_lines(state) if state else [])]
    return (head + "".join(line + newline for line in lines)).encode("utf-8", "surrogateescape")


def _state_lines(state: State) -> Iterable[str]:
    yield "state:"
    for key in (*_FIELDS, *(_SELDOM if state.kept_until is not None else ())):
        yield f"  {key}: {_scalar(getattr(state, key))}"
    if state.backup is not None:
        yield f"  {_BACKUP}: {_scalar(state.backup)}"


def _scalar(value: object) -> str:
    """Write one value. Quotes all text: a container id of digits must stay text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f'"{format_time(value)}"'
    text = one_line(str(value))
    text = text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1].rstrip()}…"
    return json.dumps(text, ensure_ascii=False)


def one_line(text: str) -> str:
    """Reduce text to one line of printable characters, as a state block needs."""
    if text.isprintable() and "  " not in text and text.strip() == text:
        return text  # the usual case
    printable = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return " ".join(printable.split())


def brief(text: str) -> str:
    """Cut text to the size of a message: a container or an agent may send any length."""
    line = one_line(text[: 4 * MESSAGE_BYTES])
    raw = line.encode("utf-8", "replace")
    if len(raw) <= MESSAGE_BYTES:
        return line
    return raw[: MESSAGE_BYTES - 4].decode("utf-8", "ignore").rstrip() + "…"


def format_time(at: datetime) -> str:
    """Write a UTC time to the second: `2026-11-23T08:12:20Z`."""
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _as_written(tail: str) -> State | None:
    """Read a block as `render` writes it, without the slow YAML parser; None for any other."""
    if (match := _WRITTEN.fullmatch(tail)) is None:
        return None
    try:
        keys = (*_FIELDS, *_SELDOM, _BACKUP)
        found = zip(keys, match.groups(), strict=True)
        named = {key: json.loads(value) for key, value in found if value is not None}
        return State.model_validate(named, strict=False)
    except ValueError:  # includes pydantic's own error
        return None


def read(path: str, tail: str, first_line: int) -> tuple[State | None, list[Problem]]:
    """Read a tail that begins at `first_line`; keys that a person added are problems."""
    if not tail:
        return None, []
    if (written := _as_written(tail)) is not None:
        return written, []
    block = loader.load(path, tail)
    remedy = f"move it above line {first_line}"
    if block.problems or not isinstance(block.data, dict):
        line = first_line + (block.problems[0].line - 1 if block.problems else 0)
        fact = "the state block cannot be read"
        remedy = f"delete everything from line {first_line} on; zedops writes it again"
        return None, [Problem(path, line, 1, "state", fact, remedy)]
    problems = []
    for key in block.data:
        mark = block.mark((key,))
        if key != "state":
            fact = "is below the state marker, where zedops would overwrite it"
            line = first_line + mark.line - 1
            problems.append(Problem(path, line, mark.column, str(key), fact, remedy))
    return _salvaged(block.data.get("state")), problems


def _salvaged(values: object) -> State | None:
    """Read the readable fields of a state; None without an id.

    A newer zedops, or a person, may have written other fields or values. A server that lost its id
    for that would be another server, with an empty world.
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
                    good[key] = True  # unreadable does not mean: no data
    return State.model_validate(good) if "id" in good else None


def broken_file(problems: Sequence[Problem]) -> str | None:
    """Say in one line why a file is broken, and that its server goes on; None without problems."""
    return f"{brief(str(problems[0]))} {GOES_ON}" if problems else None


def tells_of_a_broken_file(message: str | None) -> bool:
    """Recognize the lines of `broken_file`."""
    return bool(message) and str(message).endswith(GOES_ON)
