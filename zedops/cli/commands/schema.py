"""`zedops schema`: JSON Schema for editors.

Prints the file that `docs/generate.py` wrote: to make it from the models takes three times as long.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import click

from zedops.clone import checkout
from zedops.spec.layout import SERVERS, SETTINGS_PATH

#: Folder of the generated schemas.
MADE = Path(str(resources.files("zedops.spec"))) / "schemas"
_DEFINITION, _SETTINGS = "definition.json", "settings.json"
#: Folder for `--write`; it is no part of the fleet itself.
_FOLDER = "schemas"
_LINE = "# yaml-language-server: $schema="


@click.command("schema")
@click.option("--settings", is_flag=True, help="Print the schema of zedops.yaml instead.")
@click.option("--write", is_flag=True, help=f"Write both schemas to {_FOLDER}/ of this clone.")
def schema_command(settings: bool, write: bool) -> None:
    """Print the JSON Schema of a definition, so that editors complete and check.

    With --write, it prints the first line to give each file; editors with the YAML language
    server (VS Code, Neovim, Helix, …) follow that line.

    \b
    zedops schema --write && git add schemas
    zedops schema > /tmp/s.json; check-jsonschema --schemafile /tmp/s.json servers.d/*.yaml
    """
    if not write:
        click.echo((MADE / (_SETTINGS if settings else _DEFINITION)).read_text(), nl=False)
        return
    root = checkout.find(Path.cwd()).path
    folder = root / _FOLDER
    folder.mkdir(exist_ok=True)
    for name, file in ((_DEFINITION, f"{SERVERS}/NAME.yaml"), (_SETTINGS, SETTINGS_PATH)):
        (folder / name).write_text((MADE / name).read_text())
        way = os.path.relpath(folder / name, (root / file).parent)
        click.echo(f"{file}: {_LINE}{way}")


def first_line(root: Path, text: str) -> str:
    """Return a definition's first line; empty if it has one, or if this clone has no schema."""
    there = (root / _FOLDER / _DEFINITION).is_file() and not text.startswith(_LINE)
    return f"{_LINE}../{_FOLDER}/{_DEFINITION}\n" if there else ""
