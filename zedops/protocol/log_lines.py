"""Lines of a log with ids, as a host sends them: one JSON object a line. Pure, and light to load.

An id is the Engine's time of the line, with nine digits of a second, and `~N` for the Nth further
line of the same time. Ids of one log compare as text. The last record says how the reading ended.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

#: An id, as the request and the page's URLs carry it.
LINE_ID = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z(~\d{1,9})?"
_LINE_ID = re.compile(LINE_ID)
#: The most bytes that one line may have here; the rest is cut off.
MAX_LINE = 8192
#: The most lines of one answer, and the most characters of a search.
MAX_LINES, MAX_SEARCH = 2000, 200


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    id: str
    text: str
    is_hit: bool = False  #: it has the searched text
    is_error: bool = False  #: from stderr
    follows_gap: bool = False  #: lines that were not asked for lie before it

    @property
    def at(self) -> str:
        """Give the time of the line."""
        return self.id.partition("~")[0]


@dataclass(frozen=True, slots=True)
class End:
    """How a reading ended."""

    is_first: bool = False  #: no older line exists
    cut_at: str = ""  #: the reading took too long: nothing before this id was read


def is_line_id(text: str) -> bool:
    """Say whether a text is the id of a line."""
    return _LINE_ID.fullmatch(text) is not None


def line_id(at: str) -> str:
    """Write a time as an id. ValueError unless it is one, with a zone."""
    utc = datetime.fromisoformat(at)
    if utc.tzinfo is None:
        raise ValueError(f"{at}: no zone")
    return f"{utc.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


def write(each: Line | End) -> bytes:
    """Write a line or the end as one line of JSON."""
    if isinstance(each, End):
        said: dict[str, object] = {"end": True, "first": each.is_first, "cut_at": each.cut_at}
    else:
        said = {"id": each.id, "text": each.text}
        marks = (("hit", each.is_hit), ("err", each.is_error), ("gap", each.follows_gap))
        said |= {key: True for key, is_so in marks if is_so}
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def read(text: str) -> Line | End:
    """Read what `write` wrote; other fields are ignored. ValueError if it is none."""
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError("no line of a log")
    if said.get("end"):
        return End(bool(said.get("first")), _id(said.get("cut_at") or "", may_be_empty=True))
    words = str(said.get("text", ""))[:MAX_LINE]
    return Line(_id(said.get("id")), words, bool(said.get("hit")), bool(said.get("err")),
                bool(said.get("gap")))


def _id(said: object, *, may_be_empty: bool = False) -> str:
    if isinstance(said, str) and (is_line_id(said) or (may_be_empty and not said)):
        return said
    raise ValueError("no id of a line")
