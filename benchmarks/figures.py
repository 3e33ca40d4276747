"""What a benchmark says: a table for people, JSON for machines, both with where it was measured."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
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
        ratios = [one / other for one, other in zip(values, rows[floor], strict=True)]
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
    """Keep figures with how they came about; the last line printed is the same JSON."""
    record = {
        "benchmark": name,
        "arguments": sys.argv[1:],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}",
        "with": f"Python {platform.python_version()}, {_version('git', '--version')},"
                f" Docker Engine {_version('docker', 'version', '-f', '{{.Server.Version}}')}",
        "load": [round(each, 1) for each in os.getloadavg()],
        "figures": figures,
    }
    folder = Path(os.environ.get(PLACE, "benchmark-results"))
    folder.mkdir(parents=True, exist_ok=True)
    # what was asked for is in the name: ten servers are not to replace a thousand
    file = "-".join([name, *(each.strip("-") for each in sys.argv[1:])])
    (folder / f"{file}.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(figures))


def _version(*command: str) -> str:
    """Ask a program which one it is; nothing is said of one that is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "(none)"


def command_line(doc: str | None) -> argparse.ArgumentParser:
    """Begin a benchmark; returns what reads its arguments.

    From here on, told to end, it removes what it made, as after its last figure.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    return argparse.ArgumentParser(description=(doc or "").partition("\n")[0])


def numbers(doc: str | None, **defaults: int) -> list[int]:
    """Begin a benchmark whose arguments are numbers in this order; each may be left out."""
    parser = command_line(doc)
    for name, default in defaults.items():
        parser.add_argument(name.upper(), type=int, nargs="?", default=default,
                            help=f"(default: {default})")
    return list(vars(parser.parse_args()).values())


def timed(begun: float) -> float:
    """Say how many seconds have gone since `begun` of the system's monotonic clock."""
    return time.monotonic() - begun
