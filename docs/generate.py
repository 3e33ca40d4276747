"""Writes the reference pages, the grammar for completion and the schemas from the program.

    python docs/generate.py

`tests/pure/test_docs.py` fails if a committed page differs from the output of this script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import click

from zedops.cli import command_index
from zedops.cli.commands import schema
from zedops.cli.main import cli
from zedops.queries.output import SHAPES
from zedops.scaffold.compose import accounts
from zedops.spec.schema import definition_schema, settings_schema

REFERENCE = Path(__file__).parent / "reference"
_WIDTH = 92


def pages() -> dict[str, str]:
    """Make every page, by file name."""
    return {
        "cli.md": command_line(),
        "compose.md": compose_keys(),
        "definition.md": fields("A definition", "servers.d/NAME.yaml", definition_schema()),
        "json.md": outputs(),
        "settings.md": fields("The settings", "zedops.yaml", settings_schema()),
    }


def schemas() -> dict[str, str]:
    """Make the schemas that `zedops schema` prints, by file name."""
    made = {"definition.json": definition_schema(), "settings.json": settings_schema()}
    return {name: json.dumps(each, indent=2, ensure_ascii=False) + "\n"
            for name, each in made.items()}


def command_line() -> str:
    """Describe every command as `--help` does."""
    parts = ["# The command line", "", "The `--help` of every command.", ""]
    for path, command in _commands(cli, ("zedops",)):
        context = click.Context(
            command, info_name=" ".join(path), terminal_width=_WIDTH, max_content_width=_WIDTH,
            help_option_names=["-h", "--help"],
        )
        parts += [f"## {' '.join(path)}", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(parts)


def compose_keys() -> str:
    """Describe what an import makes of each key of a compose file's service."""
    rows = {key: f"becomes {made}" if made.startswith("`") else made
            for key, made in accounts.BECOMES.items()}
    rows |= dict.fromkeys(accounts.HARMLESS, "says nothing about the container")
    rows |= {key: f"named: {loss}" for key, loss in accounts.DIFFERS.items() if key not in rows}
    rows |= {key: f"refused: {why}" for key, why in accounts.REFUSED.items()}
    return "\n".join([
        "# The keys of a compose file", "",
        "What `zedops import` makes of each key of a service. *Named*: the import goes on and says",
        "what will differ, also in the definition. *Refused*: zedops leaves the service out, as",
        "it would be another program, other data or another network. See [Compose](../compose.md).",
        "", "| key | import |", "| --- | --- |",
        *(f"| `{key}` | {rows[key]} |" for key in sorted(rows)), "",
    ])


def outputs() -> str:
    """Describe the fields of every `--json`."""
    parts = [
        "# The fields of --json", "",
        "Times are UTC, as in `2026-11-23T08:12:20Z`. `null` means that there is no value, or that",
        "zedops could not see it. New fields may come; present ones keep their meaning.", "",
    ]
    told: list[str] = []
    for command, shape in SHAPES.items():
        parts += [f"## zedops {command} --json", ""]
        known = next((each for each in told if SHAPES[each] == shape), None)
        parts += [f"The same as `zedops {known} --json`."] if known else [*_shape(shape)]
        parts += [""]
        told.append(command)
    return "\n".join(parts)


def _shape(shape: Any) -> Iterator[str]:
    """Describe one shape, and the shapes within it below."""
    inner = get_args(shape)[0] if get_origin(shape) is list else shape
    if not is_dataclass(inner):
        yield {list[int]: "A list of numbers.", dict[str, int]: "Numbers by key."}[shape]
        return
    what = (inner.__doc__ or "").removesuffix(".")
    yield f"A list; of each: {what[0].lower()}{what[1:]}." if inner is not shape else f"{what}."
    yield ""
    yield "| field | type | meaning |"
    yield "| --- | --- | --- |"
    below = []
    for name, hint in get_type_hints(inner, include_extras=True).items():
        kind, about = get_args(hint) if get_origin(hint) is Annotated else (hint, "")
        one = get_args(kind)[0] if get_origin(kind) is list else kind
        below += [one] if is_dataclass(one) else []
        yield f"| `{name}` | {_type(kind)} | {about} |"
    for each in below:
        yield f"\nOf {each.__doc__}\n"
        yield from list(_shape(each))[2:]


def _type(kind: Any) -> str:
    if is_dataclass(kind):
        return "object"
    origin, inner = get_origin(kind), get_args(kind)
    if origin is list:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "object"
    if inner:
        return " or ".join(_type(each) for each in inner)
    words = {str: "text", int: "number", float: "number", bool: "true, false", NoneType: "null"}
    return words.get(kind, "any")


def fields(title: str, path: str, schema: dict[str, Any]) -> str:
    """Describe every field of a schema, and of its parts below."""
    about = f"The fields of `{path}`. `zedops schema` prints them for editors."
    parts = [f"# {title}", "", about, ""]
    parts += _table(schema)
    for name, part in schema.get("$defs", {}).items():
        if "properties" in part:
            about = part.get("description", "")
            parts += [f"## {name.lower()}", "", *([about, ""] if about else []), *_table(part)]
    return "\n".join(parts)


def _table(schema: dict[str, Any]) -> list[str]:
    needed = set(schema.get("required", []))
    rows = ["| field | meaning | e.g. | default |", "| --- | --- | --- | --- |"]
    for name, field in schema["properties"].items():
        examples = field.get("examples") or []
        shown = f"`{_plain(examples[0])}`" if examples else ""
        default = "required" if name in needed else ""
        if field.get("default") not in (None, [], {}):
            default = f"`{_plain(field['default'])}`"
        rows.append(f"| `{name}` | {field.get('description', '')} | {shown} | {default} |")
    return [*rows, ""]


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|").replace("\n", " ")


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
    schema.MADE.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (schema.MADE / name).write_text(text)
    command_index.FILE.write_text(command_index.write(cli))
