"""`zedops start`, `stop`, `restart`, `rebuild`, `retry`: edits of one line of a definition."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.find import here, one_server
from zedops.cli.output import WAIT
from zedops.cli.push import act, wait_for
from zedops.clone import verbs
from zedops.clone.clone import Clone
from zedops.errors import ZedopsError
from zedops.spec.document import Document
from zedops.spec.state import Status


@click.command("start")
@click.argument("server", type=SERVER)
@WAIT
def start_command(server: str, wait: bool) -> None:
    """Start a stopped server.

    \b
    zedops start rosewood --wait
    """
    _set(server, "start", wait=wait)


@click.command("stop")
@click.argument("server", type=SERVER)
@WAIT
def stop_command(server: str, wait: bool) -> None:
    """Stop a server gracefully and leave it stopped.

    \b
    zedops stop rosewood
    """
    _set(server, "stop", wait=wait)


@click.command("restart")
@click.argument("server", type=SERVER)
@WAIT
def restart_command(server: str, wait: bool) -> None:
    """Stop and start a server once, gracefully.

    \b
    zedops restart rosewood --wait
    """
    _set(server, "restart", wait=wait)


@click.command("rebuild")
@click.argument("server", type=SERVER)
@WAIT
def rebuild_command(server: str, wait: bool) -> None:
    """Pull the newest image of a server's tag and recreate it once; its data is kept.

    \b
    zedops rebuild rosewood --wait
    """
    _set(server, "rebuild", wait=wait)


@click.command("retry")
@click.argument("server", type=SERVER)
@WAIT
def retry_command(server: str, wait: bool) -> None:
    """Try a failed server again as it is defined, or the end of one that stays `deleting`.

    \b
    zedops retry rosewood --wait
    """
    clone = here()
    grave = _ending(clone, server)
    if grave is None:
        _set(server, "retry", wait=wait)
    elif (made := verbs.change(grave, "retry", datetime.now(UTC))) is not None:
        act(clone, made, server, wait=wait, ends=True)


def _ending(clone: Clone, name: str) -> Document | None:
    """Find the tombstone of a server whose end has not succeeded yet, unless another one lives."""
    fleet = clone.read_server(name)
    if any(each.name == name for each in fleet.servers()):
        return None
    graves = [each for each in fleet.tombstones() if each.name == name]
    ending = (each for each in graves if each.state and each.state.status is Status.DELETING)
    return next((each for each in ending if each.definition is not None), None)


def _set(server: str, verb: str, *, wait: bool) -> None:
    clone = here()
    _, each = one_server(clone, server)
    now = datetime.now(UTC)
    if verb == "retry" and each.definition is not None and verbs.is_well(each.state):
        status = each.state.status if each.state else Status.PENDING
        remedy = f"`zedops restart {server}` restarts it"
        click.echo(f"{server} is {status}: nothing failed, so there is nothing to retry; {remedy}")
        return
    made = verbs.change(each, verb, now)
    key, value = verbs.wished(verb, now)
    if made is not None:
        act(clone, made, server, wait=wait)
    elif key == "desired":
        _say_already(clone, each, value, wait=wait)
    else:
        click.echo(f"{server}: a {verb} was asked for already, in this second")


def _say_already(clone: Clone, each: Document, value: str, *, wait: bool) -> None:
    """Report that the definition asks for this already, and the server's present status."""
    status = each.state.status if each.state else Status.PENDING
    if status.value == value:
        click.echo(f"{each.name} is already {value}")
        return
    if status in (Status.FAILED, Status.MISSING):
        why = f": {each.state.message}" if each.state and each.state.message else ""
        remedy = f"`zedops retry {each.name}` tries again"
        fact = f"its definition already says {value}, and it is {status}{why}"
        raise ZedopsError(f"{each.name}: {fact}; {remedy}")
    click.echo(f"{each.name}: its definition already says {value}; now it is {status}")
    if wait:
        wait_for(clone, each.name, None)
