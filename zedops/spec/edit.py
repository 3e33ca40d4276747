"""Edits single values of a definition or of the settings; all other text stays. Pure."""

from __future__ import annotations

from zedops.spec.document import Document
from zedops.spec.places import Mark, Source


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


def set_key(source: Source, text: str, parent: str, key: str, value: str) -> str:
    """Set a plain scalar in the top-level mapping `parent`; only that value changes."""
    mark = source.marks.get((parent, key))
    if mark is None:
        if source.data.get(parent) or (parent,) not in source.marks:
            return add_key(source, text, parent, key, value)
        return set_value(text, source.marks[parent,], parent, f"{{{key}: {value}}}")
    return set_value(text, mark, key, value)


def set_value(text: str, mark: Mark, key: str, value: str) -> str:
    """Replace the value at a mark, or put one behind a key that has none."""
    if mark.end > mark.start:
        end = mark.start + len(text[mark.start : mark.end].rstrip())
        return text[: mark.start] + value + text[end:]
    lines = text.split("\n")
    line, at = lines[mark.line - 1], mark.column - 1
    lines[mark.line - 1] = line[:at] + line[at:].replace(f"{key}:", f"{key}: {value}", 1)
    return "\n".join(lines)


def set_secret(source: Source, text: str, name: str, sealed: str) -> str:
    """Put an encrypted value under `secrets`; a list of names becomes a mapping, comments stay.

    For a text without a byte order mark. An unusual style can give a wrong result, so the caller
    must check the result.
    """
    listed, mark = source.data.get("secrets"), source.marks.get(("secrets",))
    if not isinstance(listed, list) or not listed or mark is None:
        return set_key(source, text, "secrets", name, sealed)
    values = {**dict.fromkeys(listed, ""), name: sealed}
    if text[mark.start] == "[":
        parts = [f"{each}: {value or 'null'}" for each, value in values.items()]
        end = mark.start + len(text[mark.start : mark.end].rstrip())
        return f"{text[: mark.start]}{{{', '.join(parts)}}}{text[end:]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    made = text
    for at in range(len(listed) - 1, -1, -1):  # from the end, so that earlier marks stay valid
        item = source.marks["secrets", at]
        dash = made.rindex("-", 0, item.start)
        value = values[listed[at]]
        pair = f"  {listed[at]}:{f' {value}' if value else ''}"
        indent = made[made.rindex("\n", 0, dash) + 1 : dash]
        first = f"{indent}  {name}: {sealed}{newline}" if at == 0 and name not in listed else ""
        made = made[: dash - len(indent)] + first + indent + pair + made[item.end :]
    return made


def _append(text: str, line: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    if text and not text.endswith("\n"):
        text += newline
    return f"{text}{line}{newline}"
