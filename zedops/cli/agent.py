"""`zedops agent`: the agent alone, from its last document."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.cli.up import DATA_ROOT, POLICY, default_data_root, prepare_logging, wait_for_end


@click.command("agent")
@click.argument("fleet")
@DATA_ROOT
@POLICY
@click.option("-v", "--verbose", is_flag=True, help="Say each step.")
def agent_command(fleet: str, data_root: Path | None, policy: Path, verbose: bool) -> None:
    """Keep a fleet's servers running on this host from the last document on disk.

    For when the manager is gone: servers are still healed, nothing new arrives.

    \b
    zedops agent my-fleet
    """
    from zedops_agent.__main__ import run

    prepare_logging(verbose=verbose)
    run(fleet, (data_root or default_data_root()).absolute(), policy.absolute(), wait_for_end)
