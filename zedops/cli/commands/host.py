"""`zedops host`: the hosts of a fleet, and their invitations."""

from __future__ import annotations

from datetime import datetime

import click

from zedops.cli.completion_types import HOST
from zedops.cli.find import here
from zedops.cli.output import local, show_json, table
from zedops.cli.push import ask as confirm
from zedops.clone.act import check_author
from zedops.clone.checkout import REMOTE_MAIN
from zedops.clone.clone import Clone
from zedops.clone.verbs import Act, check_host, name_host, unname_host
from zedops.control.hosts import ask, asking
from zedops.errors import HostUnavailable, UsageError
from zedops.queries import hosts
from zedops.queries.output import HostRow, Invitation
from zedops.spec.layout import SETTINGS_PATH
from zedops.spec.quantities import format_duration, parse_duration


@click.group("host")
def host_command() -> None:
    """Add, list and remove the hosts of a fleet.

    \b
    zedops host add attic       prints the command to run on the new host
    zedops host list
    zedops host remove attic
    """


@host_command.command("add")
@click.argument("name")
@click.option("--ttl", default="1h", show_default=True, help="How long the token may be used.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add_command(name: str, ttl: str, as_json: bool) -> None:
    """Let a host join: names it in zedops.yaml and prints a token that works once."""
    check_host(name)
    try:
        ttl_s = parse_duration(ttl)
    except ValueError as error:
        raise UsageError(f"--ttl {ttl}: {error}") from error
    clone = here()
    check_author(clone.repository)  # before the token: a token that is made and never shown is lost
    token = ask(clone, {"do": "host-add", "host": name, "ttl_s": ttl_s})["token"]
    if name not in clone.settings().hosts:
        _push(clone, name_host(_settings(clone), clone.settings(), name))
    if as_json:
        show_json(Invitation(name, token, ttl_s))
        return
    click.echo(f"on {name}, within {format_duration(ttl_s)}, run:\n", err=True)
    click.echo(f"zedops agent join {token}")


@host_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """List the fleet's hosts: who answers, which release, how many servers."""
    clone = here()
    rows = _rows(clone)
    if as_json:
        show_json(rows)
        return
    table(
        ["HOST", "SERVERS", "ANSWERS", "LAST HEARD", "JOINED", "ZEDOPS", "ENGINE"],
        [
            [each.name, str(each.servers), "yes" if each.answers else "no", _ago(each.quiet_s),
             _joined(each.joined), each.zedops or "-", each.engine or "-"]
            for each in rows
        ],
        "the fleet has no hosts",
    )  # fmt: skip


@host_command.command("remove")
@click.argument("name", type=HOST)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def remove_command(name: str, yes: bool) -> None:
    """Remove a host at once, or take its invitation back.

    The manager cuts the host off, and its unused token is void. Its servers become unknown and go
    on running. If no server names the host, it leaves zedops.yaml, too.
    """
    clone = here()
    fleet = clone.fleet()
    known = fleet.settings.hosts
    servers = hosts.servers_of(fleet, name)
    names = f" Its servers ({', '.join(servers[:5])}) become unknown." if servers else ""
    confirm(f"Remove host {name}?{names} Its containers and data stay as they are.", yes=yes)
    was_in = ask(clone, {"do": "host-remove", "host": name}).get("was_in", True)
    if not was_in and name not in known:
        raise UsageError(f"no host {name!r}; the fleet has {', '.join(known)}")
    fact = "is cut off, and its token is void" if was_in else "had not joined and has no token"
    click.echo(f"{name} {fact}; `zedops host add {name}` lets it in again")
    if servers:
        click.echo(f"it stays in zedops.yaml while it has servers: {', '.join(servers)}")
    elif list(known) == [name]:
        click.echo("it stays in zedops.yaml: a fleet has at least one host")
    elif name in known:
        _push(clone, unname_host(_settings(clone), name))


def _rows(clone: Clone) -> list[HostRow]:
    fleet = clone.fleet()
    try:
        said = ask(clone, {"do": "host-list", "hosts": list(fleet.settings.hosts)})
    except HostUnavailable:
        said = {"joined": {}, "quiet_s": {}}  # without a manager, only the fleet's files are known
    return hosts.hosts(fleet, said["joined"], said["quiet_s"], asking(clone))


def _push(clone: Clone, made: Act) -> None:
    clone.act(made.files, made.message)


def _settings(clone: Clone) -> bytes:
    return clone.contents(REMOTE_MAIN, [SETTINGS_PATH])[SETTINGS_PATH] or b""


def _joined(at: str | None) -> str:
    return local(datetime.fromisoformat(at)) if at else "-"


def _ago(seconds: float | None) -> str:
    return "-" if seconds is None else f"{format_duration(seconds)} ago"
