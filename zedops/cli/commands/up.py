"""`zedops up`: manager and agent in one process."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zedops.bus.interfaces import Bus, Enrolment
from zedops.bus.local import LocalBus
from zedops.bus.router import Switch
from zedops.cli.commands.doctor import findings
from zedops.cli.completion_types import HOST
from zedops.cli.host_options import DATA_ROOT, POLICY, FleetPath
from zedops.cli.network_options import Network, network_options, reach
from zedops.cli.service_options import Running, running_options
from zedops.cli.upstream_options import Remote, find_fleet, mirrored, remote_options
from zedops.cli.web_options import Web, serving_page, web_options
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.manager.control_server import ControlServer
from zedops.manager.loop import Manager
from zedops.manager.metrics import Metrics
from zedops.manager.notifier import Messenger
from zedops.manager.upstream_sync import Mirror
from zedops.spec.settings import Settings
from zedops.system.logs import announce
from zedops.system.monitoring import new_registry
from zedops.system.paths import default_data_root
from zedops.system.shutdown import Ending

if TYPE_CHECKING:
    from zedops_agent.loop import Agent

TAKEN_OVER = "another manager leads {} now; this one has ended, servers go on"


@click.command("up")
@click.argument("fleet", type=FleetPath(path_type=Path, exists=True, file_okay=False), default=".")
@click.option("--host", type=HOST, help="This machine's name in the fleet. Default: its only host.")
@DATA_ROOT
@POLICY
@network_options
@remote_options
@running_options
@web_options
@click.option("--systemd", is_flag=True, help="Install and start a unit instead of running here.")
@click.option("--print", "only_print", is_flag=True, help="With --systemd: show the unit only.")
def up_command(
    fleet: Path, host: str | None, data_root: Path | None, policy: Path, network: Network,
    remote: Remote, running: Running, web: Web, systemd: bool, only_print: bool,
) -> None:
    """Run a fleet on this machine: manager and agent in one, until Ctrl-C.

    Servers go on running afterwards; `zedops up` takes them over again. With --advertise hosts on
    other machines may join.

    \b
    zedops up fleet         a clone or a hub
    zedops up --upstream git@github.com:me/fleet.git
    zedops up fleet --systemd     as a service, from now on and after each boot
    """
    if systemd or only_print:
        from zedops.cli.service import serve

        served = find_fleet(fleet, remote)
        words = sys.argv[sys.argv.index("up"):]
        name = served.read_settings().name
        click.echo(serve(name, served.path, words, only_print=only_print))
        return
    from zedops_agent.engine.engine import Engine
    from zedops_agent.loop import Agent
    from zedops_agent.metrics import AgentMetrics
    from zedops_agent.policy_file import PolicyFile
    from zedops_agent.store import Store

    running.prepare()
    metrics = Metrics(new_registry())
    agent_metrics = AgentMetrics(metrics.registry)
    hub, local = find_fleet(fleet, remote), LocalBus()
    engine = Engine()
    greeting = engine.greeting()
    root = (data_root or default_data_root()).absolute()
    # an agent that runs here already has a manager: leave the hub to that manager
    Store(root, hub.read_settings().name).close()
    with reach(network, hub, hub.read_settings().name) as found:
        bus = Switch(local, found.bus) if found.bus else local
        manager = Manager(hub, bus, metrics=metrics)
        manager.on_commit = tell
        with (
            mirrored(manager, remote) as mirror,
            serving(manager, bus, found.enrolment, mirror=mirror) as door,
            serving_page(web, hub, door, fleet, findings),
        ):
            settings = manager.ledger.settings
            name = _this_host(host, settings)
            owner = PolicyFile(policy.absolute())
            agent = Agent(settings.name, name, engine, root, owner, agent_metrics)
            agent.start(local.join(name, agent))
            count = sum(1 for _ in manager.ledger.fleet.servers())
            others = f" Other hosts reach it at {found.where}." if found.where else ""
            announce(
                f"fleet {settings.name!r}: {count} server{'' if count == 1 else 's'}, host {name}, "
                f"{greeting}.{others} Ctrl-C ends zedops, not the servers.",
                "started", fleet=settings.name, host=name, servers=count,
            )
            try:
                with running.watched(metrics, agent_metrics):
                    _wait_for_end(manager, agent)
            finally:
                manager.ending = True
                agent.stop()
    if agent.lost:
        raise ZedopsError(agent.lost)
    if manager.deposed.is_set():
        raise ZedopsError(TAKEN_OVER.format(hub.path))


def _wait_for_end(manager: Manager, agent: Agent) -> None:
    """Wait for Ctrl-C or SIGTERM, or until another zedops takes over the hub or the host."""
    end = ending()
    manager.on_deposed, agent.end = end.set, end
    if not manager.deposed.is_set() and not agent.lost:
        end.wait_for_signal()


def _this_host(named: str | None, settings: Settings) -> str:
    name = named or settings.defaults.get("host")
    if named is None and len(settings.hosts) == 1:
        name = settings.hosts[0]
    if name not in settings.hosts:
        known = ", ".join(settings.hosts)
        raise UsageError(f"say which host this is with --host; the fleet has {known}")
    return str(name)


@contextlib.contextmanager
def serving(
    manager: Manager, bus: Bus, enrolment: Enrolment | None = None, warm: Fleet | None = None,
    mirror: Mirror | None = None,
) -> Iterator[ControlServer]:
    """Run a manager with its door open, and the mirror to its upstream.

    `warm` is the fleet, if it is in memory already.
    """
    messenger = Messenger(manager.warm, manager.metrics)
    manager.notify = messenger.tell
    with _loading():
        manager.start(warm)
    messenger.start()
    door = ControlServer(manager, bus, enrolment)
    if mirror:
        mirror.start()
    try:
        yield door
    finally:
        door.close()
        manager.stop()
        if mirror:
            mirror.stop_syncing()  # after the manager's last commit, which it still pushes
        messenger.close()


def ending() -> Ending:
    """Make the event that Ctrl-C or SIGTERM sets; a second signal ends the process at once."""
    end = Ending()

    def said(*_: object) -> None:
        end.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        announce("ending after the step in hand; servers go on running", "ending")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, said)
    return end


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """Keep the garbage collector off all objects made inside, now and later.

    For 10,000 servers it takes a second during the read, and half a second now and then later.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def tell(subject: str) -> None:
    """Show a state commit as it happens."""
    announce(subject, "commit")


