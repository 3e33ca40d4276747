"""Checks by systemd's settings that a shutdown of the machine gives servers the time to save.

A stopping Engine gives each container its `StopTimeout`, which is `stop.grace`, and ends after the
last container. systemd waits for the Engine no longer than `TimeoutStopSec` (systemd.service(5)),
and the Engine runs no `stop.commands`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

from zedops.protocol.findings import Finding
from zedops.spec.model import Definition
from zedops.spec.quantities import format_duration

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_SPAN = re.compile(r"(\d+)(us|ms|min|s|h|d|w)\b")
#: The time that the Engine adds to the longest grace, for itself.
_MARGIN_S = 10.0
_REMEDY = "enable zedops-drain.service (packaging/systemd), which stops servers before that"


def check(definitions: Iterable[Definition]) -> list[Finding]:
    """Check that a shutdown stops these servers properly; no findings without systemd."""
    try:
        asked = ["systemctl", "show", "docker.service", "--property=LoadState,TimeoutStopUSec"]
        shown = _said(*asked)
        drains = _said(
            "systemctl", "list-units", "--state=active", "--plain", "--no-legend", "zedops-drain*"
        )
    except (OSError, subprocess.SubprocessError):
        return []
    facts = dict(line.partition("=")[::2] for line in shown.splitlines())
    if facts.get("LoadState") != "loaded":
        return []
    found = judge(tuple(definitions), seconds(facts.get("TimeoutStopUSec", "")),
                  is_drained=bool(drains))
    return [found] if found else []


def judge(
    definitions: tuple[Definition, ...], engine_s: float | None, *, is_drained: bool
) -> Finding | None:
    """Compare the servers' time to save with systemd's wait for their Engine. Pure."""
    if not definitions:
        return None
    if is_drained:
        return Finding.good("shutdown", "a unit stops servers properly before the Engine ends")
    longest = max(each.stop.grace for each in definitions)
    if engine_s is not None and engine_s < longest + _MARGIN_S:
        least = f"{longest + _MARGIN_S:.0f}"
        fact = (
            f"systemd kills the Engine after {format_duration(engine_s)}, and a server here may"
            f" take {format_duration(longest)} to save"
        )
        edit = f"or `systemctl edit docker.service`: [Service] TimeoutStopSec={least}"
        return Finding.warning("shutdown", fact, f"{_REMEDY}; {edit}")
    if any(each.stop.commands for each in definitions):
        fact = "the Engine runs no `stop.commands` when it ends"
        return Finding.warning("shutdown", fact, _REMEDY)
    return Finding.good("shutdown", "the Engine has the time to let servers save")


def seconds(span: str) -> float | None:
    """Read a time span in systemd's form, `1min 30s`; None for `infinity`."""
    parts = _SPAN.findall(span)
    return sum(int(number) * _UNITS[unit] for number, unit in parts) if parts else None


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout
