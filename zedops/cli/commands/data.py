"""`zedops data`: the worlds of a fleet, their paths and sizes."""

from __future__ import annotations

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.find import find_server, here
from zedops.cli.output import show_json, table
from zedops.control.hosts import asking
from zedops.errors import HostUnavailable
from zedops.queries import hosts
from zedops.queries.output import VolumeRow
from zedops.spec.quantities import format_size


@click.command("data")
@click.argument("server", required=False, type=SERVER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def data_command(server: str | None, as_json: bool) -> None:
    """Show the data of a server, or of all: where it is and how large. Looks at every file.

    \b
    zedops data rosewood
    """
    clone = here()
    fleet = clone.fleet()
    each = find_server(fleet, server) if server else None
    rows, silent = hosts.volumes(fleet, each, asking(clone))
    if silent and (each or len(fleet.settings.hosts) == 1):
        raise HostUnavailable(next(iter(silent.values())))
    if as_json:
        show_json(rows)
    else:
        table(
            ["SERVER", "VOLUME", "HOST", "SIZE", "FILES", "PATH"],
            [[one.server, one.volume, one.host, _size(one), str(one.files), one.path]
             for one in rows],
            "no data on any host that answers",
        )
    for host, why in silent.items():
        click.echo(f"could not look: {host}: {why}", err=True)


def _size(volume: VolumeRow) -> str:
    if volume.exists is None:
        return "could not look"
    if not volume.exists:
        return "nothing there"
    return format_size(volume.size_bytes) if volume.size_bytes is not None else "changing"
