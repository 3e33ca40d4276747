"""Reads the fleet at one commit from git into models; reads only changed files."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from zedops.fleet.fleet import Fleet, read_settings
from zedops.git.objects import FILE_MODE, Entry, FileChange
from zedops.git.repository import Repository
from zedops.spec import preset
from zedops.spec.document import Document, not_a_file, parse
from zedops.spec.layout import MAX_FILE_BYTES, SETTINGS_PATH, Kind, kind_of, preset_name
from zedops.spec.preset import Preset

_NONE: Mapping[str, Document] = MappingProxyType({})


def name_from(path: Path) -> str:
    """Name a fleet after its directory where its settings do not."""
    stem = path.name.removesuffix(".git").lower()
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in stem)
    return kept.strip("-")[:63] or "fleet"


def empty(default_name: str) -> Fleet:
    """Make a fleet with nothing in it and every setting at its default."""
    return Fleet(settings=read_settings(b"", default_name)[0], presets=shipped_presets())


@functools.cache
def shipped_presets() -> Mapping[str, Preset]:
    """Read the presets that come with zedops."""
    folder = Path(str(resources.files("zedops.spec"))) / "presets"
    files = sorted(folder.glob("*.yaml"))
    return {path.stem: preset.parse(f"zedops/spec/presets/{path.name}", path.read_bytes())
            for path in files}


def read(
    repository: Repository, commit: str, default_name: str, warm: Fleet | None = None,
    alike: Mapping[str, Document] = _NONE,
) -> tuple[Fleet, list[FileChange]]:
    """Read the fleet at a commit; reuses `warm`, a fleet at another commit.

    Returns the fleet and the changes since `warm`. The states of changed files come from the files.
    `alike` has documents that may equal the new ones, by path: see `document.parse`.
    """
    if warm is None or not warm.commit:
        warm = empty(default_name)
        changes = [FileChange(path, None, entry) for path, entry in repository.tree(commit).items()]
    elif warm.commit == commit:
        return warm, []
    else:
        changes = repository.changes(warm.commit, commit)
    files = {change.path: change.after for change in changes}
    return apply(repository, commit, default_name, warm, files, alike), changes


def read_some(repository: Repository, commit: str, default_name: str, *paths: str) -> Fleet:
    """Read the settings and a few documents; the returned fleet has no others."""
    entries = repository.tree(commit, SETTINGS_PATH, *paths)
    return apply(repository, commit, default_name, empty(default_name), entries)


def edited(
    repository: Repository, default_name: str, known: Fleet, base: str,
    files: Mapping[str, Entry | bytes | None],
) -> tuple[Fleet, Fleet]:
    """Read the fleet at the commit `base`, and that fleet with edited files.

    Reads only the files that differ from `known`.
    """
    before = read(repository, base, default_name, known)[0]
    return before, apply(repository, "", default_name, before, files)


def apply(
    repository: Repository,
    commit: str,
    default_name: str,
    fleet: Fleet,
    files: Mapping[str, Entry | bytes | None],
    alike: Mapping[str, Document] = _NONE,
) -> Fleet:
    """Replace files of a fleet; ignores files outside it. `alike` as in `read`."""
    mine = {path: each for path, each in files.items() if kind_of(path) is not Kind.OTHER}
    entries = [each for each in mine.values() if isinstance(each, Entry)]
    wanted = [each.blob for each in entries if each.is_file]
    blobs = repository.objects.blobs(wanted, most=MAX_FILE_BYTES)
    documents: dict[str, Document | None] = {}
    settings, problems, presets = fleet.settings, fleet.problems, dict(fleet.presets)
    for path, each in mine.items():
        content = blobs.get(each.blob, b"") if isinstance(each, Entry) else each
        mode = each.mode if isinstance(each, Entry) else FILE_MODE
        if kind_of(path) is Kind.SETTINGS:
            settings, problems = read_settings(content or b"", default_name)
            problems += not_a_file(path, mode)
        elif (name := preset_name(path)) is not None:
            presets.pop(name, None)
            made = preset.parse(path, content) if content is not None else None
            if made is not None and (refused := not_a_file(path, mode)):
                made = dataclasses.replace(made, problems=refused)
            if made := made or shipped_presets().get(name):
                presets[name] = made
        else:
            like = alike.get(path) or fleet.documents.get(path)
            documents[path] = None if content is None else parse(path, content, mode, like)
    updated = fleet.with_documents(documents)
    return Fleet(commit, settings, updated.documents, problems, presets)
