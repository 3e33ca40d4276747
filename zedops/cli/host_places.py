"""Where a host has its things: options of commands that run, or look at, this machine as one."""

from __future__ import annotations

from pathlib import Path

import click

DATA_ROOT = click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    envvar="ZEDOPS_DATA_ROOT",
    help="Where worlds are kept. Default: /var/lib/zedops as root, else ~/.local/share/zedops.",
)

POLICY = click.option(
    "--policy",
    type=click.Path(path_type=Path),
    envvar="ZEDOPS_POLICY",
    default=Path("/etc/zedops/agent.yaml"),
    show_default=True,
    help="What this host allows, whatever a fleet asks for.",
)
