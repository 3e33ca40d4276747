"""`zedops init`: a new fleet."""

from __future__ import annotations

import os
from pathlib import Path

import click

from zedops.cli.upstream_options import CREDENTIALS, use
from zedops.clone.clone import Clone
from zedops.errors import UsageError
from zedops.git.remote import checked_url
from zedops.hub.hub import Hub
from zedops.spec.layout import NAME

_SETTINGS = """\
# A zedops fleet. Servers go into servers.d/, one file each; `zedops new` writes one.
name: {name}
hosts: [local]        # the machines of this fleet, each with one Docker Engine
retention: 24h        # how long a deleted server can be brought back
drift: heal           # heal | report: what to do when a container leaves its definition
# defaults:           # laid under every definition
#   limits: {{memory: 4GiB}}
"""


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="The fleet's name. Default: the directory's.")
@click.option("--upstream", metavar="URL", help="Begin the fleet on this empty git remote.")
@click.option("--from", "source", type=click.Path(path_type=Path, exists=True),
              help="Rebuild a lost hub from this clone of the fleet.")
@CREDENTIALS
def init_command(
    directory: Path, name: str | None, upstream: str | None, source: Path | None,
    credentials: Path | None,
) -> None:
    """Make a new fleet: a hub and a clone of it to work in.

    With --upstream, the fleet lives on that remote (GitHub, Gitea, GitLab, any other), and the
    first `zedops up` makes the hub.

    \b
    zedops init fleet       makes fleet.git (the hub) and fleet/ (your clone)
    zedops up fleet         runs it on this machine
    zedops init fleet --from backup     rebuilds a lost hub from a clone
    """
    name = name or directory.resolve().name.lower()
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a fleet's name; use --name with lower-case letters, digits and '-'"
        )
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} exists already and is not empty; choose another name")
    if source is not None:
        _go_on(source, directory)
        return
    from zedops.clone import setup

    origin: Hub | str
    settings: list[tuple[str, str]] = []
    if upstream:
        url = checked_url(upstream)
        settings = use(credentials, url)
        origin = _empty(url)
    else:
        origin = Hub.create(directory.resolve().with_name(directory.resolve().name + ".git"))
    clone = Clone.begin(origin, directory)
    clone.keep(settings)
    (clone.root / "zedops.yaml").write_text(_SETTINGS.format(name=name))
    (clone.root / "servers.d").mkdir()
    (clone.root / "servers.d" / ".gitkeep").write_text("")
    begun = ["zedops.yaml", "servers.d/.gitkeep"]
    setup.push_first(clone.root, begun, f"Begin the fleet {name}")
    where = f"upstream {origin}" if isinstance(origin, str) else f"hub {origin.path}"
    click.echo(f"fleet {name!r}: {where}, clone {clone.root}")
    click.echo(f"next: zedops up {os.path.relpath(clone.root)}")


def _empty(url: str) -> str:
    """Check that a remote is empty. UsageError if it has branches."""
    if Clone.list_remote(url):
        raise UsageError(f"{url} has branches already; `zedops clone` it instead")
    return url


def _go_on(source: Path, directory: Path) -> None:
    from zedops.cli.rebuild_hub import rebuild_hub

    hub, clone = rebuild_hub(source, directory)
    count = sum(1 for _ in clone.fleet().servers())
    servers = f"{count} server{'' if count == 1 else 's'}"
    click.echo(f"{servers} of {source}: hub {hub.path}, clone {clone.root}")
    click.echo(f"next: zedops up {os.path.relpath(clone.root)}")

