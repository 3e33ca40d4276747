"""A host's data root and policy: options of commands that run or check this machine as a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zedops.spec.layout import NAME, SERVERS


class FleetPath(click.Path):
    """The directory of a fleet: a clone or a hub. For a server's name, suggests `zedops start`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take a directory that exists."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            name = str(value)
            if NAME.fullmatch(name) and any(Path(SERVERS).rglob(f"{name}.yaml")):
                meant = f"did you mean `zedops start {name}`?"
                self.fail(f"{name!r} is a server of this fleet; {meant}", param, ctx)
            raise


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
    help="This host's policy file, which limits every fleet on it.",
)
