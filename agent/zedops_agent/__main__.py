"""Entry point of a separate agent: joined to a manager, or with the last document on disk."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zedops.errors import UsageError, ZedopsError
from zedops.system import logs
from zedops.system.heap import share_one_arena
from zedops.system.shutdown import Ending
from zedops_agent.engine.engine import Engine
from zedops_agent.loop import Agent
from zedops_agent.membership import Membership, load
from zedops_agent.metrics import AgentMetrics
from zedops_agent.policy_file import DEFAULT_PATH, PolicyFile
from zedops_agent.store import Store

if TYPE_CHECKING:
    from zedops.bus.nats.agent import NatsLink


def run(
    fleet: str, root: Path, policy: Path, end: Ending, metrics: AgentMetrics | None = None,
) -> None:
    """Keep a fleet's servers running until `end`; ZedopsError if another agent takes over."""
    membership = load(root, fleet)
    host, known = _host(fleet, root, membership)
    engine = Engine()
    engine.greeting()
    agent = Agent(fleet, host, engine, root, PolicyFile(policy), metrics)
    agent.end = end
    link = _link(agent, membership) if membership else None
    agent.start(link)
    where = f"manager at {', '.join(membership.urls)}" if membership else "no manager"
    text = f"fleet {fleet!r}, host {host}: {known} servers on disk, {where}"
    logs.announce(text, "started", fleet=fleet, host=host, servers=known)
    try:
        end.wait_for_signal()
    finally:
        agent.stop()
        if link is not None:
            link.close()
    if agent.lost:
        raise ZedopsError(agent.lost)


def _host(fleet: str, root: Path, membership: Membership | None) -> tuple[str, int]:
    """Find this host's name, and count the servers in its document."""
    document = None
    if (root / "agent" / fleet).is_dir():
        store = Store(root, fleet)
        document = store.load_desired()
        store.close()
    if membership is None and document is None:
        remedy = "join with `zedops agent join TOKEN`, or run `zedops up` there first"
        raise UsageError(f"no document of fleet {fleet!r} in {root}; {remedy}")
    name = membership.host if membership else document.host if document else ""
    return name, len(document.servers) if document else 0


def _link(agent: Agent, membership: Membership) -> NatsLink:
    try:
        from zedops.bus.nats.agent import NatsLink, address
    except ImportError as error:
        remedy = "pip install 'zedops[nats]'"
        raise ZedopsError(f"this host has joined over NATS, which needs: {remedy}") from error
    where = address(
        membership.host, membership.urls, membership.credentials, membership.ca,
        tls_first=membership.tls_first,
    )
    return NatsLink(membership.host, agent, where)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="zedops-agent", description=__doc__)
    parser.add_argument("fleet")
    parser.add_argument("--data-root", type=Path, default=Path("/var/lib/zedops"))
    parser.add_argument("--policy", type=Path, default=DEFAULT_PATH)
    arguments = parser.parse_args()
    share_one_arena()
    logs.open_logbook(verbose=True)
    end = Ending()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    try:
        root, policy = arguments.data_root.absolute(), arguments.policy.absolute()
        run(arguments.fleet, root, policy, end)
    except ZedopsError as error:
        sys.stderr.write(f"zedops-agent: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
