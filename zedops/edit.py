"""Edits of a definition or of the settings that keep everything else of the user's text. Pure."""

from __future__ import annotations

from zedops.document import Document
from zedops.source import Source


def set_field(document: Document, key: str, value: str) -> str:
    """Set a top-level key with a plain scalar value; returns the new head.

    An existing value is replaced in place, comments after it stay; a new key goes to the end.
    """
    head, mark = document.head, document.source.marks.get((key,))
    if mark is not None and mark.end > mark.start:
        skipped = head.startswith("\ufeff")  # libyaml does not count a byte order mark
        start, end = mark.start + skipped, mark.end + skipped
        end -= len(head[start:end]) - len(head[start:end].rstrip())  # a block's last line end
        return head[:start] + value + head[end:]
    if mark is not None:  # `key:` without a value
        lines = head.split("\n")
        at = mark.line - 1
        lines[at] = lines[at].replace(f"{key}:", f"{key}: {value}", 1)
        return "\n".join(lines)
    return _append(head, f"{key}: {value}")


def add_item(source: Source, text: str, key: str, item: str) -> str:
    """Add a plain scalar to the top-level list `key`, in the style in which it is written."""
    mark = source.marks.get((key,))
    if mark is None or mark.end <= mark.start:
        return _append(text, f"{key}: [{item}]")
    listed = text[mark.start : mark.end].rstrip()
    end = mark.start + len(listed)
    if listed.startswith("["):
        inner = listed[:-1].rstrip().rstrip(",")
        comma = "" if inner == "[" else ", "
        return f"{text[: mark.start]}{inner}{comma}{item}]{text[end:]}"
    last = source.marks[key, len(source.data[key]) - 1]
    start = text.rindex("\n", 0, last.start) + 1
    end = text.find("\n", last.end - 1)
    line = text[start : end + 1 if end >= 0 else len(text)]
    indent = line[: line.index("-")]
    return _append(text[: start + len(line)], f"{indent}- {item}") + text[start + len(line) :]


def remove_item(source: Source, text: str, key: str, item: str) -> str:
    """Remove a scalar from the top-level list `key`; the rest of the text stays as it is."""
    items = list(source.data[key])
    mark = source.marks[key, items.index(item)]
    if text[source.marks[key,].start] == "[":
        start, end = mark.start, mark.end
        while text[end] in ", ":
            end += 1
        if text[end] == "]":  # the last one: the comma before it goes, too
            start = len(text[:start].rstrip().rstrip(","))
        return text[:start] + text[end:]
    start = text.rindex("\n", 0, mark.start) + 1
    return text[:start] + text[text.index("\n", mark.end - 1) + 1 :]


def add_key(source: Source, text: str, parent: str, key: str, value: str) -> str:
    """Add a key with a plain scalar to the top-level mapping `parent`, as its first one."""
    mark = source.marks.get((parent,))
    if mark is None or mark.end <= mark.start:
        return _append(text, f"{parent}: {{{key}: {value}}}")
    if text[mark.start] == "{":
        comma = ", " if source.data[parent] else ""
        return f"{text[: mark.start + 1]}{key}: {value}{comma}{text[mark.start + 1 :]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = text[text.rindex("\n", 0, mark.start) + 1 : mark.start]
    return f"{text[: mark.start]}{key}: {value}{newline}{indent}{text[mark.start :]}"


def _append(text: str, line: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += newline
    return f"{text}{line}{newline}"
