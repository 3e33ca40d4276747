"""`zedops purge`: let go of deleted servers for good."""

from __future__ import annotations

import sys

import click

from zedops.cli.act_plan import preview
from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.find import here
from zedops.cli.output import WAIT
from zedops.cli.push import act, ask
from zedops.cli.selection import listed, selects, to_purge, wish
from zedops.clone import verbs
from zedops.errors import UsageError
from zedops.fleet.selection import unconfirmed
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of


@click.command("purge")
@selects(ANY_SERVER, "deleted server")
@click.option("--data", is_flag=True, help="Remove their data on the host, too. No way back.")
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask, for deleted servers that are named.")
@click.option("--confirm", "confirmed", metavar="NAME", multiple=True,
              help="The name of a server that is not deleted yet, or not named above; repeat.")
def purge_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, data: bool, wait: bool, yes: bool, confirmed: tuple[str, ...],
) -> None:
    """Let go of deleted servers before their retention ends.

    Without --data only the file goes, and the data stays on its host. With --data, zedops also
    stops and removes a server that is not deleted yet, if it is named. Type each name, or give
    --confirm for each, where data goes and the server is not deleted or was not named.

    \b
    zedops purge rosewood
    zedops purge rosewood --data
    """
    clone = here()
    wanted = wish(servers, every, hosts, labels)
    fleet, chosen = to_purge(clone, wanted)
    make = verbs.purge_data if data else verbs.forget
    made = verbs.together("purge with data" if data else "purge", [make(each) for each in chosen])
    if dry_run:
        preview(clone, made)
        return
    if data:
        asked = unconfirmed(chosen, fleet.servers(), wanted.names, confirmed)
        _ask_names(chosen, asked, yes=yes)
        _ask_data([each for each in chosen if _is_deleted(each) and each.name in wanted.names
                   and each.name not in confirmed], yes=yes)
    else:
        whose = "Its data stays on its host" if len(chosen) == 1 else "Their data stays"
        ask(f"Forget {listed(chosen)}? {whose}, but nothing leads to it.", yes=yes)
    act(clone, made, *(each.name for each in chosen), wait=wait and data, ends=True)


def _is_deleted(each: Document) -> bool:
    return kind_of(each.path) is Kind.TOMBSTONE


def _ask_data(chosen: list[Document], *, yes: bool) -> None:
    if chosen:
        whose = "ITS DATA on its host" if len(chosen) == 1 else "THEIR DATA on their hosts"
        ask(f"Remove {listed(chosen)} AND {whose}? This cannot be undone.", yes=yes)


def _ask_names(chosen: list[Document], asked: list[str], *, yes: bool) -> None:
    """Require each name, so that no slip removes a world. UsageError without it."""
    deleted = {each.name for each in chosen if _is_deleted(each)}
    for name in asked:
        fact = f"{name} is not deleted: it would be stopped and removed with its data at once"
        remedy = f"say so with `--confirm {name}`, or begin with `zedops delete {name}`"
        if name in deleted:
            fact = f"{name} would be removed with its data at once"
            remedy = f"say so with {' '.join(f'`--confirm {each}`' for each in asked)}"
        said = None
        if not yes and sys.stdin.isatty():
            click.echo(f"{fact}. This cannot be undone.", err=True)
            said = click.prompt("Type its name to go on", default="", show_default=False)
        if said != name:
            raise UsageError(f"{fact}; {remedy}")
