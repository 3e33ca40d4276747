"""`zedops start`, `stop`, `restart`: edits of one line of a definition."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from zedops import document
from zedops.cli.act import act, waits
from zedops.cli.screen import find_server, here
from zedops.edit import set_field
from zedops.errors import ZedopsError


@click.command("start")
@click.argument("server")
@waits
def start_command(server: str, wait: bool) -> None:
    """Start a stopped server.

    \b
    zedops start rosewood --wait
    """
    _set(server, "desired", "running", wait=wait)


@click.command("stop")
@click.argument("server")
@waits
def stop_command(server: str, wait: bool) -> None:
    """Stop a server gracefully and leave it stopped.

    \b
    zedops stop rosewood
    """
    _set(server, "desired", "stopped", wait=wait)


@click.command("restart")
@click.argument("server")
@waits
def restart_command(server: str, wait: bool) -> None:
    """Stop and start a server once, gracefully.

    \b
    zedops restart rosewood --wait
    """
    _set(server, "restart", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", wait=wait)


def _set(server: str, key: str, value: str, *, wait: bool) -> None:
    clone = here()
    each = find_server(clone.fleet(), server)
    if each.definition is None:
        raise ZedopsError("\n".join(str(problem) for problem in each.problems))
    if str(getattr(each.definition, key)) == value:
        click.echo(f"{server} is to be {value} already")
        return
    content = document.render(set_field(each, key, value), each.state)
    verb = {"running": "start", "stopped": "stop"}.get(value, "restart")
    act(clone, {each.path: content}, f"{server}: {verb}", server, wait=wait)
