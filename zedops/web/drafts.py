"""Drafts: what a click would push, with its exact diff and the manager's forecast.

A draft is made of its fields alone, at a named commit and time. So the push makes the very files
that the person has seen, and the hub merges them into what came since.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from zedops.clone import verbs
from zedops.clone.clone import Clone
from zedops.clone.edits import Edits
from zedops.clone.verbs import Act
from zedops.control import client
from zedops.errors import UsageError
from zedops.queries import conversion
from zedops.queries.output import Planned
from zedops.spec import document
from zedops.spec.document import Document
from zedops.spec.layout import kind_of
from zedops.web.site import Site

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MOST = 500  #: servers in one act


@dataclass(frozen=True)
class Fields:
    """What the person asks for; a form carries all of it."""

    verb: str
    servers: tuple[str, ...] = ()
    data: str = "keep"  #: of a purge: keep or remove
    text: str = ""  #: of an edit: the new definition
    commit: str = ""  #: of an undo
    base: str = ""
    now: str = ""


@dataclass(frozen=True)
class Draft:
    """What would be pushed, and what would come of it."""

    fields: Fields
    act: Act
    planned: Planned
    diff: list[tuple[str, str]]  #: (kind, line); kind is add, cut, same or file
    command: str  #: the same on the command line
    asks_name: str  #: the name to be typed before data goes; empty where none does
    skipped: list[str]  #: servers whose definition says so already


def draft(site: Site, fields: Fields) -> Draft:
    """Make a draft. ZedopsError where it cannot be made."""
    base = fields.base if _COMMIT.fullmatch(fields.base) else site.desk.tip()
    now = _time(fields.now)
    fields = Fields(**{**vars(fields), "base": base, "now": conversion.written(now)})
    if fields.verb == "undo":
        made, base = site.desk.undo(fields.commit)
        fields, skipped = Fields(**{**vars(fields), "base": base}), []
    else:
        if not 0 < len(fields.servers) <= MOST:
            raise UsageError(f"choose a server, and at most {MOST}")
        with site.desk.clone() as clone:
            pairs = [(name, _one(clone, fields, name, now)) for name in fields.servers]
        made = verbs.together(fields.verb, [each for _, each in pairs if each is not None])
        skipped = [name for name, each in pairs if each is None]
    with site.desk.clone() as clone:
        diff = _diff(clone, base, made)
    removes = fields.verb == "purge" and fields.data == "remove"
    return Draft(fields, made, _plan(site, base, made), diff, _command(fields),
                 fields.servers[0] if removes else "", skipped)


def _time(said: str) -> datetime:
    try:
        return datetime.fromisoformat(said).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)


def _one(clone: Clone, fields: Fields, name: str, now: datetime) -> Act | None:
    fleet = clone.read_server(name, fields.base)
    living, grave = next(fleet.servers(), None), next(fleet.tombstones(), None)
    each = living or grave
    if each is None:
        raise UsageError(f"no server {name!r}; it may be renamed, or purged")
    if fields.verb == "purge" and fields.data == "remove":
        if len(fields.servers) > 1:
            raise UsageError("remove the data of one server at a time")
        return verbs.purge_data(each)
    if fields.verb == "restore":
        return _of(grave, name, lambda one: verbs.restore(one, clone.last_place(name)))
    if fields.verb == "purge" and living is None:
        return verbs.forget(each)
    return _of(living, name, lambda one: _living(one, fields, now))


def _living(each: Document, fields: Fields, now: datetime) -> Act | None:
    match fields.verb:
        case "delete" | "purge":  # to let go of a server and keep its data is to delete it
            return verbs.delete(each)
        case "edit":
            if fields.text.replace("\r\n", "\n").strip() == each.head.strip():
                return verbs.change(each, "retry", now)
            return verbs.rewrite(each, fields.text)
        case verb if verb in verbs.VERBS:
            return verbs.change(each, verb, now)
        case verb:
            raise UsageError(f"no act {verb!r}")


def _of(each: Document | None, name: str, make: Callable[[Document], Act | None]) -> Act | None:
    if each is None:
        raise UsageError(f"{name}: this act does not fit what the server is by now; look again")
    return make(each)


def _plan(site: Site, base: str, made: Act) -> Planned:
    asked = {"do": "plan", "server": None, "options": list(made.options),
             **Edits(base, dict(made.files)).as_json()}
    return conversion.read(Planned, client.ask_hub(site.hub, asked, lambda _: None))


def _diff(clone: Clone, base: str, made: Act) -> list[tuple[str, str]]:
    """Compare what people write; the states below are zedops' own."""
    lines: list[tuple[str, str]] = []
    before = clone.contents(base, list(made.files))
    for path, content in sorted(made.files.items()):
        old, new = _head(path, before[path]), _head(path, content)
        compared = difflib.unified_diff(old, new, n=3, lineterm="")
        lines.append(("file", f"{path}: {_what(before[path], content)}"))
        lines += [(_kind(line), line) for line in list(compared)[2:]]
    return lines


def _head(path: str, content: bytes | None) -> list[str]:
    if content is None:
        return []
    if kind_of(path).name in ("SERVER", "TOMBSTONE"):
        return document.parse(path, content).head.splitlines()
    return content.decode("utf-8", "replace").splitlines()


def _what(old: bytes | None, new: bytes | None) -> str:
    return "new" if old is None else "removed" if new is None else "changed"


def _kind(line: str) -> str:
    return {"+": "add", "-": "cut", "@": "same"}.get(line[:1], "same")


def _command(fields: Fields) -> str:
    """Write the same act as a command to copy."""
    match fields.verb:
        case "undo":
            return f"git revert {fields.commit[:12]} && git push"
        case "edit":
            return f"zedops edit {fields.servers[0]}"
        case "purge" if fields.data == "remove":
            return f"zedops purge {fields.servers[0]} --data"
        case verb:
            return f"zedops {verb} {' '.join(fields.servers)}"
