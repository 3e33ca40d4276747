"""`zedops schema`: JSON Schema for editors."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from zedops.clone import Clone
from zedops.fleet import SERVERS, SETTINGS_PATH
from zedops.schema import definition_schema, settings_schema

#: Where `--write` puts them; no part of the fleet itself.
_FOLDER = "schemas"
_LINE = "# yaml-language-server: $schema="


@click.command("schema")
@click.option("--settings", is_flag=True, help="Of zedops.yaml instead of a definition.")
@click.option("--write", is_flag=True, help=f"Put both into {_FOLDER}/ of this clone.")
def schema_command(settings: bool, write: bool) -> None:
    """Print the JSON Schema of a definition, so that editors complete and check.

    With --write, it says the line that goes on top of each file; editors with the YAML language
    server (VS Code, Neovim, Helix, …) follow it.

    \b
    zedops schema --write && git add schemas
    zedops schema > /tmp/s.json; check-jsonschema --schemafile /tmp/s.json servers.d/*.yaml
    """
    if not write:
        click.echo(_text(settings_schema() if settings else definition_schema()), nl=False)
        return
    root = Clone.checkout(Path.cwd()).root
    folder = root / _FOLDER
    folder.mkdir(exist_ok=True)
    for name, made, file in (
        ("definition.json", definition_schema(), f"{SERVERS}/NAME.yaml"),
        ("settings.json", settings_schema(), SETTINGS_PATH),
    ):
        (folder / name).write_text(_text(made))
        way = os.path.relpath(folder / name, (root / file).parent)
        click.echo(f"{file}: {_LINE}{way}")


def first_line(root: Path) -> str:
    """Give what goes on top of a new definition, where the schema was written; else nothing."""
    there = (root / _FOLDER / "definition.json").is_file()
    return f"{_LINE}../{_FOLDER}/definition.json\n" if there else ""


def _text(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
