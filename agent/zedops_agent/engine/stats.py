"""Measures the load of containers with single reads: a stream waits a second for its difference.

Source: Docker Engine API v1.41, `ContainerStats` with `one-shot`; memory without inactive file
pages, as `docker stats` counts it (docker/cli, calculateMemUsageUnixNoCache).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import docker.errors
import requests.exceptions

from zedops.protocol.requests import Sample
from zedops_agent.engine.connection import EngineConnection
from zedops_agent.observed import FLEET, SERVER_ID

_STATUS = re.compile(r"Up (?P<uptime>[^(]+?)(?: \((?:health: )?(?P<health>\w+)\))?")
#: The Engine answers at its next tick, up to a second later, so most of the time is a wait.
_AT_ONCE = 64
#: The longest wait for a busy Engine: a caller does not wait longer for figures.
WITHIN_S = 8.0


def samples(
    connection: EngineConnection, fleet: str, adopted: Mapping[str, str], ends: Callable[[], bool]
) -> list[Sample]:
    """Sample every running container of a fleet, and those adopted, while time lasts.

    Leaves out containers without figures from the Engine within `WITHIN_S`, or before this `ends`.
    """
    deadline = time.monotonic() + WITHIN_S
    listed = [
        (owner, each) for each in _ask(connection, "/containers/json", WITHIN_S)
        if (owner := _owner(each, fleet, adopted)) is not None
    ]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="stats") as pool:
        def sample(each: tuple[str, Mapping[str, Any]]) -> Sample | None:
            left_s = 0.0 if ends() else deadline - time.monotonic()
            return _sample(connection, *each, left_s) if left_s > 0 else None

        found = pool.map(sample, listed)
        return [each for each in found if each is not None]


def _ask(
    connection: EngineConnection,
    path: str,
    within_s: float,
    asked: Mapping[str, bool] | None = None,
) -> Any:
    """Ask the Engine: docker-py's own calls wait for two minutes."""
    api: Any = connection.api
    answer = api._get(api._url(path), params=dict(asked or {}), timeout=within_s)
    return api._result(answer, json=True)


def _owner(listed: Mapping[str, Any], fleet: str, adopted: Mapping[str, str]) -> str | None:
    labels = listed["Labels"]
    mine = labels.get(SERVER_ID) if labels.get(FLEET) == fleet else None
    return adopted.get(listed["Id"], mine)


def _sample(
    connection: EngineConnection, owner: str, listed: Mapping[str, Any], left_s: float
) -> Sample | None:
    path = f"/containers/{listed['Id']}/stats"
    try:
        said = _ask(connection, path, left_s, {"stream": False, "one-shot": True})
    except (docker.errors.NotFound, requests.exceptions.ReadTimeout):
        return None  # gone between the two calls, or too busy
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
