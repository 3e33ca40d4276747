"""All commands and options as data, so that a shell's TAB and `--help` load no command.

`docs/generate.py` writes `command_index.json` from the commands, and a test fails if it is out of
date.
Commands made from it serve completion, and do nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from zedops.cli.completion_types import KINDS, Named

FILE = Path(__file__).with_suffix(".json")
_HELP = {"help_option_names": ["-h", "--help"]}


def read() -> dict[str, Any]:
    """Read `command_index.json`: commands by their words; empty if the file cannot be read."""
    try:
        return dict(json.loads(FILE.read_bytes()))
    except (OSError, ValueError):
        return {}


def write(command: click.Command) -> str:
    """Write a command and its subcommands as JSON, one on each line."""
    lines = [f"{json.dumps(words)}: {json.dumps(each, ensure_ascii=False)}"
             for words, each in _describe(command, "")]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def make(name: str, known: dict[str, Any], words: str = "") -> click.Command:
    """Make the command of those words, and its subcommands."""
    described = known[words]
    params = [_make_param(each) for each in described["params"]]
    below = [each for each in known if each and each.rpartition(" ")[0] == words]
    if not below:
        return click.Command(name, params=params, help=described["help"], context_settings=_HELP)
    made = [make(each.rpartition(" ")[2], known, each) for each in below]
    return click.Group(
        name, commands=made, params=params, help=described["help"], context_settings=_HELP
    )


def _describe(command: click.Command, words: str) -> Iterator[tuple[str, dict[str, Any]]]:
    params = [_param(each) for each in command.params if not getattr(each, "hidden", False)]
    yield words, {"help": command.get_short_help_str(limit=90), "params": params}
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=command.name)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _describe(below, f"{words} {name}".strip())


def _param(param: click.Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {"name": param.name}
    if isinstance(param, click.Option):
        made["options"] = [*param.opts, *param.secondary_opts]
        made["help"] = (param.help or "").partition(". ")[0].removesuffix(".")
        made |= {"flag": True} if param.is_flag else {}
    if param.nargs != 1:
        made["nargs"] = param.nargs
    made |= {"multiple": True} if param.multiple else {}
    match param.type:
        case Named():
            made["kind"] = param.type.name
        case click.Choice():
            made["choices"] = list(param.type.choices)
        case click.Path():
            made["path"] = "file" if param.type.file_okay else "dir"
    return made


def _make_param(described: dict[str, Any]) -> click.Parameter:
    kind: click.ParamType[Any] = click.UNPROCESSED
    if "kind" in described:
        kind = KINDS[described["kind"]]
    elif "choices" in described:
        kind = click.Choice(described["choices"])
    elif "path" in described:
        kind = click.Path(file_okay=described["path"] == "file")
    name, nargs = described["name"], described.get("nargs", 1)
    if "options" not in described:
        return click.Argument([name], type=kind, nargs=nargs, required=False)
    names, about = [name, *described["options"]], described["help"]
    if described.get("flag"):
        return click.Option(names, is_flag=True, help=about)
    multiple = described.get("multiple", False)
    return click.Option(names, type=kind, nargs=nargs, help=about, multiple=multiple)
