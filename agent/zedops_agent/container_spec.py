"""A resolved definition → the arguments of the Engine's create call. Pure.

Sources: Docker Engine API v1.41, `ContainerCreate`. Bind mounts go through `Mounts`, never
`Binds`: where a directory was deleted, `Binds` plus a restart policy silently makes an empty one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from zedops.protocol.sync import DesiredServer
from zedops.spec import stop_signals
from zedops.spec.model import LABEL_PREFIX, SECRETS_PATH, Definition, Health, SecretsAs
from zedops.spec.volume import Volume
from zedops_agent import observed, options, ports
from zedops_agent.observed import Ceilings, DataVolume

#: Entrypoints that are an init of their own; s6's `/init` insists on being process 1.
_OWN_INIT = {"init", "tini", "dumb-init", "docker-init", "catatonit"}
_NS = 10**9
#: With this policy the Engine starts servers after a reboot of the host, before zedops runs. It
#: refuses to start a container when a directory of zedops' own is missing.
RESTART_POLICY = "unless-stopped"
#: A volume may be on a mounted disk. The Engine would start over the bare mount point, so the agent
#: looks at the data of these servers and starts them.
RESTARTED_BY_AGENT = "no"


@dataclass(frozen=True)
class ContainerSecrets:
    """The secrets that a new container gets."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    fingerprint: str = ""  #: of the secrets whose values are on the host
    place: str = ""  #: the host's directory with their files; empty without files


def create_arguments(
    fleet: str,
    want: DesiredServer,
    name: str,
    sources: Mapping[str, str],
    image: observed.Image,
    secrets: ContainerSecrets,
    blank: Iterable[str] = (),
    restart_policy: str = RESTART_POLICY,
    hub: str = "",
) -> tuple[dict[str, Any], dict[str, Any], dict[str, dict[str, Any]]]:
    """Make (config, host config, networks) for one server's container.

    `sources` gives the place of each volume: an absolute path, or a named volume's own directory.
    `blank` names labels of the image that the container must not have: they get an empty value.
    """
    definition = want.definition
    as_files = definition.secrets_as is SecretsAs.FILES
    config: dict[str, Any] = {
        "name": name,
        "image": image.id if image.made_by_id else definition.image,
        "command": list(definition.command) if definition.command is not None else None,
        "environment": {**definition.env, **({} if as_files else secrets.values)},
        "hostname": definition.hostname,
        "user": definition.user,
        "labels": {
            **dict.fromkeys(blank, ""),
            **definition.labels,
            observed.FLEET: fleet,
            **({observed.HUB: hub} if hub else {}),
            observed.SERVER_ID: want.id,
            observed.SERVER_NAME: want.name,
            observed.DEFINITION: want.hash,
            observed.REBUILD: definition.rebuild or "",
            **({observed.SECRETS: secrets.fingerprint} if secrets.fingerprint else {}),
            **({observed.SECRET_NAMES: ",".join(secrets.values)} if secrets.values else {}),
        },
        "ports": [(port.container, port.protocol) for port in definition.ports.values()],
        # for every other stop: `docker stop`, an Engine or a machine that shuts down
        "stop_signal": stop_signals.usable(definition.stop.signal),
        "stop_timeout": max(1, math.ceil(definition.stop.grace)),
        "healthcheck": _health(definition.health) if definition.health else None,
        **options.config_arguments(definition),
    }
    host = {
        **_host(definition, sources, image, restart_policy), **options.host_arguments(definition),
    }
    if as_files and secrets.values:
        host["mounts"].append({
            "Type": "bind", "Source": secrets.place, "Target": SECRETS_PATH, "ReadOnly": True,
        })
    if (mode := options.network_mode(definition)) is not None:
        host["network_mode"] = mode
    return config, host, options.attachments(definition, want.name)


def is_ours(label: str) -> bool:
    """Say whether a label is zedops' own; no image may set these."""
    return label.startswith(LABEL_PREFIX)


def uncovered(definition: Definition, image: observed.Image) -> str | None:
    """Name the image's own volumes that no mount covers; None if there is none.

    The Engine makes a nameless volume for each, and another one for the next container. Only a
    mount on the same path prevents that, a mount above does not (API: ContainerCreate, `Volumes`).
    """
    covered = {PurePosixPath(volume.path) for volume in definition.volumes.values()}
    left = [path for path in image.volumes if PurePosixPath(path) not in covered]
    if not left:
        return None
    what = f"the image keeps {', '.join(left)}"
    fact = f"{what} in a nameless volume that the next container does not get"
    return f"{fact}; add the path to `volumes:` to keep what is in it"


def restart_policy(
    definition: Definition, volumes: Iterable[DataVolume], *, forbidden: bool = False
) -> str:
    """Choose who starts a server again: the Engine, or the agent after a look.

    The Engine knows no policy of the host's owner, so it must not start a `forbidden` server.
    """
    sourced = any(volume.source is not None for volume in definition.volumes.values())
    may_vanish = sourced or any(each.may_vanish for each in volumes)
    return RESTARTED_BY_AGENT if may_vanish or forbidden else RESTART_POLICY


def own_networks(definition: Definition) -> tuple[str, ...]:
    """Name the networks that a container joins; the host's or another container's do not count."""
    return tuple(
        each for each in definition.network_names
        if each not in ("host", "none", "default") and not each.startswith("container:")
    )


def ceilings(definition: Definition, restart_policy: str = RESTART_POLICY) -> Ceilings:
    """Compute a container's ceilings."""
    limits = definition.limits
    nano_cpus = int(limits.cpus * _NS) if limits.cpus else 0
    return Ceilings(limits.memory or 0, nano_cpus, limits.pids, restart_policy)


def _host(
    definition: Definition, sources: Mapping[str, str], image: observed.Image, restart_policy: str
) -> dict[str, Any]:
    limits = ceilings(definition, restart_policy)
    own_init = bool(image.entrypoint) and PurePosixPath(image.entrypoint[0]).name in _OWN_INIT
    return {
        "mounts": [
            _mount(volume, sources[key]) for key, volume in definition.volumes.items()
        ],
        "port_bindings": _bindings(definition),
        "restart_policy": {"Name": limits.restart_policy},
        "mem_limit": limits.memory_bytes or None,
        "nano_cpus": limits.nano_cpus or None,
        "pids_limit": limits.pids,
        "init": not own_init if definition.init is None else definition.init,
    }


def _mount(volume: Volume, place: str) -> dict[str, Any]:
    """Mount a named volume by its name, so that the Engine knows that a container uses it."""
    # mount a directory inside a volume by its path: the Engine knows `Subpath` since 26 only
    named = volume.source is not None and not volume.source.startswith("/") and not volume.subpath
    mount: dict[str, Any] = {
        "Type": "volume" if named else "bind",
        "Source": volume.source if named else place,
        "Target": volume.path,
        "ReadOnly": volume.read_only,
    }
    if volume.propagation:
        mount["BindOptions"] = {"Propagation": volume.propagation}
    return mount


def _bindings(definition: Definition) -> dict[str, list[tuple[str, int]]]:
    """Map each container port to its host ports; it may have several."""
    found: dict[str, list[tuple[str, int]]] = {}
    for address, host, inside, protocol in sorted(ports.bindings(definition)):
        found.setdefault(f"{inside}/{protocol}", []).append((address, host))
    return found


def _health(health: Health) -> dict[str, Any]:
    return {
        "test": list(health.test),
        "interval": int(health.interval * _NS),
        "timeout": int(health.timeout * _NS),
        "retries": health.retries,
        "start_period": int(health.start_period * _NS),
    }
