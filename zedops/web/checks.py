"""Checks definitions while a person types: the push's own problems, forecast and diff.

A check asks the manager, which has the fleet in memory, so it costs little.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from zedops.clone import verbs
from zedops.control import client
from zedops.errors import UsageError, ZedopsError
from zedops.queries.output import Planned
from zedops.spec import document
from zedops.spec.document import Document
from zedops.web.drafts import COMMIT, Fields, compare, new_servers, plan
from zedops.web.site import Site


@dataclass(frozen=True)
class Mark:
    """A problem or warning at its place in one of the texts. Line and column count from 1."""

    number: int  #: of the text
    line: int
    column: int
    text: str
    is_problem: bool


@dataclass(frozen=True)
class Checked:
    """What a push of the texts would do now."""

    planned: Planned
    diff: list[tuple[str, str]]
    marks: list[Mark]
    secrets: list[str]  #: how to set the secrets that new servers need
    is_changed: bool  #: whether others changed the file since the person began


def check(site: Site, fields: Fields, seen: str = "") -> Checked:
    """Check texts. `seen` is the `digest` of the definition with which the person began.

    ZedopsError if the manager cannot say.
    """
    old = _present(site, fields)
    try:
        files = _files(site, fields, old)
    except ZedopsError as error:
        return Checked(Planned([], [str(error)], []), [], _marks([], [str(error)], []), [], False)
    base = fields.base if COMMIT.fullmatch(fields.base) else site.view.now().commit
    is_changed = bool(old and seen and digest(old.each.head) != seen)
    planned = plan(site, base, files, is_merged=is_changed)
    before = {old.path: old.content} if old else {}
    diff = [line for path, content in files.items()
            for line in compare(path, before.get(path), content)]
    secrets = secret_lines(site, fields) if old is None else []
    marks = _marks(list(files), planned.problems, planned.warnings)
    return Checked(planned, diff, marks, secrets, is_changed)


@dataclass(frozen=True)
class Present:
    """A server's file as the manager has it."""

    path: str
    content: bytes
    each: Document


def present(site: Site, name: str) -> Present:
    """Read a server's file. ZedopsError if there is none of that name."""
    said = client.ask_hub(site.hub, {"do": "show", "server": name}, lambda _: None)["row"]
    content = str(said["text"]).encode("utf-8", "surrogateescape")
    return Present(said["path"], content, document.parse(said["path"], content))


def digest(head: str) -> str:
    """Name a definition by its content."""
    return sha256(head.encode("utf-8", "surrogateescape")).hexdigest()


def secret_lines(site: Site, fields: Fields) -> list[str]:
    """Say how to set each secret that new servers need before they start."""
    with site.desk.clone(fetch=False) as clone:
        rules = clone.rules()
    lines = []
    for name, text in zip(fields.servers, fields.texts, strict=False):
        each = document.parse(f"servers.d/{name}.yaml", text.encode("utf-8", "surrogateescape"))
        definition = rules.resolve(each)[0] if each.definition else None
        for secret in definition.host_secrets if definition else ():
            where = rules.host_of(each) or "its host"
            lines.append(f"{name} starts once it has {secret}: `zedops secret set {name} {secret}`"
                         f" on {where}, or `zedops secret encrypt {name} {secret}` in a clone")
    return lines


def _present(site: Site, fields: Fields) -> Present | None:
    if fields.verb != "edit":
        return None
    return present(site, fields.servers[0] if fields.servers else "")


def _files(site: Site, fields: Fields, old: Present | None) -> dict[str, bytes | None]:
    if old is not None:
        return dict(verbs.rewrite(old.each, fields.texts[0] if fields.texts else "").files)
    made = new_servers(fields)
    known = site.view.now().rows
    if taken := [path for path in made.files if path in known]:
        raise UsageError(f"{', '.join(taken)} exists already; choose another name")
    return dict(made.files)


def _marks(paths: list[str], problems: list[str], warnings: list[str]) -> list[Mark]:
    marks = []
    for is_problem, text in [*((True, each) for each in problems),
                             *((False, each) for each in warnings)]:
        if not paths and (found := re.match(r"line (\d+): ", text)):
            marks.append(Mark(0, int(found[1]), 0, text, is_problem))
        for number, path in enumerate(paths):
            if found := re.match(rf"{re.escape(path)}:(\d+):(\d+): ", text):
                said = text[found.end():]
                marks.append(Mark(number, int(found[1]), int(found[2]), said, is_problem))
    return marks
