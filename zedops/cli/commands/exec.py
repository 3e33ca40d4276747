"""`zedops exec`: a command in a server's container."""

from __future__ import annotations

import re

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.find import here
from zedops.cli.stream import stream
from zedops.errors import CommandFailed, UsageError

#: Options that people know from docker and kubectl.
_TERMINAL = ("-it", "-ti", "-i", "-t", "--interactive", "--tty")


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("server", type=SERVER)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_command(server: str, command: tuple[str, ...]) -> None:
    """Run a command in a server's container, on any host, and show its output.

    zedops exits with the command's exit code. The command gets no input and no terminal.

    \b
    zedops exec rosewood -- rcon-cli players
    """
    if command[0] in _TERMINAL or server in _TERMINAL:
        raise UsageError(_no_terminal([each for each in (server, *command)
                                       if each not in _TERMINAL]))
    try:
        stream(server, {"kind": "exec", "command": list(command)})
    except CommandFailed as error:
        code = re.search(r"code (\d+)$", str(error))
        raise SystemExit(int(code[1]) if code else 1) from error


def _no_terminal(words: list[str]) -> str:
    """Write the `docker exec` line for a command that needs input."""
    server, *command = words
    container = f"{here().settings().name}-{server}"
    typed = " ".join(["docker exec -it", container, *(command or ["sh"])])
    return f"exec gives a command no input and no terminal; on the server's host: `{typed}`"
