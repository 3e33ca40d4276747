"""`zedops agent`: one host of a fleet."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from zedops.cli.host_places import DATA_ROOT, POLICY
from zedops.cli.network import SERVER_OPTIONS, warn_of_plain_text
from zedops.cli.running import Running, running_options
from zedops.cli.up import ending
from zedops.errors import UsageError
from zedops.places import default_data_root

_REPLACE = click.option(
    "--replace", is_flag=True,
    help="Take this host out of another fleet of that name that it is in.",
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
    zedops agent join TOKEN     with what `zedops host add` printed
    zedops agent run            again, after that
    zedops agent drain          before the machine or its Engine ends
    """


@agent_command.command("join")
@click.argument("token", required=False)
@click.option(
    "--token-file", type=click.File(), help="Read the token from a file, or from stdin with `-`.",
)
@click.option("--systemd", is_flag=True, help="Install and start a unit instead of running here.")
@click.option("--no-run", is_flag=True, help="Only join; start with `zedops agent run`.")
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
    from zedops.bus.nats.joining import join, new_key
    from zedops.bus.nats.tokens import Token
    from zedops.cli.unit import install, require_systemd
    from zedops_agent import membership

    running.prepare()
    root = (data_root or default_data_root()).absolute()
    read = Token.read(_one_token(token, token_file))
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
    """Take the token from where it was said to be."""
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
@click.option("--host", required=True, help="This machine's name in it.")
@_server_options
@click.option("--no-run", is_flag=True, help="Only keep it; start with `zedops agent run`.")
@_REPLACE
@DATA_ROOT
@POLICY
@running_options
def connect_command(
    urls: tuple[str, ...], fleet: str, host: str, creds: Path | None, ca: Path | None,
    tls_first: bool, no_run: bool, replace: bool, data_root: Path | None, policy: Path,
    running: Running,
) -> None:
    """Join a fleet over a NATS server that is not its manager's own, then run.

    Its administrator makes the user and says what it may do: see the page on existing clusters.

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
    """Keep a fleet's servers running on this host, from the last document on disk at first.

    With the manager or the network gone servers are still healed; nothing new arrives.

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
    """Stop this host's servers properly, before its Engine or the machine ends.

    Each has its commands, its signal and its grace; nothing that is asked for changes, and the
    next start of zedops starts them again. Works beside an agent, beside `zedops up`, and without.

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
    from zedops.vitals import new_registry
    from zedops_agent.__main__ import run
    from zedops_agent.metrics import AgentMetrics

    metrics = AgentMetrics(new_registry())
    with running.watched(metrics):
        run(fleet, root, policy.absolute(), ending(), metrics)
