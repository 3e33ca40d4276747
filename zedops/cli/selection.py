"""The options by which every act chooses its servers, and the servers that they choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from zedops.cli.completion_types import HOST, Named
from zedops.cli.find import find_server, one_server
from zedops.clone.clone import Clone
from zedops.errors import UsageError, ZedopsError
from zedops.fleet import selection
from zedops.fleet.fleet import Fleet
from zedops.fleet.selection import Wish
from zedops.spec.document import Document
from zedops.spec.state import Status

F = TypeVar("F", bound=Callable[..., Any])


def selects(kind: Named, which: str) -> Callable[[F], F]:
    """Add the arguments of a selection to a command; `wish` reads them."""
    options = [
        click.argument("servers", nargs=-1, type=kind, metavar="[SERVER|FOLDER/]..."),
        click.option("--all", "every", is_flag=True, help=f"Every {which}."),
        click.option("--host", "hosts", multiple=True, type=HOST,
                     help="Only those of a host; repeat."),
        click.option("--label", "labels", multiple=True, metavar="KEY[=VALUE]",
                     help="Only those with a label; repeat."),
        click.option("--dry-run", is_flag=True, help="Show what it would do. Changes nothing."),
    ]

    def add(command: F) -> F:
        for each in reversed(options):
            command = each(command)
        return command

    return add


def wish(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...]
) -> Wish:
    """Read the arguments of a selection. UsageError without one."""
    return selection.wish(servers, every=every, hosts=hosts, labels=labels)


def living(clone: Clone, wanted: Wish) -> tuple[Fleet, list[Document]]:
    """Choose among the servers that are not deleted."""
    if wanted.one:
        fleet, each = one_server(clone, wanted.one)
        return fleet, [each]
    fleet = clone.fleet()
    return fleet, _choose(fleet, fleet.servers(), wanted)


def to_retry(clone: Clone, wanted: Wish) -> tuple[Fleet, list[Document]]:
    """Choose among living servers, and deleted ones whose end has not succeeded yet."""
    fleet = clone.read_servers([wanted.one]) if wanted.one else clone.fleet()
    alive = {each.name for each in fleet.servers()}
    ending = [each for each in fleet.tombstones()
              if each.name not in alive and each.definition is not None
              and each.state and each.state.status is Status.DELETING]
    if wanted.one and not ending:
        return living(clone, wanted)
    return fleet, _choose(fleet, [*fleet.servers(), *ending], wanted)


def deleted(clone: Clone, wanted: Wish) -> tuple[Fleet, list[Document]]:
    """Choose among deleted servers; each counts to the folder that it was in."""
    fleet = clone.read_servers([wanted.one]) if wanted.one else clone.fleet()

    def unknown(name: str) -> str:
        kept = ", ".join(sorted(each.name for each in clone.fleet().tombstones())) or "none"
        return f"no deleted server {name!r}; deleted and still kept: {kept}"

    pool = _graves(clone, fleet, wanted)
    return fleet, selection.select(pool, pool, wanted, unknown)


def to_purge(clone: Clone, wanted: Wish) -> tuple[Fleet, list[Document]]:
    """Choose by name among all servers, otherwise among the deleted ones only."""
    fleet = clone.fleet()
    pool = _graves(clone, fleet, wanted)
    named = [*pool, *selection.candidates(fleet, fleet.servers())]
    return fleet, selection.select(
        named, pool, wanted,
        lambda name: f"no server {name!r}, deleted or not; see `zedops list --all`",
    )


def check_readable(chosen: Iterable[Document]) -> None:
    """Raise ZedopsError with every problem of definitions that cannot be read."""
    problems = [str(one) for each in chosen if each.definition is None for one in each.problems]
    if problems:
        raise ZedopsError("\n".join(problems))


def listed(documents: Iterable[Document]) -> str:
    """Name servers in a sentence."""
    return ", ".join(each.name for each in documents)


def _choose(fleet: Fleet, documents: Iterable[Document], wanted: Wish) -> list[Document]:
    pool = selection.candidates(fleet, documents)

    def unknown(name: str) -> str:
        try:
            find_server(fleet, name)
        except UsageError as error:
            return str(error)
        return f"no server {name!r}"

    return selection.select(pool, pool, wanted, unknown)


def _graves(clone: Clone, fleet: Fleet, wanted: Wish) -> list[selection.Candidate]:
    """Describe deleted servers; only a wish for a folder asks git where each was."""

    def was_in(each: Document) -> str:
        return selection.folder(clone.last_place(each.name)) if wanted.folders else ""

    return selection.candidates(fleet, fleet.tombstones(), was_in)
