"""`zedops exec`: a command in a server's container."""

from __future__ import annotations

import re

import click

from zedops.calls import ExecRequest
from zedops.cli.ask import ask
from zedops.cli.names import SERVER
from zedops.cli.output import echo_raw
from zedops.cli.screen import find_server, here
from zedops.errors import CommandFailed, ZedopsError


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("server", type=SERVER)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_command(server: str, command: tuple[str, ...]) -> None:
    """Run a command in a server's container and show what it says, on whichever host that is.

    Its exit code is passed on. Nothing is typed into it: it has no input and no terminal.

    \b
    zedops exec rosewood -- rcon-cli players
    """
    clone = here()
    each = find_server(clone.fleet(), server)
    if each.id is None:
        raise ZedopsError(f"{server} has not been taken up yet; try again in a moment")
    wanted = ExecRequest(server_id=each.id, command=command)
    request = {"do": "stream", "request": wanted.model_dump(mode="json")}
    try:
        ask(clone, request, echo_raw)
    except CommandFailed as error:
        code = re.search(r"code (\d+)$", str(error))
        raise SystemExit(int(code[1]) if code else 1) from error
