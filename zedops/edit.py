"""Edits of a definition that keep everything else of the user's text. Pure."""

from __future__ import annotations

from zedops.document import Document


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
    newline = "\r\n" if "\r\n" in head else "\n"
    if head and not head.endswith("\n"):
        head += newline
    return f"{head}{key}: {value}{newline}"
