"""What a benchmark says: a table for people, JSON for machines, both with where it was measured."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: Where the JSON goes; the working directory's `benchmark-results` unless this names another place.
PLACE = "ZEDOPS_BENCHMARK_RESULTS"


def middle_ms(values: Sequence[float]) -> float:
    """Median in milliseconds."""
    return statistics.median(values) * 1e3


def compare(rows: Mapping[str, Sequence[float]], floor: str) -> dict[str, dict[str, float]]:
    """Make a row of each: median and p90 in milliseconds, and the ratio to the floor.

    The ratio is the median of the rounds' own: what loads the machine meets both sides of one.
    """
    found = {}
    for name, values in rows.items():
        ordered = sorted(values)
        ratios = [one / other for one, other in zip(values, rows[floor], strict=False)]
        found[name] = {
            "median_ms": round(middle_ms(values), 1),
            "p90_ms": round(ordered[int(0.9 * (len(ordered) - 1))] * 1e3, 1),
            "ratio": round(statistics.median(ratios), 3),
            "n": len(ordered),
        }
    return found


def show(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print rows of `compare`."""
    for name, each in rows.items():
        print(f"{name:58} {each['median_ms']:9.1f} ms  p90 {each['p90_ms']:9.1f}"
              f"  × {each['ratio']:.2f}  n {each['n']}")


def write(name: str, figures: Mapping[str, Any]) -> None:
    """Keep figures with the machine and the moment; the last line printed is the same JSON."""
    python = platform.python_version()
    record = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {python}",
        "load": [round(each, 1) for each in os.getloadavg()],
        "figures": figures,
    }
    folder = Path(os.environ.get(PLACE, "benchmark-results"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(figures))


def timed(begun: float) -> float:
    """Say how many seconds have gone since `begun` of the system's monotonic clock."""
    return time.monotonic() - begun
