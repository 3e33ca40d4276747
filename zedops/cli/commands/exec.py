"""`zedops exec`: a command in a server's container."""

from __future__ import annotations

import re

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.stream import stream
from zedops.errors import CommandFailed

#: Other ways to say `-it` that people know from docker and kubectl.
_TERMINAL = ("-it", "-ti", "-i", "-t", "--interactive", "--tty")


@click.command("exec", context_settings={
    "ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-it", "terminal", is_flag=True, help="With a terminal: a shell, or another program.")
@click.argument("server", type=SERVER)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def exec_command(server: str, command: tuple[str, ...], terminal: bool) -> None:
    """Run a command in a server's container, on any host, and show its output.

    zedops exits with the command's exit code. The command gets no input; with -it it gets this
    terminal, and without a COMMAND it is a shell.

    \b
    zedops exec rosewood -- rcon-cli players
    zedops exec -it rosewood
    """
    words = [server, *command]
    while len(words) > 1 and (words[0] in _TERMINAL or words[1] in _TERMINAL):
        words.remove(next(each for each in words if each in _TERMINAL))
        terminal = True
    server, command = words[0], tuple(words[1:])
    if command[:1] == ("--",):  # click leaves it where options end with the first name
        command = command[1:]
    if terminal:
        from zedops.cli.terminal import run

        run(server, command)
        return
    if not command:
        raise click.UsageError("Missing argument 'COMMAND...'.")
    try:
        stream(server, {"kind": "exec", "command": list(command)})
    except CommandFailed as error:
        code = re.search(r"code (\d+)$", str(error))
        raise SystemExit(int(code[1]) if code else 1) from error
