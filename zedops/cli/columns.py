"""Tables for a terminal of any width: names stay whole, sentences go below. Pure.

NAME and STATUS are never cut. In a narrow terminal, long cells are shortened first; then whole
columns go, the least useful first. JSON and pipes get everything.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

#: A piece of a line, and its style: a name of `click.style`'s colours, "bold" or "".
Piece = tuple[str, str]

#: Sentences: wrapped in their column while it has room, else below the row.
_FREE = ("MESSAGE", "WHAT", "BECAUSE")
#: Columns that may be shortened, each with its least width.
_SHORTER = {"IMAGE": 14, "PORTS": 11, "CONTAINER": 14}
#: Columns to leave out if that does not suffice, in this order.
_LESS = ("IMAGE", "PORTS", "BACKUP", "HEALTH", "MEMORY", "CPU", "HOST", "SINCE", "FOR")
_GAP = "  "
_INDENT = "    "
#: A narrower column of sentences reads worse than lines below the row.
_READABLE = 36

COLOURS = {
    "running": "green", "failed": "red", "missing": "red", "stopped": "yellow",
    "deleted": "bright_black", "deleting": "magenta", "creating": "cyan", "pending": "cyan",
    "starting": "cyan",
    "healthy": "green", "unhealthy": "red", "unknown": "yellow",
}  # fmt: skip


def lines(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> Iterator[list[Piece]]:
    """Write a table as lines of at most `width` cells, as far as names allow."""
    free = len(headings) - 1 if headings[-1] in _FREE else None
    shown = {at: max(map(_cells, (name, *(row[at] for row in rows))))
             for at, name in enumerate(headings) if at != free}
    shown = _fitted(headings, shown, width)
    longest = max(map(_cells, (row[free] for row in rows)), default=0) if free is not None else 0
    room = width - sum(shown.values()) - len(_GAP) * len(shown)
    beside = free is not None and longest > 0 and room >= min(max(longest, 8), _READABLE)
    head = [(name, "bold") for name in _cut(headings, headings, shown)]
    yield _joined([*head, *([(headings[-1], "bold")] if beside else [])])
    for row in rows:
        cells = [(text, COLOURS.get(text.strip(), ""))
                 for text in _cut(headings, row, shown)]
        said = row[free] if free is not None else ""
        if beside:
            first, *rest = _wrap(said, room) or [""]
            yield _joined([*cells, (first, "")])
            yield from ([(" " * (width - room) + each, "")] for each in rest)
        else:
            yield _joined(cells)
            yield from ([(_INDENT + each, "")] for each in
                        _wrap(said, max(width - len(_INDENT), 20)))


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def _fitted(headings: Sequence[str], full: dict[int, int], width: int) -> dict[int, int]:
    """Shorten columns, then leave some out, until the rest fits."""
    for count in range(len(_LESS) + 1):
        shown = {at: each for at, each in full.items() if headings[at] not in _LESS[:count]}
        for at, each in shown.items():
            over = sum(shown.values()) + len(_GAP) * (len(shown) - 1) - width
            least = min(each, _SHORTER.get(headings[at], each))
            shown[at] = max(each - max(over, 0), least)
        if sum(shown.values()) + len(_GAP) * (len(shown) - 1) <= width:
            break
    return shown


def _cut(headings: Sequence[str], cells: Sequence[str], shown: dict[int, int]) -> list[str]:
    """Fit cells to the widths of their columns; an image keeps its end, which says more."""
    made = []
    for at, wide in shown.items():
        text = cut = cells[at]
        while _cells(cut) > wide:
            text = text[1:] if headings[at] == "IMAGE" else text[:-1]
            cut = f"…{text}" if headings[at] == "IMAGE" else f"{text.rstrip()}…"
        made.append(cut + " " * (wide - _cells(cut)))
    return made


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Put gaps between cells; the last one needs no blanks behind it."""
    *before, last = pieces
    made = [piece for text, style in before for piece in ((text, style), (_GAP, ""))]
    return [*made, (last[0].rstrip(), last[1])]


def _cells(text: str) -> int:
    """Count the cells that a text takes on a terminal (Unicode TR 11)."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
