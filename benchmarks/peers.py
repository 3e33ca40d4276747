"""Others who do the same: docker compose, v2 and 1.29, docker stack deploy; and the bare API.

What is not here is left out of a table and said. `ZEDOPS_BENCHMARK_COMPOSE` names programs besides
(a list as PATH has it), such as the one out of Debian's package:
`dpkg -x docker-compose_*.deb x` and `x/usr/libexec/docker/cli-plugins/docker-compose`. A stack
needs an Engine that is a swarm (`docker swarm init --advertise-addr 127.0.0.1`); none is made one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.types import LogConfig, Mount

from tests.machine import Machine

PROGRAMS = "ZEDOPS_BENCHMARK_COMPOSE"


def label(host: Machine) -> str:
    """Mark what a benchmark makes beside zedops, so that it is removed with the rest."""
    return f"{host.fleet}-beside"


def create(
    host: Machine, name: str, *, port: int | None = None, restart: str = "unless-stopped",
    **env: str,
) -> str:
    """Create what zedops would, through docker-py's low-level client; returns the id."""
    world = host.folder / "bare" / name
    world.mkdir(parents=True, exist_ok=True)
    config = host.api.create_host_config(
        mounts=[Mount(type="bind", source=str(world), target="/data")],
        port_bindings={"8080/tcp": port} if port else None,
        restart_policy={"Name": restart},
        pids_limit=512, init=True, security_opt=["no-new-privileges"],
        log_config=LogConfig(type="json-file", config={"max-size": "10m", "max-file": "3"}),
    )
    made = host.api.create_container(
        host.image, name=name, host_config=config, ports=[(8080, "tcp")] if port else None,
        labels={"zedops.fleet": label(host)}, environment=env, stop_signal="SIGTERM",
    )
    return str(made["Id"])


def recreate(host: Machine, name: str, *, port: int | None = None, **env: str) -> None:
    """Stop, remove, create, start: the floor of a change."""
    host.api.stop(name, timeout=5)
    host.api.remove_container(name)
    host.api.start(create(host, name, port=port, **env))


def remove_all(host: Machine) -> None:
    """Remove a fleet's containers by several hands; what zedops runs must have ended."""
    with ThreadPoolExecutor(4) as pool:
        for each in host.containers():
            pool.submit(host.api.remove_container, each["Id"], force=True, v=True)


def clear(host: Machine) -> None:
    """Remove everything that was made beside zedops."""
    listed = host.api.containers(all=True, filters={"label": f"zedops.fleet={label(host)}"})
    with ThreadPoolExecutor(4) as pool:
        for each in listed:
            pool.submit(host.api.remove_container, each["Id"], force=True, v=True)


def _service(host: Machine, world: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for what zedops would make, in the words that compose and stacks share."""
    world.mkdir(parents=True, exist_ok=True)
    return {
        "image": host.image, "init": True, "stop_grace_period": "5s",
        "volumes": [{"type": "bind", "source": str(world), "target": "/data"}],
        "labels": {"zedops.fleet": label(host)},
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "environment": asked.get("env", {}),
    }


@dataclass(frozen=True)
class Compose:
    """One version of docker compose, and one project of it."""

    name: str
    program: str
    project: str
    folder: Path

    def write(self, host: Machine, services: Mapping[str, Mapping[str, Any]]) -> None:
        """Write what is asked for: for each service its port and its variables."""
        made: dict[str, Any] = {}
        for name, asked in services.items():
            made[name] = {
                **_service(host, self.folder / name, asked),
                "container_name": f"{self.project}-{name}", "restart": "unless-stopped",
                "network_mode": "bridge", "security_opt": ["no-new-privileges"],
                **({"ports": [f"{asked['port']}:8080"]} if asked.get("port") else {}),
            }
        text = json.dumps({"version": "2.4", "services": made})  # JSON is YAML
        (self.folder / "compose.yaml").write_text(text)

    def up(self, *more: str) -> None:
        """Bring it about, with no bound on how much at once; 1.29 knows no such word."""
        bound = {} if " 1." in self.name else {"COMPOSE_PARALLEL_LIMIT": "-1"}
        done = subprocess.run(
            [self.program, "-p", self.project, "-f", str(self.folder / "compose.yaml"),
             "up", "-d", *more],
            check=False, capture_output=True, text=True, cwd=self.folder,
            env={**os.environ, **bound, "COMPOSE_HTTP_TIMEOUT": "300"},
        )
        if done.returncode:
            sys.exit(f"{self.name}: {done.stderr[-2000:]}")


@dataclass(frozen=True)
class Stack:
    """A stack of a swarm's services."""

    project: str
    folder: Path
    name: str = "docker stack deploy"

    def write(self, host: Machine, services: Mapping[str, Mapping[str, Any]]) -> None:
        """Write what is asked for: for each service its port and its variables."""
        made: dict[str, Any] = {}
        for name, asked in services.items():
            made[name] = {
                **_service(host, self.folder / name, asked),
                "ports": [{"target": 8080, "published": asked["port"], "mode": "host"}],
            }
        text = json.dumps({"version": "3.8", "services": made})  # JSON is YAML
        (self.folder / "stack.yaml").write_text(text)

    def up(self) -> None:
        """Bring it about."""
        subprocess.run(
            ["docker", "stack", "deploy", "--resolve-image", "never", "-c",
             str(self.folder / "stack.yaml"), self.project],
            check=True, capture_output=True,
        )

    def down(self, host: Machine) -> None:
        """Remove it, and wait until its containers and its network are gone."""
        subprocess.run(["docker", "stack", "rm", self.project], check=True, capture_output=True)
        labels = {"label": f"com.docker.stack.namespace={self.project}"}
        host.wait_for(lambda: not host.api.containers(all=True, filters=labels), 120)
        host.wait_for(lambda: not host.api.networks(filters=labels), 120)


def stack(host: Machine) -> Stack | None:
    """Have a stack, where the Engine is a swarm."""
    if host.api.info()["Swarm"]["LocalNodeState"] != "active":
        return None
    project = f"{host.fleet}k"
    return Stack(project, host.folder / project)


def composes(host: Machine) -> list[Compose]:
    """Find every docker compose on this machine."""
    named = os.environ.get(PROGRAMS, "").split(os.pathsep)
    programs = [each for each in (*named, shutil.which("docker-compose") or "",
                                  "/usr/libexec/docker/cli-plugins/docker-compose")
                if each and os.access(each, os.X_OK)]
    found: dict[str, Compose] = {}
    for program in dict.fromkeys(programs):
        said = subprocess.run(
            [program, "version", "--short"], capture_output=True, text=True, check=True
        )
        name = f"docker compose {said.stdout.strip()}"
        project = f"{host.fleet}c{len(found)}"
        found.setdefault(name, Compose(name, program, project, host.folder / project))
    return list(found.values())
