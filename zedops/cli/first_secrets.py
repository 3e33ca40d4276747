"""What `zedops new` does about the secrets that a preset needs: without them no server starts.

On a terminal it asks for all of them before anything is kept or pushed. Without one, or for a host
elsewhere, it says which commands set them.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zedops.calls import PingRequest, Pong
from zedops.cli.ask import call
from zedops.clone import Clone
from zedops.errors import UsageError, ZedopsError
from zedops.places import boot_id, default_data_root

if TYPE_CHECKING:
    from zedops_agent.secrets import Secrets

_RANDOM_BYTES = 18


def provide(clone: Clone, fleet: str, host: str, server: str, wanted: Iterable[str]) -> None:
    """See that a new server has its secrets, as far as a person is there to ask."""
    from zedops_agent.secrets import Secrets

    root = _data_root(clone, host)
    kept = Secrets(root, fleet) if root is not None else None
    missing = [each for each in wanted if kept is None or not _has(kept, server, each)]
    if not missing:
        return
    if kept is None or not sys.stdin.isatty():
        where = f"on {host}: " if kept is None else ""
        commands = ", ".join(f"`zedops secret set {server} {each}`" for each in missing)
        click.echo(f"{server} starts once its secrets are set: {where}{commands}", err=True)
        return
    click.echo(f"{server} needs {len(missing)} secrets; they stay on {host}, never in git. "
               "Enter alone makes a random one.", err=True)
    values = {each: _ask(each) for each in missing}
    for name, value in values.items():
        try:
            path = kept.set(server, name, value)
        except OSError as error:
            remedy = f"run `zedops secret set {server} {name}` as the user that runs zedops"
            raise UsageError(f"cannot keep {name}: {error.strerror}; {remedy}") from error
        click.echo(f"{name} is kept in {path}", err=True)


def _data_root(clone: Clone, host: str) -> Path | None:
    """Find where a host keeps values, if it is this machine. None: it is elsewhere, or unknown."""
    try:
        said = call(clone, host, PingRequest(), Pong)
    except ZedopsError:
        return default_data_root() if clone.hub_path() is not None else None
    return Path(said.data_root) if said.boot_id == boot_id() and said.data_root else None


def _has(kept: Secrets, server: str, name: str) -> bool:
    try:
        return kept.path(server, name).exists()
    except OSError:
        return True  # it is another user's to look at, and theirs to set


def _ask(name: str) -> str:
    while True:
        value: str = click.prompt(name, hide_input=True, default="", show_default=False, err=True)
        if not value:
            return secrets.token_urlsafe(_RANDOM_BYTES)
        again: str = click.prompt(f"{name} once more", hide_input=True, default="",
                                  show_default=False, err=True)
        if value == again:
            return value
        click.echo("they differ; try again", err=True)
