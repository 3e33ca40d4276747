"""How long a server is down when hundreds are edited in one push.

    python -m benchmarks.downtime [COUNT=300] [ALONE=10]

From the signal that ends the old process to the first line of the new one, by the machine's uptime,
which both write into the world. Beside it, in the same run: ALONE servers edited one after the
other, and a stop and a start of one container through docker-py's low-level client. Players miss
that time; the agent paces stops, so that it does not grow with COUNT.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks import figures, peers
from benchmarks.host import machine, percentiles
from tests.machine import Machine

#: Writes the seconds since boot (proc_uptime(5)) when it begins, and when it is told to end.
_SCRIPT = """\
say() { read up rest </proc/uptime; echo $1 $up >> /data/times; }
trap 'say end; exit 0' TERM
say begin
/bin/busybox sleep 1000000 & wait"""
COMMAND = ["/bin/busybox", "sh", "-c", _SCRIPT]
#: All of hundreds have to start, on a machine that does other work, too.
_DEADLINE_S = 900.0


def define(host: Machine, name: str, edit: int) -> None:
    """Write a server; another `edit` is another definition."""
    lines = [
        f"image: {host.image}", f"command: {json.dumps(COMMAND)}", "volumes: {world: /data}",
        "stop: {grace: 30s}", f"env: {{EDIT: '{edit}'}}",
    ]
    host.write(f"servers.d/{name}.yaml", "\n".join(lines) + "\n")


def push(host: Machine, message: str) -> None:
    """Commit everything and push it."""
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", message)
    host.git("push", "--quiet", "-o", "no-wait")


def times(file: Path) -> list[tuple[str, float]]:
    """Read what the processes of one server wrote."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [(kind, float(at)) for kind, at in (line.split() for line in lines)]


def gaps(file: Path) -> list[float]:
    """List the times in seconds from each end to the next begin."""
    seen = times(file)
    return [
        there - here for (kind, here), (after, there) in pairwise(seen)
        if (kind, after) == ("end", "begin")
    ]


def wait_begins(host: Machine, files: Sequence[Path], count: int) -> None:
    """Wait until each server has begun so often."""

    def all_began(left: Iterator[Path]) -> Callable[[], bool]:
        waiting = [next(left, None)]

        def look() -> bool:
            while (file := waiting[0]) is not None:
                if sum(kind == "begin" for kind, _ in times(file)) < count:
                    return False
                waiting[0] = next(left, None)
            return True

        return look

    host.wait_for(all_began(iter(files)), _DEADLINE_S)


def wait_proven(host: Machine, count: int) -> None:
    """Wait until no previous container is left: from then on an edit meets what people meet."""
    host.wait_for(lambda: len(host.containers()) == count, _DEADLINE_S)


def bare(host: Machine, rounds: int) -> list[float]:
    """Stop and start one container through the API."""
    place = host.folder / "bare"
    place.mkdir()
    config = host.api.create_host_config(binds=[f"{place}:/data"])
    made = host.api.create_container(
        host.image, COMMAND, name=f"{host.fleet}-bare", host_config=config
    )["Id"]
    host.api.start(made)
    for number in range(rounds):
        wait_begins(host, [place / "times"], number + 1)
        host.api.stop(made, timeout=30)
        host.api.start(made)
    wait_begins(host, [place / "times"], rounds + 1)
    host.api.remove_container(made, force=True)
    return gaps(place / "times")


def measure(count: int, alone: int) -> dict[str, list[float]]:
    """Measure all three; returns seconds by name."""
    with machine() as host:
        names = [f"s{at}" for at in range(count)]
        for name in names:
            define(host, name, 0)
        push(host, "begin")
        host.wait_for(
            lambda: len(list(host.data_root.glob("servers/*/world/times"))) == count, _DEADLINE_S
        )
        host.pull()
        found = {"stop + start through the bare API": bare(host, alone)}
        wait_proven(host, count)
        places = {name: _times_of(host, name) for name in names[:alone]}
        for name, file in places.items():
            define(host, name, 1)
            push(host, f"{name}: edit")
            wait_begins(host, [file], 2)
            host.pull()
        found["one edited alone"] = [gap for file in places.values() for gap in gaps(file)]
        wait_proven(host, count)
        files = sorted(host.data_root.glob("servers/*/world/times"))
        before = {file: len(gaps(file)) for file in files}
        for name in names:
            define(host, name, 2)
        push(host, "edit all")
        for file in files:
            wait_begins(host, [file], before[file] + 2)
        found[f"{count} edited at once"] = [gaps(file)[-1] for file in files]
        peers.remove_all(host)
        return found


def _times_of(host: Machine, name: str) -> Path:
    facts = host.container(name)
    assert facts is not None
    (mounted,) = (each["Source"] for each in facts["Mounts"] if each["Destination"] == "/data")
    return Path(mounted) / "times"


def main(count: int, alone: int) -> None:
    """Measure, print, write."""
    print(f"load average before {os.getloadavg()[0]:.1f}")
    seen = measure(count, alone)
    rows = {name: percentiles(values) for name, values in seen.items()}
    own = rows["one edited alone"]["p50_ms"]
    for name, row in rows.items():
        row["ratio"] = round(row["p50_ms"] / own, 2)
        print(f"{name:40} p50 {row['p50_ms']:9.1f} ms  p99 {row['p99_ms']:9.1f}"
              f"  max {row['max_ms']:9.1f}  × {row['ratio']:.2f}  n {row['n']:.0f}")
    figures.write("downtime", rows)


if __name__ == "__main__":
    main(*figures.numbers(__doc__, count=300, alone=10))
