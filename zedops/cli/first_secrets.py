"""The secrets of a preset for `zedops new`: without them the server does not start.

On a terminal, it asks for all of them before it stores or pushes anything. Without a terminal, or
for a host elsewhere, it prints the commands that set them.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zedops.clone.clone import Clone
from zedops.control.hosts import call
from zedops.errors import UsageError, ZedopsError
from zedops.protocol.requests import PingRequest, Pong
from zedops.system.paths import boot_id, default_data_root

if TYPE_CHECKING:
    from zedops_agent.secrets import Secrets

_RANDOM_BYTES = 18


def provide(clone: Clone, fleet: str, host: str, server: str, wanted: Iterable[str]) -> None:
    """Ask for the missing secrets of a new server, or print the commands that set them."""
    from zedops_agent.secrets import Secrets

    root = data_root(clone, host)
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


def data_root(clone: Clone, host: str) -> Path | None:
    """Find a host's data root if it is this machine; None if it is elsewhere or unknown."""
    try:
        said = call(clone, host, PingRequest(), Pong)
    except ZedopsError:
        return default_data_root() if clone.origin.hub_path() is not None else None
    return Path(said.data_root) if said.boot_id == boot_id() and said.data_root else None


def _has(kept: Secrets, server: str, name: str) -> bool:
    try:
        return kept.path(server, name).exists()
    except OSError:
        return True  # another user owns the folder, and sets its values


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
