"""Drafts: what a click would push, with its exact diff and the manager's forecast.

A draft is made of its fields alone, at a named commit and time. So the push makes the very files
that the person has seen, and the hub merges them into what came since.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from zedops.clone import verbs, worlds
from zedops.clone.checkout import REMOTE_MAIN
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
from zedops.web.undo import undo, with_world

#: A whole commit id.
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MOST = 500  #: servers in one act
ADDS = ("new", "import")  #: verbs that add servers


@dataclass(frozen=True)
class Fields:
    """What the person asks for; a form carries all of it."""

    verb: str
    servers: tuple[str, ...] = ()
    data: str = "keep"  #: of a purge: keep or remove; of an undo: keep or world
    texts: tuple[str, ...] = ()  #: of an edit or new servers: a definition for each
    commit: str = ""  #: of an undo
    snapshot: str = ""  #: of a restore of a world, or of an undo of an image
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
    theirs: list[tuple[str, str]]  #: of an edit: the diff of what others changed since its base


def draft(site: Site, fields: Fields) -> Draft:
    """Make a draft. ZedopsError where it cannot be made."""
    base = fields.base if COMMIT.fullmatch(fields.base) else site.desk.tip()
    now = _time(fields.now)
    fields = Fields(**{**vars(fields), "base": base, "now": conversion.written(now)})
    skipped: list[str] = []
    if fields.verb == "undo":
        undone = undo(site, fields.commit)
        base, both = undone.base, fields.data == "world" and bool(undone.snapshot)
        made = with_world(undone, now) if both else undone.act
        fields = Fields(**{**vars(fields), "base": base, "snapshot": undone.snapshot,
                           "data": "world" if both else "keep"})
    elif not 0 < len(fields.servers) <= MOST:
        raise UsageError(f"choose a server, and at most {MOST}")
    elif fields.verb in ADDS:
        made = _added(site, fields)
    else:
        made, skipped = _changed(site, fields, now)
    with site.desk.clone() as clone:
        diff = _diff(clone, base, made)
        theirs = _theirs(clone, base, made) if fields.verb == "edit" else []
    removes = fields.verb == "purge" and fields.data == "remove"
    planned = plan(site, base, made.files, made.options, is_merged=bool(theirs))
    return Draft(fields, made, planned, diff, _command(fields),
                 fields.servers[0] if removes else "", skipped, theirs)


def _changed(site: Site, fields: Fields, now: datetime) -> tuple[Act, list[str]]:
    """Make an act on servers; returns it, and the servers that say so already."""
    with site.desk.clone() as clone:
        pairs = [(name, _one(clone, fields, name, now)) for name in fields.servers]
    made = verbs.together(fields.verb, [each for _, each in pairs if each is not None])
    return made, [name for name, each in pairs if each is None]


def _added(site: Site, fields: Fields) -> Act:
    """Make the act that adds servers. UsageError where a file of that name is there."""
    made = new_servers(fields)
    with site.desk.clone() as clone:
        there = clone.contents(fields.base, list(made.files))
    if taken := [path for path, each in there.items() if each is not None]:
        raise UsageError(f"{', '.join(taken)} exists already; choose another name")
    return made


def new_servers(fields: Fields) -> Act:
    """Make the act that adds servers. UsageError if texts and names do not fit."""
    if not fields.texts or len(fields.texts) != len(fields.servers):
        raise UsageError("each new server needs one definition and a name of its own")
    return verbs.create(dict(zip(fields.servers, fields.texts, strict=True)), fields.verb)


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
            text = fields.texts[0] if fields.texts else ""
            if text.replace("\r\n", "\n").strip() == each.head.strip():
                return verbs.change(each, "retry", now)
            return verbs.rewrite(each, text)
        case verb if verb in worlds.ACTS:
            if verb == "backup restore" and len(fields.servers) > 1:
                raise UsageError("restore one world at a time")
            return worlds.act(each, verb, now, fields.snapshot or "latest")
        case verb if verb in verbs.VERBS:
            return verbs.change(each, verb, now)
        case verb:
            raise UsageError(f"no act {verb!r}")


def _of(each: Document | None, name: str, make: Callable[[Document], Act | None]) -> Act | None:
    if each is None:
        raise UsageError(f"{name}: this act does not fit what the server is by now; look again")
    return make(each)


def plan(
    site: Site, base: str, files: Mapping[str, bytes | None], options: Sequence[str] = (), *,
    is_merged: bool = False,
) -> Planned:
    """Ask the manager what a push of files would do.

    `is_merged` first merges them into what others changed since `base`, as the hub does.
    """
    conflicts: list[str] = []
    if is_merged:
        merged = {path: site.desk.merged(base, path, content)
                  for path, content in files.items() if content is not None}
        conflicts = [each for one in merged.values() for each in one.conflicts]
        if not conflicts:
            files = {**files, **{path: each.content for path, each in merged.items()}}
            base = next((each.base for each in merged.values()), base)
    asked = {"do": "plan", "server": None, "options": list(options),
             **Edits(base, dict(files)).as_json()}
    planned = conversion.read(Planned, client.ask_hub(site.hub, asked, lambda _: None))
    return Planned(planned.servers, [*conflicts, *planned.problems], planned.warnings)


def _diff(clone: Clone, base: str, made: Act) -> list[tuple[str, str]]:
    """Compare what people write; the states below are zedops' own."""
    before = clone.contents(base, list(made.files))
    return [line for path, content in sorted(made.files.items())
            for line in compare(path, before[path], content)]


def _theirs(clone: Clone, base: str, made: Act) -> list[tuple[str, str]]:
    """Compare what others changed in the same files since `base`."""
    before, now = (clone.contents(each, list(made.files)) for each in (base, REMOTE_MAIN))
    return [line for path in made.files for line in compare(path, before[path], now[path])[1:]]


def compare(path: str, old: bytes | None, new: bytes | None) -> list[tuple[str, str]]:
    """Compare two versions of a file, without states: lines with their kinds."""
    lines = difflib.unified_diff(_head(path, old), _head(path, new), n=3, lineterm="")
    changed = [(_kind(line), line) for line in list(lines)[2:]]
    return [("file", f"{path}: {_what(old, new)}"), *changed]


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
            revert = f"git revert {fields.commit[:12]} && git push"
            restore = f"zedops backup restore NAME --to {fields.snapshot}"
            return f"{revert} && {restore}" if fields.data == "world" else revert
        case "edit":
            return f"zedops edit {fields.servers[0]}"
        case verb if verb in ADDS:
            paths = " ".join(f"servers.d/{name}.yaml" for name in fields.servers)
            return f"$EDITOR {paths} && git add {paths} && git commit -m {verb} && git push"
        case "backup restore":
            return f"zedops backup restore {fields.servers[0]} --to {fields.snapshot or 'latest'}"
        case "purge" if fields.data == "remove":
            return f"zedops purge {fields.servers[0]} --data"
        case verb:
            return f"zedops {verb} {' '.join(fields.servers)}"
