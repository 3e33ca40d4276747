"""`zedops data`: the worlds of a fleet, their paths and sizes."""

from __future__ import annotations

from typing import Any

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.find import find_server, here
from zedops.cli.output import show_json, table
from zedops.control.hosts import call
from zedops.errors import HostUnavailable
from zedops.protocol.requests import DataReply, DataRequest
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
    names = {one.id: one.name for one in (*fleet.servers(), *fleet.tombstones()) if one.id}
    hosts = [fleet.place(each)[0] or ""] if each else list(fleet.settings.hosts)
    rows: list[dict[str, Any]] = []
    silent = []
    for host in hosts:
        try:
            wanted = DataRequest(server_id=each.id if each else None)
            found = call(clone, host, wanted, DataReply)
        except HostUnavailable as error:
            if len(hosts) == 1:
                raise
            silent.append(f"{host}: {error}")
            continue
        rows += [
            {"server": names.get(one.server_id, one.server_id), "host": host,
             **one.model_dump(exclude={"server_id"})}
            for one in found.volumes
        ]
    if as_json:
        show_json(rows)
    else:
        table(
            ["SERVER", "VOLUME", "HOST", "SIZE", "FILES", "PATH"],
            [[one["server"], one["volume"], one["host"], _size(one), str(one["files"]), one["path"]]
             for one in rows],
            "no data on any host that answers",
        )
    for line in silent:
        click.echo(f"could not look: {line}", err=True)


def _size(volume: dict[str, Any]) -> str:
    if volume["exists"] is None:
        return "could not look"
    if not volume["exists"]:
        return "nothing there"
    return format_size(volume["size_bytes"]) if volume["size_bytes"] is not None else "changing"
