"""`zedops agent`: one host of a fleet."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from zedops.cli.commands.up import ending
from zedops.cli.host_options import DATA_ROOT, POLICY
from zedops.cli.network_options import SERVER_OPTIONS, warn_of_plain_text
from zedops.cli.service_options import Running, running_options
from zedops.errors import UsageError
from zedops.system.paths import default_data_root

_REPLACE = click.option(
    "--replace", is_flag=True,
    help="Leave another fleet of the same name that this host has joined.",
)
F = TypeVar("F", bound=Callable[..., Any])


def _server_options(command: F) -> F:
    made: Any = command
    for option in reversed(SERVER_OPTIONS):
        made = option(made)
    return made  # type: ignore[no-any-return]


@click.group("agent")
def agent_command() -> None:
    """Join a fleet with this machine, and keep its servers running.

    \b
    zedops agent join TOKEN     with the token that `zedops host add` printed
    zedops agent run            every later start
    zedops agent drain          before the machine or its Engine shuts down
    """


@agent_command.command("join")
@click.argument("token", required=False)
@click.option(
    "--token-file", type=click.File(), help="Read the token from a file, or from stdin with `-`.",
)
@click.option("--systemd", is_flag=True, help="Install and start a unit instead of running here.")
@click.option("--no-run", is_flag=True, help="Only join; `zedops agent run` starts the agent.")
@_REPLACE
@DATA_ROOT
@POLICY
@running_options
def join_command(
    token: str | None, token_file: TextIO | None, systemd: bool, no_run: bool, replace: bool,
    data_root: Path | None, policy: Path, running: Running,
) -> None:
    """Join the fleet that made a token, then run.

    This host makes its own key, which never leaves it. The token works once, within its time.
    Everyone on this machine can see a command's arguments: `-` reads the token from stdin instead.

    \b
    zedops agent join TOKEN
    zedops agent join - < token.txt
    """
    from zedops.bus.nats.join import join, new_key
    from zedops.bus.nats.tokens import Token
    from zedops.cli.systemd import install, require_systemd
    from zedops_agent import membership

    running.prepare()
    root = (data_root or default_data_root()).absolute()
    read = Token.parse(_one_token(token, token_file))
    if systemd:
        require_systemd()
    key = membership.key_for(root, read.id, new_key)
    fleet, credentials = join(read, key)
    made = membership.Membership(
        fleet=fleet, host=read.host, urls=read.urls, ca=read.ca, credentials=credentials.text
    )
    kept = membership.save(root, made, replace=replace)
    membership.forget_key(root, read.id)
    click.echo(f"{socket.gethostname()} has joined fleet {fleet!r} as {read.host}; kept in {kept}")
    if systemd:
        click.echo(install(fleet, root, policy.absolute()))
    elif not no_run:
        _run(fleet, root, policy, running)


def _one_token(given: str | None, file: TextIO | None) -> str:
    """Read the token from the argument, stdin or a file. UsageError unless there is exactly one."""
    if given == "-" and file is None:
        given, file = None, sys.stdin
    if given is not None and file is None:
        return given
    if given is None and file is not None:
        return file.read().strip()
    raise UsageError("give the token once: as TOKEN, as `-` for stdin, or with --token-file")


@agent_command.command("connect")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--fleet", required=True, help="The fleet's name.")
@click.option("--host", required=True, help="This machine's name in the fleet.")
@_server_options
@click.option("--no-run", is_flag=True, help="Only join; `zedops agent run` starts the agent.")
@_REPLACE
@DATA_ROOT
@POLICY
@running_options
def connect_command(
    urls: tuple[str, ...], fleet: str, host: str, creds: Path | None, ca: Path | None,
    tls_first: bool, no_run: bool, replace: bool, data_root: Path | None, policy: Path,
    running: Running,
) -> None:
    """Join a fleet over an existing NATS server, then run.

    The server's administrator makes the user and its permissions: see the page on existing
    clusters.

    \b
    zedops agent connect tls://nats.example:4222 --fleet my-fleet --host attic --creds attic.creds
    """
    from zedops_agent import membership

    running.prepare()
    warn_of_plain_text(urls)
    root = (data_root or default_data_root()).absolute()
    kept = membership.save(root, membership.Membership(
        fleet=fleet, host=host, urls=urls, ca=ca.read_text() if ca else None,
        credentials=creds.read_text() if creds else None, tls_first=tls_first,
    ), replace=replace)
    click.echo(f"fleet {fleet!r}, host {host}: kept in {kept}")
    if not no_run:
        _run(fleet, root, policy, running)


@agent_command.command("run")
@click.argument("fleet", required=False)
@DATA_ROOT
@POLICY
@running_options
def run_command(fleet: str | None, data_root: Path | None, policy: Path, running: Running) -> None:
    """Keep a fleet's servers running on this host.

    The agent starts from the definitions that it has on disk. Without the manager or the network
    it still heals servers; it receives changes once the connection is back.

    \b
    zedops agent run            the fleet that this host joined
    zedops agent run my-fleet
    """
    from zedops_agent import membership

    running.prepare()
    root = (data_root or default_data_root()).absolute()
    joined = membership.fleets(root)
    if fleet is None and len(joined) != 1:
        known = f"say which: {', '.join(joined)}" if joined else "join one: zedops agent join TOKEN"
        raise UsageError(f"this host has joined {len(joined) or 'no'} fleets; {known}")
    _run(fleet or joined[0], root, policy, running)


@agent_command.command("drain")
@click.argument("fleet", required=False)
@DATA_ROOT
@POLICY
@running_options
def drain_command(
    fleet: str | None, data_root: Path | None, policy: Path, running: Running
) -> None:
    """Stop this host's servers gracefully, before its Engine or the machine shuts down.

    Each server gets its stop commands, its signal and its grace. Definitions do not change: the
    next start of zedops starts the servers again. An agent or `zedops up` may run meanwhile.

    \b
    zedops agent drain          every fleet that has servers on this host
    zedops agent drain my-fleet
    """
    from zedops_agent.drain import drain, fleets

    running.prepare()
    root = (data_root or default_data_root()).absolute()
    for each in [fleet] if fleet else fleets(root):
        count = drain(each, root, policy.absolute())
        click.echo(f"fleet {each!r}: {count} server{'' if count == 1 else 's'} stopped")


def _run(fleet: str, root: Path, policy: Path, running: Running) -> None:
    from zedops.system.monitoring import new_registry
    from zedops_agent.__main__ import run
    from zedops_agent.metrics import AgentMetrics

    metrics = AgentMetrics(new_registry())
    with running.watched(metrics):
        run(fleet, root, policy.absolute(), ending(), metrics)
