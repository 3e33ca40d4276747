"""Finds pushed paths that differ from a fleet file's only in capitals or accents. Pure.

File systems of macOS and Windows hold one of two such files. The other one then looks edited in
the working copy, and the next `git commit --all` there would push its content as this person's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator

from zedops.errors import Problem
from zedops.fleet.access import KEYS
from zedops.spec.layout import SETTINGS_PATH


def problems(paths: Iterable[str], documents: Collection[str]) -> Iterator[Problem]:
    """Refuse paths that fold to another file of the fleet; `documents` are its definitions."""
    odd = {path: folded for path in sorted(paths) if (folded := _folded(path)) != path}
    if not odd:
        return  # of two paths without capitals none folds to the other
    known = {_folded(each): each for each in (SETTINGS_PATH, *KEYS, *documents)}
    for path, folded in odd.items():
        other = known.get(folded, path)
        if other != path:
            fact = f"differs from {other} only in its capitals, which some file systems ignore"
            yield Problem(path, 0, 0, "", fact, "rename it")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
