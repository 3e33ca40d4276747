"""`zedops purge`: let go of a deleted server for good."""

from __future__ import annotations

import sys

import click

from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.find import here
from zedops.cli.output import WAIT
from zedops.cli.push import act, ask
from zedops.clone import verbs
from zedops.errors import UsageError
from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of


@click.command("purge")
@click.argument("server", type=ANY_SERVER)
@click.option("--data", is_flag=True, help="Remove its data on the host, too. No way back.")
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask, for a deleted server.")
@click.option("--confirm", metavar="NAME", help="Its name, for a server that is not deleted yet.")
def purge_command(server: str, data: bool, wait: bool, yes: bool, confirm: str | None) -> None:
    """Let go of a deleted server before its retention ends.

    Without --data only its file goes, and its data stays on its host. With --data, zedops also
    stops and removes a server that is not deleted yet: type its name, or give --confirm.

    \b
    zedops purge rosewood
    zedops purge rosewood --data
    """
    clone = here()
    fleet = clone.fleet()
    each = _find(fleet, server)
    buried = kind_of(each.path) is Kind.TOMBSTONE
    if data and not buried:
        _ask_name(server, confirm, yes=yes)
    elif data:
        ask(f"Remove {server} AND ITS DATA on its host? This cannot be undone.", yes=yes)
    if data:
        act(clone, verbs.purge_data(each), server, wait=wait, ends=True)
        return
    forgets = verbs.forget(each)
    ask(f"Forget {server}? Its data stays on its host, but nothing leads to it.", yes=yes)
    act(clone, forgets, server, wait=False)


def _ask_name(server: str, confirm: str | None, *, yes: bool) -> None:
    """Require the name of a server that is not deleted, so that no slip removes a world."""
    fact = f"{server} is not deleted: it would be stopped and removed with its data at once"
    if confirm is None and not yes and sys.stdin.isatty():
        click.echo(f"{fact}. This cannot be undone.", err=True)
        confirm = click.prompt("Type its name to go on", default="", show_default=False)
    if confirm != server:
        remedy = f"say so with `--confirm {server}`, or begin with `zedops delete {server}`"
        raise UsageError(f"{fact}; {remedy}")


def _find(fleet: Fleet, server: str) -> Document:
    every = [*fleet.tombstones(), *fleet.servers()]
    found = next((each for each in every if each.name == server), None)
    if found is None:
        raise UsageError(f"no server {server!r}, deleted or not; see `zedops list --all`")
    return found
