"""`zedops start`, `stop`, `restart`, `rebuild`, `retry`: edits of one line of a definition."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from zedops import state_block
from zedops.cli.act import act
from zedops.cli.names import SERVER
from zedops.cli.output import WAIT
from zedops.cli.screen import here, one_server
from zedops.edit import set_field
from zedops.errors import ZedopsError


@click.command("start")
@click.argument("server", type=SERVER)
@WAIT
def start_command(server: str, wait: bool) -> None:
    """Start a stopped server.

    \b
    zedops start rosewood --wait
    """
    _set(server, "desired", "running", "start", wait=wait)


@click.command("stop")
@click.argument("server", type=SERVER)
@WAIT
def stop_command(server: str, wait: bool) -> None:
    """Stop a server gracefully and leave it stopped.

    \b
    zedops stop rosewood
    """
    _set(server, "desired", "stopped", "stop", wait=wait)


@click.command("restart")
@click.argument("server", type=SERVER)
@WAIT
def restart_command(server: str, wait: bool) -> None:
    """Stop and start a server once, gracefully.

    \b
    zedops restart rosewood --wait
    """
    _set(server, "restart", _now(), "restart", wait=wait)


@click.command("rebuild")
@click.argument("server", type=SERVER)
@WAIT
def rebuild_command(server: str, wait: bool) -> None:
    """Pull the newest image of a server's tag and recreate it once; its data is kept.

    \b
    zedops rebuild rosewood --wait
    """
    _set(server, "rebuild", _now(), "rebuild", wait=wait)


@click.command("retry")
@click.argument("server", type=SERVER)
@WAIT
def retry_command(server: str, wait: bool) -> None:
    """Try a failed server again as it is defined.

    \b
    zedops retry rosewood --wait
    """
    _set(server, "restart", _now(), "retry", wait=wait)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _set(server: str, key: str, value: str, verb: str, *, wait: bool) -> None:
    clone = here()
    _, each = one_server(clone, server)
    if each.definition is None:
        raise ZedopsError("\n".join(str(problem) for problem in each.problems))
    if str(getattr(each.definition, key)) == value:
        click.echo(f"{server} is to be {value} already")
        return
    content = state_block.render(set_field(each, key, value), each.state)
    act(clone, {each.path: content}, f"{server}: {verb}", server, wait=wait)
