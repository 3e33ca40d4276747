"""`zedops completion`: the shell's TAB knows commands, options, servers and hosts.

click writes the scripts and speaks with the shells. It completes from the grammar, because loading
a command takes too long. Errors stay silent: a shell would put them into the line being typed.
"""

from __future__ import annotations

import contextlib
import os
from typing import NoReturn

import click
from click.shell_completion import CompletionItem, get_completion_class

from zedops.cli import command_index

#: Set by a shell that completes a line (click, "Shell Completion").
VARIABLE = "_ZEDOPS_COMPLETE"
_SHELLS = ["bash", "zsh", "fish"]
_PROGRAM = "zedops"


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def completion_command(shell: str) -> None:
    """Print the script that makes a shell complete commands, options, servers and hosts.

    \b
    source <(zedops completion bash)            in this shell; in ~/.bashrc: in every one
    source <(zedops completion zsh)             the same for zsh, in ~/.zshrc after compinit
    zedops completion fish > ~/.config/fish/completions/zedops.fish
    """
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click knows all three
    click.echo(made(click.Group(), {}, _PROGRAM, VARIABLE).source(), nl=False)


def answer() -> NoReturn:
    """Answer a shell that completes a line, and exit."""
    with contextlib.suppress(Exception):
        shell = os.environ[VARIABLE].removesuffix("_complete")
        click.echo("\n".join(complete(shell)))
    raise SystemExit(0)


def complete(shell: str) -> list[str]:
    """Complete the line that a shell has put into the environment, in the form that it reads."""
    made = get_completion_class(shell)
    if made is None:
        return []
    speaker = made(command_index.make(_PROGRAM, command_index.read()), {}, _PROGRAM, VARIABLE)
    args, incomplete = speaker.get_completion_args()
    args = _joined(args) if shell == "bash" else args
    items = speaker.get_completions(args, incomplete)
    option, equals, _ = incomplete.partition("=")
    if shell != "bash" and equals and option.startswith("--"):
        # zsh and fish replace the whole word; bash begins a new one at "="
        items = [CompletionItem(f"{option}={each.value}", each.type, each.help) for each in items]
    return [speaker.format_completion(each) for each in items]


def _joined(args: list[str]) -> list[str]:
    """Join the words that bash splits: `--host`, `=`, `attic` (COMP_WORDBREAKS, bash(1))."""
    made: list[str] = []
    for each in args:
        if made and made[-1].startswith("--") and (each == "=" or made[-1].endswith("=")):
            made[-1] += each
        else:
            made.append(each)
    if made and made[-1].startswith("--"):
        made[-1] = made[-1].removesuffix("=")  # its value is the incomplete word
    return made
