"""Imports compose files and compares each with `docker compose config`: `scripts/compare-compose`.

Exit codes: 0: every difference is told; 1: one is silent; 2: Compose is not installed, or no file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from tests.compose.comparison import compare, read, table

_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
#: Compose reads only these of the shell's variables here: a result is the same on each machine.
_SHELL = {"HOME": "/root"}
_TIMEOUT_S = 60
_FEATURES = Path(__file__).parent / "features"


class Compose:
    """The installed Compose: a plugin of docker, or a program."""

    def __init__(self) -> None:
        asked = os.environ.get("DOCKER_COMPOSE")
        ways = [[asked]] if asked else [["docker", "compose"], ["docker-compose"]]
        for way in ways:
            try:
                said = subprocess.run([*way, "version", "--short"], capture_output=True, text=True,
                                      check=False, timeout=_TIMEOUT_S)
            except OSError:
                continue
            if said.returncode == 0:
                self._way, self.version = way, said.stdout.strip()
                return
        raise FileNotFoundError

    def config(self, path: Path) -> tuple[dict[str, Any] | None, str]:
        """Resolve a file; None and the reason if Compose refuses it."""
        path = path.absolute()
        said = subprocess.run(
            [*self._way, "config", "--format", "json"] if path.name in _NAMES else
            [*self._way, "--file", str(path), "config", "--format", "json"],
            cwd=path.parent, env={**_SHELL, "PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
        )
        if said.returncode:
            return None, said.stderr.strip().rpartition("\n")[2]
        return json.loads(said.stdout), ""


def main() -> None:
    """Compare the files that the arguments name, or those of folders."""
    parser = argparse.ArgumentParser(prog="scripts/compare-compose", description=__doc__)
    parser.add_argument("places", nargs="+", type=Path, metavar="FILE|DIR")
    parser.add_argument("--store", action="store_true",
                        help="write Compose's result beside each of the tests' own files")
    parser.add_argument("--quiet", action="store_true", help="show silent differences only")
    asked = parser.parse_args()
    try:
        compose = Compose()
    except FileNotFoundError:
        click.echo("docker compose is not installed: there is nothing to compare with.\nInstall"
                   " the plugin, or name the program: DOCKER_COMPOSE=/path/to/docker-compose",
                   err=True)
        sys.exit(2)
    paths = [each for place in asked.places for each in files_of(place)]
    if not paths:
        sys.exit("no compose file there")
    silent = 0
    for path in paths:
        config, why = compose.config(path)
        if asked.store and _FEATURES in path.absolute().parents:
            _store(path, compose.version, config, why)
        found = compare(read(str(path.absolute()), _open, _is_file, _SHELL), config)
        mute = [each for each in found if not each.told]
        silent += len(mute)
        if shown := mute if asked.quiet else found:
            click.echo(f"\n{path}{f' (Compose: {why})' if why else ''}\n{table(shown)}")
    click.echo(f"\n{len(paths)} files, {silent} silent differences; Compose {compose.version}")
    sys.exit(1 if silent else 0)


def files_of(place: Path) -> Iterator[Path]:
    """List the compose files below a folder, or the file itself."""
    if place.is_file():
        yield place
        return
    for each in sorted(place.rglob("*.y*ml")):
        named = each.name in _NAMES or (place.name == "features" and each.parent == place)
        if named and ".override." not in each.name:
            yield each


def _store(path: Path, version: str, config: Mapping[str, Any] | None, why: str) -> None:
    """Write Compose's result for the tests: no result depends on the place of this checkout."""
    root = str(_FEATURES.parent)
    said = json.dumps({"compose": version, "config": config, "error": why}, indent=1)
    path.with_suffix(".json").write_text(said.replace(root, "/there") + "\n")


def _open(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _is_file(path: str) -> bool | None:
    place = Path(path)
    return not place.is_dir() if place.exists() else None


if __name__ == "__main__":
    main()
