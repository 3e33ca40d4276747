"""Writes the reference pages out of the program itself, so that they cannot go stale.

    python docs/generate.py

`tests/pure/test_docs.py` fails where a page differs from what this would write.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from zedops.cli import cli

REFERENCE = Path(__file__).parent / "reference"
_WIDTH = 92


def pages() -> dict[str, str]:
    """Make every page, by file name."""
    return {"cli.md": command_line()}


def command_line() -> str:
    """Describe every command as `--help` does."""
    parts = ["# The command line", "", "What `zedops COMMAND --help` says, all of it.", ""]
    for path, command in _commands(cli, ("zedops",)):
        context = click.Context(
            command, info_name=" ".join(path), terminal_width=_WIDTH, max_content_width=_WIDTH,
            help_option_names=["-h", "--help"],
        )
        parts += [f"## {' '.join(path)}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(parts)


def _commands(
    group: click.Group, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group, info_name=path[-1])
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name  # noqa: S101 - a list that names what is not there
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)
