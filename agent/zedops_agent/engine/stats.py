"""How busy containers are, read once and not as a stream that waits a second for its difference.

Source: Docker Engine API v1.41, `ContainerStats` with `one-shot`; memory without inactive file
pages, as `docker stats` counts it (docker/cli, calculateMemUsageUnixNoCache).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import docker.errors

from zedops.calls import Sample
from zedops_agent.engine.connection import Connection
from zedops_agent.observed import FLEET, SERVER_ID

_STATUS = re.compile(r"Up (?P<uptime>[^(]+?)(?: \((?:health: )?(?P<health>\w+)\))?")
_AT_ONCE = 8


def samples(connection: Connection, fleet: str, adopted: Mapping[str, str]) -> list[Sample]:
    """Sample every running container of a fleet, and those adopted."""
    listed = [
        (owner, each) for each in connection.api.containers()
        if (owner := _owner(each, fleet, adopted)) is not None
    ]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="stats") as pool:
        found = pool.map(lambda each: _sample(connection, *each), listed)
        return [each for each in found if each is not None]


def _owner(listed: Mapping[str, Any], fleet: str, adopted: Mapping[str, str]) -> str | None:
    labels = listed["Labels"]
    mine = labels.get(SERVER_ID) if labels.get(FLEET) == fleet else None
    return adopted.get(listed["Id"], mine)


def _sample(connection: Connection, owner: str, listed: Mapping[str, Any]) -> Sample | None:
    try:
        said: Any = connection.api.stats(listed["Id"], stream=False, one_shot=True)
    except docker.errors.NotFound:
        return None  # gone between the two calls
    memory = said.get("memory_stats") or {}
    pages = memory.get("stats") or {}
    idle = pages.get("inactive_file", pages.get("total_inactive_file", 0))
    status = _STATUS.fullmatch(listed.get("Status", ""))
    return Sample(
        server_id=owner,
        cpu_ns=said["cpu_stats"]["cpu_usage"]["total_usage"],
        at_ns=_ns(said["read"]),
        memory_bytes=max(0, memory.get("usage", 0) - idle),
        memory_limit_bytes=memory.get("limit", 0),
        pids=(said.get("pids_stats") or {}).get("current", 0),
        uptime=status["uptime"] if status else "",
        health=(status["health"] or "") if status else "",
    )


def _ns(text: str) -> int:
    """Read the Engine's time, which has nanoseconds."""
    second, _, rest = text.removesuffix("Z").partition(".")
    whole = int(datetime.fromisoformat(f"{second}+00:00").timestamp())
    return whole * 10**9 + int(rest.ljust(9, "0")[:9] or 0)
