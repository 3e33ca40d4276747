"""Stops every server of a host properly before its Engine or the machine ends. Keeps every wish.

It asks a working agent to drain, by a file in its directory; without one, this process takes its
place. Both happen at a shutdown, where the agent may end at any moment. The agent's next start
starts drained servers: a drain never leaves a server down for good.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from zedops.errors import AgentAtWork, EngineFailed
from zedops.protocol.sync import DesiredDocument
from zedops_agent.engine.engine import Engine
from zedops_agent.loop import Agent
from zedops_agent.policy_file import PolicyFile
from zedops_agent.stops import COMMAND_S, KILLED_S
from zedops_agent.store import ask_to_drain, peek

_LOOK_S = 0.25


def fleets(root: Path) -> list[str]:
    """Name the fleets with an agent on this host, joined or of `zedops up`."""
    return sorted(each.parent.name for each in root.glob("agent/*/desired.json"))


def drain(fleet: str, root: Path, policy: Path) -> int:
    """Stop a fleet's servers here, and return the number that was up.

    Raises EngineFailed if some are still up after all their time.
    """
    document, adopted = peek(root, fleet)
    engine, agent = Engine(), None
    try:
        first = up = _up(engine, document, adopted)
        deadline = time.monotonic() + _longest_s(document)
        while up:
            if agent is None:
                agent = _take_over(engine, root, policy, document)
            if time.monotonic() > deadline:
                names = ", ".join(sorted(up))
                raise EngineFailed(f"still up after all their time: {names}; see the agent's log")
            time.sleep(_LOOK_S)
            up = _up(engine, document, adopted)
        return len(first)
    finally:
        if agent is not None:
            agent.stop()
        engine.close()


def _up(engine: Engine, document: DesiredDocument, adopted: Mapping[str, str]) -> set[str]:
    """Name the servers with a container that is up."""
    found = engine.lists.ups(document.fleet, adopted)
    return {each.name for key, each in document.servers.items() if key in found}


def _longest_s(document: DesiredDocument) -> float:
    stops = [each.definition.stop for each in document.servers.values()]
    longest = max((each.grace + COMMAND_S * len(each.commands) for each in stops), default=0.0)
    return longest + KILLED_S


def _take_over(
    engine: Engine, root: Path, policy: Path, document: DesiredDocument
) -> Agent | None:
    """Start an agent only for the drain; with an agent at work, ask that one and return None."""
    try:
        agent = Agent(
            document.fleet, document.host, engine, root, PolicyFile(policy), drains=True
        )
    except AgentAtWork:
        ask_to_drain(root, document.fleet)
        return None
    agent.start()
    return agent
