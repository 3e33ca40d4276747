"""The time that a container's health check may take, by its own figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zedops.spec.readiness import LONGEST_S

_NS = 10**9
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
