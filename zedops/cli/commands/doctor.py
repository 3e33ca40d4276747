"""`zedops doctor`: problems of a fleet or of this machine, each with a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from zedops.cli.host_options import DATA_ROOT, POLICY
from zedops.cli.output import coloured, show_json
from zedops.clone import checkout
from zedops.clone.clone import Clone
from zedops.control.client import is_awake
from zedops.control.hosts import call, is_managed
from zedops.errors import GitFailed, UsageError, ZedopsError
from zedops.hub.hub import Hub
from zedops.protocol.findings import Finding, Verdict
from zedops.protocol.requests import CheckupReply, CheckupRequest
from zedops.queries.output import FindingRow
from zedops.system.paths import default_data_root

_COLOURS = {
    Verdict.GOOD: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "red",
    Verdict.UNKNOWN: "bright_black",
}  # fmt: skip

#: Pairs of a place and a finding there.
Found = Iterator[tuple[str, Finding]]


@click.command("doctor")
@click.argument("fleet", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".")
@DATA_ROOT
@POLICY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor_command(fleet: Path, data_root: Path | None, policy: Path, as_json: bool) -> None:
    """Check everything that zedops needs, and print remedies. Exit code 1 if anything is wrong.

    In a clone or a hub, it checks git, the hub, its manager and every host that answers. Without a
    running manager, or outside any fleet, it checks this machine as a host.

    \b
    zedops doctor
    zedops doctor --json | jq '.[] | select(.verdict != "ok")'
    """
    from zedops.cli.fleet_diagnostics import check_git

    found = [("here", each) for each in check_git()]
    clone, hub = _place(fleet)
    asked_hosts = False
    if hub is not None or clone is not None:
        for each in _fleet(clone, hub):
            asked_hosts = asked_hosts or each[0] not in ("here", "fleet")
            found.append(each)
    if not asked_hosts and (clone is None or hub is not None):
        root = (data_root or default_data_root()).absolute()
        found += [("this host", each) for each in _this_host(root, policy.absolute())]
    if as_json:
        show_json([FindingRow(where, **each.model_dump(mode="json")) for where, each in found])
    else:
        _show(found)
    if any(each.verdict is Verdict.WRONG for _, each in found):
        raise SystemExit(1)


def findings(hub: Path) -> list[FindingRow]:
    """Check a fleet from beside its manager, for the web page."""
    from zedops.cli.fleet_diagnostics import check_git

    found = [*(("here", each) for each in check_git()), *_fleet(None, Hub(hub))]
    return [FindingRow(where, **each.model_dump(mode="json")) for where, each in found]


def _place(path: Path) -> tuple[Clone | None, Hub | None]:
    """Find the clone and the hub of a path, as far as they are on this machine."""
    if Hub.is_hub(path):
        return None, Hub(path)
    try:
        clone = Clone.find(path)
    except UsageError:
        return None, None
    place = clone.origin.hub_path()
    return clone, Hub(place) if place is not None else None


def _fleet(clone: Clone | None, hub: Hub | None) -> Found:
    from zedops.cli import fleet_diagnostics as checkup

    if clone is not None:
        yield from (("here", each) for each in checkup.check_clone(clone))
    if clone is not None and checkout.lost(clone.repository):
        return  # check_clone has reported it
    if hub is None:
        fact = "the hub is on another machine: it, its manager and the hosts cannot be seen"
        yield "fleet", Finding.unknown("hub", fact, "run `zedops doctor` there")
        return
    yield from (("fleet", each) for each in checkup.check_hub(hub))
    asker = clone or hub.path
    managed = is_managed(asker)
    awake = managed and is_awake(hub.path)
    yield "fleet", checkup.say_managed(hub, managed=managed, awake=awake)
    if awake:
        yield from _hosts(asker, hub)


def _hosts(asker: Clone | Path, hub: Hub) -> Found:
    from zedops.cli import fleet_diagnostics as checkup

    yield from (("fleet", each) for each in checkup.check_own_nats(hub))
    try:
        fleet = hub.read_fleet(hub.head() or "")[0]
    except GitFailed:
        return  # check_hub has reported the damage
    yield from (("fleet", each) for each in checkup.check_notify(fleet.settings))
    for host in fleet.settings.hosts:
        try:
            reply = call(asker, host, CheckupRequest(), CheckupReply)
        except ZedopsError as error:
            remedy = f"see that `zedops agent run` (or `zedops up`) runs on {host}"
            yield host, Finding.wrong("agent", str(error), remedy)
            continue
        yield host, checkup.check_clock(reply.at)
        yield from ((host, each) for each in reply.findings)
        yield from ((host, each) for each in checkup.check_ports(asker, fleet, host))
        yield from ((host, each) for each in checkup.check_servers(fleet, host))


def _this_host(root: Path, policy: Path) -> Iterator[Finding]:
    from zedops_agent.diagnostics import Site, check
    from zedops_agent.engine.engine import Engine, EngineInfo
    from zedops_agent.policy_file import PolicyFile

    def look() -> EngineInfo:
        engine = Engine()
        try:
            return engine.about()
        finally:
            engine.close()

    yield from check(Site(None, root, PolicyFile(policy), look))


def _show(found: list[tuple[str, Finding]]) -> None:
    colour = coloured()
    before = None
    for where, each in found:
        if where != before:
            click.echo(where)
        before = where
        mark = each.verdict.value
        shown = click.style(f"{mark:8}", fg=_COLOURS[each.verdict]) if colour else f"{mark:8}"
        click.echo(f"  {shown} {each.subject}: {each.fact}")
        if each.remedy:
            click.echo(f"           → {each.remedy}")
    count = sum(each.verdict is Verdict.WRONG for _, each in found)
    click.echo(f"{count} thing{'' if count == 1 else 's'} wrong" if count else "nothing is wrong")
