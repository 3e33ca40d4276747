"""Which refs a push may move, and to which objects. Judges names and object types, not files."""

from __future__ import annotations

from collections.abc import Collection

from zedops.errors import Problem
from zedops.git.credentials import redact
from zedops.git.objects import NO_OBJECT
from zedops.git.repository import Repository
from zedops.hub.hub import Hub
from zedops.hub.refs import FOR_MAIN, MAIN

#: Prefixes of the refs that people may push.
_PEOPLES = ("refs/heads/", "refs/tags/", "refs/notes/", "refs/for/")


def wrong(
    hub: Hub, repository: Repository, new: str, ref: str, all_refs: Collection[str]
) -> Problem | None:
    """Find the reason to refuse a ref's new object.

    `all_refs` are the refs of the hub and of the same push.
    """
    fact, remedy = _wrong(hub, repository, new, ref, all_refs)
    return Problem(ref, 0, 0, "", fact, remedy) if fact else None


def _wrong(
    hub: Hub, repository: Repository, new: str, ref: str, all_refs: Collection[str]
) -> tuple[str, str]:
    if ref.startswith("refs/zedops/"):
        return "belongs to zedops itself", "push to main"
    if not ref.startswith(_PEOPLES):
        # such as refs/replace/: git would read other objects in place of main's
        return "is neither a branch nor a tag", "push to main"
    if ref.startswith("refs/for/") and ref != FOR_MAIN:
        return "is no branch of a fleet", f"push to {FOR_MAIN}"
    if ref not in (MAIN, FOR_MAIN):
        return _misnamed(ref, all_refs) if new != NO_OBJECT else "", "choose another name"
    if upstream := hub.upstream:
        return f"this hub follows {redact(upstream)}", "push there"
    if new == NO_OBJECT:
        fact = "receives pushes, and cannot be deleted"
        return fact if ref == FOR_MAIN else "", "push a commit to it"
    if (kind := repository.objects.kind(new)) not in ("commit", ""):
        fact = f"a {kind} cannot be merged into main; it takes a commit"
        return fact, f"push what it names: `git push origin 'NAME^{{commit}}:{ref}'`"
    return "", ""


def _misnamed(ref: str, all_refs: Collection[str]) -> str:
    """Say why git could take a ref's name for another ref (gitrevisions(7)); empty if not."""
    folder, _, name = ref.removeprefix("refs/").partition("/")
    other = {"tags": f"refs/heads/{name}", "heads": f"refs/tags/{name}"}.get(folder)
    if other is None:
        return ""
    if name == "HEAD" or name.startswith("refs/") or other == MAIN:
        return "has a name that git could take for another one"
    return f"has the same name as {other}" if other in all_refs else ""
