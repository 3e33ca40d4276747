"""`zedops backup`: makes snapshots of worlds, and brings them back. Each act is a commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from zedops.cli.backup_queries import read_target
from zedops.cli.completion_types import ANY_SERVER, SELECTED, SERVER
from zedops.cli.find import find_server, here
from zedops.cli.host_options import DATA_ROOT, POLICY
from zedops.cli.output import WAIT
from zedops.cli.push import ask
from zedops.cli.secret_files import FLEET
from zedops.cli.selection import listed, living, selects, wish
from zedops.cli.waiting import wait_for_all
from zedops.clone.clone import Clone
from zedops.errors import HostUnavailable, Interrupted, UsageError, ZedopsError
from zedops.fleet.selection import Wish
from zedops.protocol.remarks import BACKUP_FAILED, PROOF_FAILED, RESTORE_FAILED
from zedops.spec import backup, edit, state_block
from zedops.spec.document import Document
from zedops.spec.quantities import format_size
from zedops.spec.state import State


class _Backup(click.Group):
    """Takes `zedops backup NAME` for `zedops backup make NAME`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `make` before names and options of servers to back up."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group("backup", cls=_Backup)
def backup_command() -> None:
    """Make snapshots of worlds, and bring them back. restic keeps them.

    \b
    zedops backup rosewood --wait               a snapshot, now
    zedops backups rosewood                     its snapshots
    zedops backup restore rosewood --to 4bba301e
    """


@backup_command.command("make")
@selects(SELECTED, "server with data")
@WAIT
def make_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool,
) -> None:
    """Back up servers, once. `make` may be left out.

    \b
    zedops backup rosewood muldraugh --wait
    zedops backup --all
    """
    clone = here()
    chosen = _chosen(clone, wish(servers, every, hosts, labels), lambda state: state.data_exists)
    if not chosen:
        raise UsageError("no server has data yet, so there is nothing to back up")
    if dry_run:
        click.echo(f"would back up: {listed(chosen)}")
        return
    _act(clone, chosen, {"backup": _now()}, f"{_named(chosen)}: backup", wait=wait)


@backup_command.command("prove")
@selects(SELECTED, "server with a snapshot")
@WAIT
def prove_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool,
) -> None:
    """Prove that the newest snapshot of a server starts, beside the server, once.

    The host restores the snapshot into a scratch directory and starts the same image on it, without
    a network. It is proven by the sign of `ready:` or its health check, or else by 10 s.
    The server and its world are not touched.

    \b
    zedops backup prove rosewood --wait
    """
    clone = here()
    chosen = _chosen(clone, wish(servers, every, hosts, labels), lambda state: state.backup)
    if not chosen:
        raise UsageError("no server has a backup yet, so there is nothing to prove")
    if dry_run:
        click.echo(f"would prove the backup of: {listed(chosen)}")
        return
    _act(clone, chosen, {"prove": _now()}, f"{_named(chosen)}: proof of its backup", wait=wait)


@backup_command.command("restore")
@click.argument("server", type=SERVER)
@click.option("--to", default="latest", metavar="SNAPSHOT|TIME", show_default=True,
              help="Which snapshot: its id, or the last one at a time.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@WAIT
def restore_command(server: str, to: str, yes: bool, wait: bool) -> None:
    """Put a snapshot in the place of a server's world; the present one is kept aside.

    zedops fetches and verifies the snapshot first, and then stops the server. If it does not run
    with the restored world, the former one comes back. A deleted server needs `zedops restore`
    first. After a purge, `zedops new NAME --from-backup OF` begins with its snapshot.

    \b
    zedops backup restore rosewood --to 2026-11-30T20:00 --wait
    """
    clone = here()
    each = find_server(clone.fleet(), server)
    what = read_target(to, "--to")
    kept = "The present one is kept aside for the retention."
    ask(f"Replace the world of {server} by its snapshot {what}? {kept}", yes=yes)
    _act(clone, [each], {"restore": f"{what} ({_now()})"}, f"{server}: restore of its world to "
         f"{what}", wait=wait)


@backup_command.command("export")
@click.argument("server", type=ANY_SERVER)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--snapshot", default="latest", metavar="SNAPSHOT|TIME", show_default=True,
              help="Which snapshot: its id, or the last one at a time.")
@FLEET
@DATA_ROOT
@POLICY
def export_command(
    server: str, file: Path, snapshot: str, fleet: str | None, data_root: Path | None, policy: Path
) -> None:
    """Write a snapshot into an archive: FILE.tar, .tar.gz or .tar.zst. Run this on its host.

    \b
    zedops backup export rosewood rosewood.tar.zst
    """
    from zedops.cli.host_backups import export

    what = read_target(snapshot, "--snapshot")
    size, made = export(server, what, file, fleet, data_root, policy)
    click.echo(f"{file}: snapshot {made} of {server}, {format_size(size)}")


@backup_command.command("check")
@click.option("--repository", default=backup.OWN, show_default=True,
              help="A name from `backups:` in zedops.yaml; host: this host's own.")
@click.option("--read", "subset", metavar="PART",
              help="Read and check a part of the data, too: 5%, 2G, or 100%.")
@FLEET
@DATA_ROOT
@POLICY
def check_command(
    repository: str, subset: str | None, fleet: str | None, data_root: Path | None, policy: Path
) -> None:
    """Check that a repository is whole, with restic. Run this on a host that uses it.

    \b
    zedops backup check --read 5%
    """
    from zedops.cli.host_backups import check

    address = check(repository, subset, fleet, data_root, policy)
    click.echo(f"{address} is whole")


def _chosen(clone: Clone, wanted: Wish, fits: Callable[[State], object]) -> list[Document]:
    """Choose servers: the named ones, and of the others those with a fitting state."""
    return [each for each in living(clone, wanted)[1]
            if each.name in wanted.names or (each.state and fits(each.state))]


def _named(chosen: list[Document]) -> str:
    names = ", ".join(each.name for each in chosen[:3])
    return f"{names} and {len(chosen) - 3} more" if len(chosen) > 3 else names


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _act(
    clone: Clone, chosen: list[Document], acts: dict[str, str], message: str, *, wait: bool
) -> None:
    """Commit one act on the worlds of some servers, and push it."""
    files: dict[str, bytes | None] = {}
    for each in chosen:
        if each.definition is None:
            raise ZedopsError("\n".join(str(problem) for problem in each.problems))
        head = each.head
        for key, value in acts.items():
            head = edit.set_key(each.source, head, "world", key, value)
        files[each.path] = state_block.render(head, each.state)
    if not any(files[each.path] != state_block.render(each.head, each.state) for each in chosen):
        click.echo("asked for already, in this second")
        return
    commit = clone.act(files, message)
    if wait:
        try:
            _wait(clone, [each.name for each in chosen], commit)
        except KeyboardInterrupt:
            look = "`zedops list` shows how far it is"
            raise Interrupted(f"{message}: pushed, and goes on without you; {look}") from None


def _proof(last: backup.LastBackup) -> str:
    """Say which snapshot really started, and when."""
    if last.proven is None or last.proven_at is None:
        return ""
    return f"; {last.proven} started at {last.proven_at:%Y-%m-%d %H:%M:%S} UTC"


def _wait(clone: Clone, names: list[str], commit: str | None) -> None:
    """Wait for each server. ZedopsError names the backups and restores that failed."""
    failed = []
    try:
        wait_for_all(clone, dict.fromkeys(names, commit))
    except HostUnavailable:
        raise
    except ZedopsError as error:
        failed.append(str(error))
    states = {each.name: each.state for each in clone.fleet().servers()}
    for name in names:
        state = states.get(name)
        said = (state and state.message) or ""
        if said.startswith((BACKUP_FAILED, RESTORE_FAILED, PROOF_FAILED)):
            failed.append(f"{name}: {said}")
        elif state is not None and state.backup is not None:
            last = backup.read_last(state.backup)
            click.echo(f"{name}: the last backup is {last.snapshot} of {last.at:%Y-%m-%d %H:%M:%S}"
                       f" UTC{_proof(last)}")
    if failed:
        raise ZedopsError("\n".join(failed))

