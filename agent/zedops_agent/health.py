"""What a container's health check says about an update, and about those that wait for it. Pure.

An update whose check never passes goes back, as one that crashes does. Without a container to go
back to, an unhealthy server runs on: a wrong check must not take a server down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from zedops.spec.dependencies import Condition
from zedops_agent.memory import PROVEN_S, Memory, began, may_return, ran_s
from zedops_agent.observed import Container, HealthStatus

#: The longest time for a first success, whatever a check's own figures say.
LONGEST_S = 3600.0
_NS = 10**9
_PASSED = (HealthStatus.NONE, HealthStatus.HEALTHY)
#: The Engine's own figures, where a check has none (API: HealthConfig).
_INTERVAL_S, _TIMEOUT_S, _RETRIES = 30.0, 30.0, 3


def within_s(check: Mapping[str, Any]) -> float:
    """Compute the longest time that a check may take to pass for the first time.

    Source: Engine API v1.41, `HealthConfig`: times in nanoseconds, 0 for the default.
    """
    interval = check.get("Interval", 0) / _NS or _INTERVAL_S
    timeout = check.get("Timeout", 0) / _NS or _TIMEOUT_S
    tries: float = (check.get("Retries") or _RETRIES) * (interval + timeout)
    begin: float = check.get("StartPeriod", 0) / _NS
    return min(begin + tries, LONGEST_S)


def is_proven(memory: Memory, container: Container, now: datetime) -> bool:
    """Say whether a container has proven itself: it ran long enough, and its check passed."""
    long_enough = ran_s(memory, container, now) >= PROVEN_S
    return long_enough and container.health in _PASSED


def replaces(
    current: Container, previous: Container | None, memory: Memory, now: datetime
) -> bool:
    """Say whether a container may outlive the previous one, which then goes for good."""
    if not may_return(previous, memory):  # there is no way back
        return ran_s(memory, current, now) >= PROVEN_S
    return is_proven(memory, current, now)


def never_passed(
    current: Container, previous: Container | None, memory: Memory, now: datetime
) -> str | None:
    """Say why an update ends at its health check; None: it goes on."""
    if not may_return(previous, memory) or current.id == memory.proven or not current.running:
        return None
    if current.health is HealthStatus.UNHEALTHY:
        return "its health check failed"
    if current.health is HealthStatus.STARTING and now >= deadline(memory, current, now):
        return f"its health check did not pass within {current.health_within_s:.0f} s"
    return None


def deadline(memory: Memory, container: Container, now: datetime) -> datetime:
    """Compute when a check must have passed."""
    begun = began(memory, container.started_at, now) if container.started_at else now
    return begun + timedelta(seconds=container.health_within_s)


def lacks(condition: Condition, containers: Sequence[Container]) -> str | None:
    """Say what a server lacks for those that wait for it; None: they may start."""
    up = next((each for each in containers if each.running), None)
    if up is None:
        return "to run"
    if condition is Condition.HEALTHY and up.health not in _PASSED:
        return "to be healthy"
    return None
