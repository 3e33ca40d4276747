"""Types of arguments: a server, a host, a preset; each lists the known names for completion.

A shell asks at every press of TAB, so this module uses no git, no network, no manager, and nothing
of zedops but `layout`. The names come from the files of the current working copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from zedops.spec.layout import NAME, PRESETS, SERVERS, SETTINGS_PATH, TOMBSTONES

_MAX_BYTES = 1 << 18


class Named(click.ParamType[str]):
    """An argument that names one kind of thing."""

    def __init__(self, name: str, find: Callable[[Path], Iterator[str]]) -> None:
        self.name = name
        self._find = find

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None  # noqa: ARG002
    ) -> str:
        """Return the text unchanged: the command checks that the thing exists."""
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str  # noqa: ARG002
    ) -> list[CompletionItem]:
        """List the names in the current clone."""
        top = _top(Path.cwd())
        names = {each for each in self._find(top) if each.startswith(incomplete)} if top else ()
        return [CompletionItem(each) for each in sorted(names)]


def _top(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return None


def _servers(top: Path) -> Iterator[str]:
    return _stems(top / SERVERS)


def _tombstones(top: Path) -> Iterator[str]:
    return _stems(top / TOMBSTONES)


def _any_servers(top: Path) -> Iterator[str]:
    yield from _servers(top)
    yield from _tombstones(top)


def _selected(top: Path) -> Iterator[str]:
    """List servers, and the folders that hold some: `attic/`."""
    yield from _servers(top)
    for folder, _, files in os.walk(top / SERVERS):
        parts = Path(folder).relative_to(top / SERVERS).parts
        # a folder of any other name may hold characters that control a terminal
        if parts and files and all(each.isprintable() and " " not in each for each in parts):
            yield "/".join(parts) + "/"


def _games(top: Path) -> Iterator[str]:
    from importlib import resources

    yield from _stems(Path(str(resources.files("zedops.spec"))) / "presets")
    yield from _stems(top / PRESETS)


def _stems(folder: Path) -> Iterator[str]:
    for _, _, files in os.walk(folder):
        for file in files:
            stem, dot, ending = file.rpartition(".")
            # a file of any other name is no server's: do not show that name on a terminal
            if dot and ending == "yaml" and NAME.fullmatch(stem):
                yield stem


def _hosts(top: Path) -> Iterator[str]:
    import yaml

    # others push files into a working copy: do not follow a link in it
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(os.open(top / SETTINGS_PATH, flags), "rb") as file:  # noqa: PTH123
        read = yaml.load(file.read(_MAX_BYTES), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    for each in read.get("hosts", ["local"]):
        if NAME.fullmatch(each):
            yield each


SERVER = Named("server", _servers)
SELECTED = Named("selected", _selected)
DELETED = Named("deleted", _tombstones)
ANY_SERVER = Named("any-server", _any_servers)
HOST = Named("host", _hosts)
GAME = Named("game", _games)
KINDS = {each.name: each for each in (SERVER, SELECTED, DELETED, ANY_SERVER, HOST, GAME)}
