"""`zedops stats`: the CPU and memory of servers."""

from __future__ import annotations

import time

import click

from zedops.cli.find import here
from zedops.cli.load_meter import Busy, Meter
from zedops.cli.output import show_json, table
from zedops.errors import HostUnavailable
from zedops.queries.output import LoadRow
from zedops.spec.quantities import format_size
from zedops.spec.state import Status

_BETWEEN_S = 1.0
#: The most servers to name whose figures came too late.
_NAMED = 5


@click.command("stats")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats_command(as_json: bool) -> None:
    """Show the CPU and memory that servers use now, on every host that answers.

    \b
    zedops stats
    """
    clone = here()
    fleet = clone.fleet()
    meter = Meter(clone)
    meter.measure(fleet.settings.hosts)
    time.sleep(_BETWEEN_S)
    busy = meter.measure(fleet.settings.hosts)
    if len(meter.silent) == len(fleet.settings.hosts):
        raise HostUnavailable(next(iter(meter.silent.values())))
    names = {each.id: each.name for each in fleet.servers() if each.id}
    rows = sorted((names.get(key, key), each) for key, each in busy.items())
    if as_json:
        show_json([LoadRow(name, each.cpu, **each.sample.model_dump()) for name, each in rows])
    else:
        table(
            ["NAME", "CPU", "MEMORY", "LIMIT", "PIDS", "UP", "HEALTH"],
            [[name, cpu(each), format_size(each.sample.memory_bytes),
              format_size(each.sample.memory_limit_bytes), str(each.sample.pids),
              each.sample.uptime, each.sample.health or "-"] for name, each in rows],
            "no server runs",
        )
    late = [
        each.name for each in fleet.servers()
        if each.state and each.state.status is Status.RUNNING and each.id not in busy
        and each.state.host not in meter.silent
    ]
    if late:
        shown = ", ".join(sorted(late)[:_NAMED]) + (", …" if len(late) > _NAMED else "")
        click.echo(f"no figures in time for {len(late)}: {shown}; their Engine is busy", err=True)
    for host, why in meter.silent.items():
        click.echo(f"could not look: {host}: {why}", err=True)


def cpu(busy: Busy) -> str:
    """Write the CPU use in percent of one core, as `docker stats` does."""
    return "-" if busy.cpu is None else f"{100 * busy.cpu:.1f} %"
