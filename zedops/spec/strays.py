"""Finds files that look like definitions but lie in a wrong place or have a wrong name.

Pure. zedops reads `servers.d/**/NAME.yaml` and ignores similar paths; a push with such a file gets
a warning, not a refusal. Imports little: `edits` calls it for each changed path.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from zedops.errors import Problem
from zedops.spec.layout import PRESETS, SERVERS, TOMBSTONES, Kind, kind_of

_OURS = (SERVERS, TOMBSTONES, PRESETS)
_YAML = re.compile(r"\.ya?ml\b", re.IGNORECASE)
#: A key at the left edge of a definition or a preset; a compose file has it indented.
_DEFINES = re.compile(rb"^(image|game|preset):", re.MULTILINE)
#: `server.d`, `servers`, `Servers.d` and `severs.d` are as close as this; `services` is not.
_CLOSE = 0.8


def is_suspect(path: str) -> bool:
    """Say whether a file's path is close to that of a definition, but is not one."""
    *folders, file = path.split("/")
    if kind_of(path) is not Kind.OTHER or file.startswith("."):
        return False
    if folders and folders[0] in _OURS:
        return bool(_YAML.search(file)) or ("." not in file and file.lower() == file)
    return bool(_YAML.search(file)) and (not folders or _meant(folders[0]) is not None)


def find(files: Mapping[str, object]) -> list[Problem]:
    """Warn of changed files (path → content) that look like definitions."""
    return [made for path, content in sorted(files.items())
            if isinstance(content, bytes) and is_suspect(path)
            and (made := _warning(path, content)) is not None]


def _warning(path: str, content: bytes) -> Problem | None:
    top, slash, rest = path.partition("/")
    folder = top if top in _OURS else SERVERS if not slash else _meant(top)
    if folder is None or not _DEFINES.search(content):
        return None
    name = _YAML.split((rest or top), maxsplit=1)[0]
    fact = f"looks like a definition, but zedops reads only {folder}/NAME.yaml"
    return Problem(path, 0, 0, "", fact, f"git mv {path} {folder}/{name}.yaml")


def _meant(folder: str) -> str | None:
    """Name the fleet's folder that this one resembles; None if there is none."""
    close = difflib.get_close_matches(folder.lower(), _OURS, n=1, cutoff=_CLOSE)
    return close[0] if close else None
