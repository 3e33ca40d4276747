"""`zedops agent`: one host of a fleet."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from zedops.cli.up import DATA_ROOT, POLICY, prepare_logging, wait_for_end
from zedops.errors import UsageError
from zedops.places import default_data_root

VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Say each step.")


@click.group("agent")
def agent_command() -> None:
    """Join a fleet with this machine, and keep its servers running.

    \b
    zedops agent join TOKEN     with what `zedops host add` printed
    zedops agent run            again, after that
    """


@agent_command.command("join")
@click.argument("token")
@click.option("--systemd", is_flag=True, help="Install and start a unit instead of running here.")
@click.option("--no-run", is_flag=True, help="Only join; start with `zedops agent run`.")
@DATA_ROOT
@POLICY
@VERBOSE
def join_command(
    token: str, systemd: bool, no_run: bool, data_root: Path | None, policy: Path, verbose: bool
) -> None:
    """Join the fleet that made a token, then run.

    This host makes its own key, which never leaves it. The token works once, within its time.
    """
    from zedops.bus.nats.joining import join, new_key
    from zedops.bus.nats.tokens import Token
    from zedops.cli.unit import install, require_systemd
    from zedops_agent import membership

    prepare_logging(verbose=verbose)
    root = (data_root or default_data_root()).absolute()
    read = Token.read(token)
    if systemd:
        require_systemd()
    key = membership.key_for(root, read.id, new_key)
    fleet, credentials = join(read, key)
    kept = membership.save(root, membership.Membership(
        fleet=fleet, host=read.host, urls=read.urls, ca=read.ca, credentials=credentials.text
    ))
    membership.forget_key(root, read.id)
    click.echo(f"{socket.gethostname()} has joined fleet {fleet!r} as {read.host}; kept in {kept}")
    if systemd:
        click.echo(install(fleet, root, policy.absolute()))
    elif not no_run:
        _run(fleet, root, policy)


@agent_command.command("run")
@click.argument("fleet", required=False)
@DATA_ROOT
@POLICY
@VERBOSE
def run_command(fleet: str | None, data_root: Path | None, policy: Path, verbose: bool) -> None:
    """Keep a fleet's servers running on this host, from the last document on disk at first.

    With the manager or the network gone servers are still healed; nothing new arrives.

    \b
    zedops agent run            the fleet that this host joined
    zedops agent run my-fleet
    """
    from zedops_agent import membership

    prepare_logging(verbose=verbose)
    root = (data_root or default_data_root()).absolute()
    joined = membership.fleets(root)
    if fleet is None and len(joined) != 1:
        known = f"say which: {', '.join(joined)}" if joined else "join one: zedops agent join TOKEN"
        raise UsageError(f"this host has joined {len(joined) or 'no'} fleets; {known}")
    _run(fleet or joined[0], root, policy)


def _run(fleet: str, root: Path, policy: Path) -> None:
    from zedops_agent.__main__ import run

    run(fleet, root, policy.absolute(), wait_for_end)
