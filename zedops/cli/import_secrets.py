"""The secrets of imported servers: stored on their host, or encrypted for it in the definition.

Without a choice, it prints the commands that set them. No value gets into a repository or a log.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from zedops.cli import first_secrets
from zedops.clone.clone import Clone
from zedops.errors import UsageError
from zedops.fleet.fleet import Fleet
from zedops.scaffold.imported import Found
from zedops.spec.layout import SETTINGS_PATH

WAYS = ["ask", "host", "encrypt", "keep"]


def choose(found: Sequence[Found], asked: str, *, may_ask: bool) -> str:
    """Choose a way: the requested one, else the one that the person names at a terminal."""
    if asked != "ask" or not may_ask or not sys.stdin.isatty():
        return asked
    if not (names := [f"{each.name}: {', '.join(each.secrets)}" for each in found if each.secrets]):
        return asked
    click.echo(f"These values look like secrets and do not go to git. {'; '.join(names)}", err=True)
    text = "Store them on this host, encrypt them for their host, or set them later"
    ways = click.Choice(["host", "encrypt", "later"])
    answer: str = click.prompt(text, type=ways, default="later", err=True)
    return "ask" if answer == "later" else answer


def encrypt(fleet: Fleet, found: Sequence[Found], host: str) -> None:
    """Put each value, encrypted for the host, into the fields of its server."""
    if not any(each.secrets for each in found):
        return
    recipient = fleet.settings.recipients.get(host)
    if recipient is None:
        remedy = "`zedops secret recipients` asks for it"
        raise UsageError(f"the key of host {host!r} is not in {SETTINGS_PATH}; {remedy}")
    from zedops.system import age

    for each in found:
        purpose = f"{fleet.settings.name}/{each.name}"
        sealed = {name: age.seal(value, f"{purpose}/{name}", recipient)
                  for name, value in each.secrets.items()}
        if sealed:
            each.fields["secrets"] = dict.fromkeys(each.fields["secrets"]) | sealed


def check_host(clone: Clone, found: Sequence[Found], host: str) -> None:
    """Refuse to store values on this machine for a server of another one."""
    if any(each.secrets for each in found) and first_secrets.data_root(clone, host) is None:
        raise UsageError(f"{host} is another machine; use --secrets encrypt, or import there")


def store(clone: Clone, fleet: Fleet, found: Sequence[Found], host: str) -> None:
    """Store each value on this machine before the push, so that no server waits for it."""
    from zedops_agent.secrets import Secrets

    if (root := first_secrets.data_root(clone, host)) is None:
        return
    kept = Secrets(root, fleet.settings.name)
    for each in found:
        for name, value in each.secrets.items():
            try:
                kept.set(each.name, name, value)
            except OSError as error:
                remedy = "run this as the user that runs zedops, or use --secrets encrypt"
                raise UsageError(f"cannot keep {name}: {error.strerror}; {remedy}") from error
            click.echo(f"{name} of {each.name} is kept on this host", err=True)


def name_commands(found: Sequence[Found]) -> None:
    """Print the commands that set the values."""
    for each in found:
        for name in each.secrets:
            click.echo(
                f"{each.name} starts once it has {name}: `zedops secret set {each.name} {name}` on"
                f" its host, or `zedops secret encrypt {each.name} {name}` here", err=True,
            )
