"""Where `zedops secret` finds values on this machine: which data root, which fleet, which host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zedops.clone.clone import Clone
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.spec.layout import NAME
from zedops.system import files
from zedops.system.paths import default_data_root

if TYPE_CHECKING:
    from zedops_agent.secrets import Secrets

FLEET = click.option("--fleet", help="The fleet's name. Default: that of the clone you are in.")


@dataclass(frozen=True)
class Place:
    """The secrets of one fleet on this machine."""

    secrets: Secrets
    host: str | None  #: this machine's name in the fleet, if an agent ever ran here
    known: Fleet | None  #: the fleet, where this is a clone of it
    #: Server → its id, as far as this machine knows: from the clone, or from the agent's document.
    ids: Mapping[str, str]

    def holder(self, server: str) -> str:
        """Return the folder name of a server's values: its id, or its name until it has one."""
        return self.ids.get(server, server)

    def set_here(self) -> set[tuple[str, str]]:
        """List the values that are set, as (server, name); an unknown server appears by its id."""
        names = {server_id: server for server, server_id in self.ids.items()}
        return {(names.get(holder, holder), name) for holder, name in self.secrets.names()}


def find_place(named: str | None, data_root: Path | None) -> Place:
    """Find the secrets of a fleet. A joined host has no clone: it may leave out its only fleet."""
    from zedops_agent.secrets import Secrets

    root = (data_root or default_data_root()).absolute()
    name, known = find_fleet(named, root)
    return Place(Secrets(root, name), _host(root, name), known, ids_of(root, name, known))


def find_fleet(named: str | None, root: Path) -> tuple[str, Fleet | None]:
    """Name the fleet that a command on a host means; the fleet itself only in a clone of it."""
    known = _clone_here()
    if named is not None and (known is None or known.settings.name != named):
        known = None
    name = named or (known.settings.name if known else _only_fleet(root))
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a fleet's name; see `name:` in its zedops.yaml")
    return name, known


def _clone_here() -> Fleet | None:
    try:
        clone = Clone.find(Path.cwd())
        return clone.fleet()
    except ZedopsError:
        return None


def _only_fleet(root: Path) -> str:
    found = sorted(each.name for each in (root / "agent").glob("*") if each.is_dir())
    if len(found) != 1:
        known = f"say which with --fleet: {', '.join(found)}" if found else (
            "say which with --fleet, or go into a clone of it; --data-root says where it is kept"
        )
        raise UsageError(f"{root} has {len(found) or 'no'} fleets; {known}")
    return found[0]


def ids_of(root: Path, fleet: str, known: Fleet | None) -> dict[str, str]:
    """Map servers to ids; a clone is newer than the agent's document, so it wins."""
    try:
        said = json.loads(files.read(root / "agent" / fleet / "desired.json"))["servers"]
        found = {str(each["name"]): str(server_id) for server_id, each in said.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found = {}
    for each in (*known.tombstones(), *known.servers()) if known else ():
        if each.id is not None:
            found[each.name] = each.id
    return found


def _host(root: Path, fleet: str) -> str | None:
    """Read this machine's name from its agent's files; None if no agent ran here."""
    for file in ("membership.json", "desired.json"):
        try:
            said = json.loads(files.read(root / "agent" / fleet / file))
            return str(said["host"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
