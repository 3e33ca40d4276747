"""`zedops purge`: let go of a deleted server for good."""

from __future__ import annotations

import sys

import click

from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.find import here
from zedops.cli.output import WAIT
from zedops.cli.push import act, ask
from zedops.clone.clone import Clone
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.spec import state_block
from zedops.spec.document import Document
from zedops.spec.edit import set_field
from zedops.spec.layout import Kind, kind_of, tombstone_path
from zedops.spec.state import Status


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
        _purge_data(clone, each, wait=wait)
        return
    if not buried or each.state is None or each.state.status is not Status.DELETED:
        raise ZedopsError(f"{server} is not deleted yet; `zedops delete {server}` comes first")
    ask(f"Forget {server}? Its data stays on its host, but nothing leads to it.", yes=yes)
    act(clone, {each.path: None}, f"{server}: purge", server, wait=False)


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


def _purge_data(clone: Clone, each: Document, *, wait: bool) -> None:
    """Request the purge in the tombstone; the same commit deletes a server that still lives."""
    grave = tombstone_path(each.name)
    files: dict[str, bytes | None] = {each.path: None} if each.path != grave else {}
    files[grave] = state_block.render(set_field(each, "purge", "data"), each.state)
    option = (f"allow-delete={each.name}",)
    act(clone, files, f"{each.name}: purge with its data", each.name, wait=wait, ends=True,
        options=option)
