"""`zedops clone`: a fleet to work in."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.cli.upstream_options import CREDENTIALS, use
from zedops.clone.clone import Clone


@click.command("clone")
@click.argument("url")
@click.argument(
    "directory", required=False, type=click.Path(path_type=Path, file_okay=False)
)
@CREDENTIALS
def clone_command(url: str, directory: Path | None, credentials: Path | None) -> None:
    """Clone a fleet, set up so that `git push` is never refused for being behind.

    \b
    zedops clone host:fleet.git
    zedops clone /srv/fleet.git my-fleet
    """
    stem = url.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1].removesuffix(".git")
    settings = use(credentials, url)
    clone = Clone.make(url, directory or Path(stem))
    clone.keep(settings)
    how = "`git push` goes through the hub's merge"
    if not clone.origin.is_hub():
        how = "`git push` goes to the upstream; `zedops up` there makes it happen"
    click.echo(f"cloned to {clone.root}; {how}")
