"""Which refs a push may move, and to what. Looks at names and kinds of objects, not at files."""

from __future__ import annotations

from collections.abc import Collection

from zedops.credentials import redact
from zedops.errors import Problem
from zedops.hub import FOR_MAIN, MAIN, Hub
from zedops.objects import NO_OBJECT
from zedops.repository import Repository

#: What people may push, beside what makes main.
_PEOPLES = ("refs/heads/", "refs/tags/", "refs/notes/", "refs/for/")


def wrong(
    hub: Hub, repository: Repository, new: str, ref: str, all_refs: Collection[str]
) -> Problem | None:
    """Say what is wrong with moving a ref to an object; `all_refs` are those of the same push."""
    fact, remedy = _wrong(hub, repository, new, ref, all_refs)
    return Problem(ref, 0, 0, "", fact, remedy) if fact else None


def _wrong(
    hub: Hub, repository: Repository, new: str, ref: str, all_refs: Collection[str]
) -> tuple[str, str]:
    if ref.startswith("refs/zedops/"):
        return "belongs to zedops itself", "push to main"
    if not ref.startswith(_PEOPLES):
        # of these git would read other objects in the place of main's: refs/replace/
        return "is neither a branch nor a tag", "push to main"
    if ref.startswith("refs/for/") and ref != FOR_MAIN:
        return "is no branch of a fleet", f"push to {FOR_MAIN}"
    if ref not in (MAIN, FOR_MAIN):
        return _misnamed(hub, ref, all_refs) if new != NO_OBJECT else "", "choose another name"
    if upstream := hub.upstream:
        return f"this hub follows {redact(upstream)}", "push there"
    if new == NO_OBJECT:
        fact = "is where pushes come in: there is nothing to delete"
        return fact if ref == FOR_MAIN else "", "push a commit to it"
    if (kind := repository.kind(new)) not in ("commit", ""):
        fact = f"a {kind} cannot be merged into main; it takes a commit"
        return fact, f"push what it names: `git push origin 'NAME^{{commit}}:{ref}'`"
    return "", ""


def _misnamed(hub: Hub, ref: str, all_refs: Collection[str]) -> str:
    """Find a name that git could take for another ref (gitrevisions(7))."""
    folder, _, name = ref.removeprefix("refs/").partition("/")
    other = {"tags": f"refs/heads/{name}", "heads": f"refs/tags/{name}"}.get(folder)
    if other is None:
        return ""
    if name == "HEAD" or name.startswith("refs/") or other == MAIN:
        return "has a name that git could take for another one"
    return f"is called like {other}" if hub.has(other) or other in all_refs else ""
