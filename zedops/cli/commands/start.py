"""`zedops start`, `stop`, `restart`, `rebuild`, `retry`: edits of one line of a definition."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from zedops.cli.act_plan import preview
from zedops.cli.completion_types import SELECTED
from zedops.cli.find import here
from zedops.cli.output import WAIT
from zedops.cli.push import act
from zedops.cli.selection import check_readable, listed, living, selects, to_retry, wish
from zedops.cli.waiting import wait_for_all
from zedops.clone import verbs
from zedops.errors import ZedopsError
from zedops.fleet.selection import Wish
from zedops.spec.document import Document
from zedops.spec.layout import Kind, kind_of
from zedops.spec.state import Status

_SELECTS = selects(SELECTED, "server")


@click.command("start")
@_SELECTS
@WAIT
def start_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool,
) -> None:
    """Start stopped servers.

    \b
    zedops start rosewood --wait
    zedops start --all --host cellar
    """
    _set(wish(servers, every, hosts, labels), "start", dry_run=dry_run, wait=wait)


@click.command("stop")
@_SELECTS
@WAIT
def stop_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool,
) -> None:
    """Stop servers gracefully and leave them stopped.

    \b
    zedops stop rosewood
    zedops stop rosewood muldraugh attic/ --wait
    zedops stop --label season=1
    """
    _set(wish(servers, every, hosts, labels), "stop", dry_run=dry_run, wait=wait)


@click.command("restart")
@_SELECTS
@WAIT
def restart_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool,
) -> None:
    """Stop and start servers once, gracefully.

    \b
    zedops restart rosewood --wait
    """
    _set(wish(servers, every, hosts, labels), "restart", dry_run=dry_run, wait=wait)


@click.command("rebuild")
@_SELECTS
@WAIT
def rebuild_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool,
) -> None:
    """Pull the newest image of a server's tag and recreate it once; its data is kept.

    \b
    zedops rebuild rosewood --wait
    """
    _set(wish(servers, every, hosts, labels), "rebuild", dry_run=dry_run, wait=wait)


@click.command("retry")
@_SELECTS
@WAIT
def retry_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool,
) -> None:
    """Try failed servers again as they are defined, or the end of one that stays `deleting`.

    \b
    zedops retry rosewood --wait
    zedops retry --all
    """
    _set(wish(servers, every, hosts, labels), "retry", dry_run=dry_run, wait=wait)


def _set(wanted: Wish, verb: str, *, dry_run: bool, wait: bool) -> None:
    clone, now = here(), datetime.now(UTC)
    _, chosen = (to_retry if verb == "retry" else living)(clone, wanted)
    check_readable(chosen)
    well = [each for each in chosen if verb == "retry" and verbs.is_well(each.state)]
    acts = {each.name: None if each in well else verbs.change(each, verb, now) for each in chosen}
    made = [each for each in acts.values() if each is not None]
    same = [each for each in chosen if each not in well and acts[each.name] is None]
    _say_well(well)
    if dry_run:
        if made:
            preview(clone, verbs.together(verb, made))
        else:
            click.echo("nothing changes")
        return
    wrong, waited = _say_same(same, verb, now)
    names = [name for name, each in acts.items() if each is not None]
    if made:
        ends = all(kind_of(each.path) is Kind.TOMBSTONE for each in chosen)
        act(clone, verbs.together(verb, made), *names, wait=wait, ends=ends, also=waited)
    elif wait and waited:
        wait_for_all(clone, dict.fromkeys(waited))
    if wrong:
        raise ZedopsError("\n".join(wrong))


def _say_well(well: list[Document]) -> None:
    if len(well) == 1:
        name, status = well[0].name, well[0].state.status if well[0].state else Status.PENDING
        remedy = f"`zedops restart {name}` restarts it"
        click.echo(f"{name} is {status}: nothing failed, so there is nothing to retry; {remedy}")
    elif well:
        click.echo(f"nothing to retry: {listed(well)}")


def _say_same(
    same: list[Document], verb: str, now: datetime
) -> tuple[list[str], list[str]]:
    """Report definitions that ask for this already, each with the server's present status.

    Returns the reasons why some will not come to it, and the names that are on their way.
    """
    key, value = verbs.wished(verb, now)
    wrong, waited = [], []
    for each in same:
        status = each.state.status if each.state else Status.PENDING
        if key != "desired":
            click.echo(f"{each.name}: a {verb} was asked for already, in this second")
        elif status.value == value:
            click.echo(f"{each.name} is already {value}")
        elif status in (Status.FAILED, Status.MISSING):
            why = f": {each.state.message}" if each.state and each.state.message else ""
            remedy = f"`zedops retry {each.name}` tries again"
            fact = f"its definition already says {value}, and it is {status}{why}"
            wrong.append(f"{each.name}: {fact}; {remedy}")
        else:
            click.echo(f"{each.name}: its definition already says {value}; now it is {status}")
            waited.append(each.name)
    return wrong, waited
