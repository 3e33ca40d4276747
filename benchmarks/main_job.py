"""How much zedops adds to what Docker itself takes: push → start, and removal → state commit.

    python -m benchmarks.main_job [ROUNDS]

Interleaved in one run: a new server pushed through zedops, and the same container created and
started through the bare API. Ratios are what counts; absolute times depend on the machine.
"""

from __future__ import annotations

import subprocess
import sys
import time

from docker.types import LogConfig, Mount

from benchmarks.figures import write
from benchmarks.host import Events, machine, summary, wait_ref
from tests.machine import Machine, free_port


def bare_start(host: Machine, events: Events, name: str, port: int) -> float:
    """Create and start the same container through the API; returns seconds to its start event."""
    begun = time.time()
    world = host.folder / name
    world.mkdir()
    config = host.api.create_host_config(
        mounts=[Mount(type="bind", source=str(world), target="/data")],
        port_bindings={"8080/tcp": port}, restart_policy={"Name": "unless-stopped"},
        pids_limit=512, init=True, security_opt=["no-new-privileges"],
        log_config=LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"}),
    )
    made = host.api.create_container(
        host.image, name=name, host_config=config, ports=[(8080, "tcp")],
        labels={"zedops.fleet": host.fleet},
    )
    host.api.start(made["Id"])
    took = events.time_of(name) - begun
    host.api.remove_container(made["Id"], force=True)
    return took


def pushed_start(host: Machine, events: Events, name: str, port: int) -> tuple[float, float]:
    """Push a new server; returns seconds from the push's begin and from its end to the start."""
    host.define(name, port)
    host.git("add", "--all")
    host.git("commit", "--quiet", "-m", f"{name}: begin")
    begun = time.time()
    subprocess.run(
        ["git", "push", "--quiet", "-o", "no-wait"], cwd=host.clone, check=True,
        capture_output=True,
    )
    ended = time.time()
    started = events.time_of(f"{host.fleet}-{name}")
    host.wait_for(lambda: host.state(name).get("status") == "running")
    host.pull()
    return started - begun, started - ended


def removed_to_commit(host: Machine, name: str) -> float:
    """Remove a container by hand; returns seconds from then to the state commit that says so."""
    ref = host.hub / "refs/heads/main"
    before = ref.read_text()
    host.api.remove_container(f"{host.fleet}-{name}", force=True)
    removed = time.time()
    took = wait_ref(ref, before) - removed
    host.wait_for(lambda: host.state(name).get("status") == "running")
    return took


def main(rounds: int) -> None:
    """Measure and print; the last line is JSON."""
    floor, from_begin, from_end, drift = [], [], [], []
    with machine() as host:
        events = Events(host.api, "start")
        bare_start(host, events, f"{host.fleet}-warm", free_port())
        for count in range(rounds):
            floor.append(bare_start(host, events, f"{host.fleet}-bare{count}", free_port()))
            begin, end = pushed_start(host, events, f"s{count}", free_port())
            from_begin.append(begin)
            from_end.append(end)
            drift.append(removed_to_commit(host, f"s{count}"))
            host.zedops("delete", f"s{count}", "--yes")
    results = {
        "create + start through the bare API": summary(floor),
        "begin of git push → start event": summary(from_begin),
        "end of git push → start event": summary(from_end),
        "docker rm -f → state commit": summary(drift),
    }
    base = results["create + start through the bare API"]["median_ms"]
    for what, figures in results.items():
        ratio = figures["median_ms"] / base
        middle, slow = figures["median_ms"], figures["p90_ms"]
        print(f"{what:40} {middle:8.1f} ms  p90 {slow:8.1f}  × {ratio:.2f}")
    write("main_job", results)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
