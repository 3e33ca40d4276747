"""An imported service → facts of the container that zedops would create. Pure.

The facts are those of `composed`, read from the arguments of the Engine's create call.
"""

from __future__ import annotations

from typing import Any

from tests.compose.composed import Facts
from zedops.protocol.sync import DesiredServer, Goal
from zedops.scaffold.compose.reading import Translation
from zedops.scaffold.container import server_name
from zedops.spec import document, state_block
from zedops.spec.definition_text import render
from zedops.spec.model import LABEL_PREFIX, Definition, Drift
from zedops_agent.container_spec import ContainerSecrets, create_arguments
from zedops_agent.observed import Image

_NS = 10**9
_IMAGE = Image("sha256:" + "0" * 64, "", ())


def facts_of(service: Translation) -> Facts:
    """List the facts of one imported service. ValueError if no definition comes of it."""
    content = state_block.render(render(service.fields), None)
    read = document.parse("servers.d/a.yaml", content)
    if read.definition is None:
        raise ValueError("; ".join(str(each) for each in read.problems))
    definition = read.definition
    want = DesiredServer(
        id="0" * 26, name=server_name(service.name), goal=Goal.RUNNING, definition=definition,
        hash="1:x", commit="", created=False, data_expected=False, drift=Drift.HEAL,
    )
    places = {key: each.source or "" for key, each in definition.volumes.items()}
    secrets = ContainerSecrets(service.secrets)
    config, host, networks = create_arguments("f", want, "f-a", places, _IMAGE, secrets)
    return {
        **_program(config, host), **_rights(config, host), **_outside(host, definition),
        **_networks(host, networks),
        "replicas": 0 if definition.desired == "stopped" else None,
        "pull_policy": None if definition.pull == "missing" else definition.pull.value,
        "stop_grace_period": definition.stop.grace,
        "stop_signal": config["stop_signal"],
    }


def _program(config: dict[str, Any], host: dict[str, Any]) -> Facts:
    found: Facts = {
        key: config.get(key) for key in (
            "image", "command", "entrypoint", "user", "hostname", "working_dir", "platform",
            "tty", "stdin_open",
        )
    }
    found |= {f"environment.{key}": each for key, each in config["environment"].items()}
    found |= {f"labels.{key}": each for key, each in config["labels"].items()
              if not key.startswith(LABEL_PREFIX)}
    found["restart"] = "always" if host["restart_policy"]["Name"] else "no"
    logging = host["log_config"]
    found["logging"] = (logging["type"], logging["config"])
    if (check := config["healthcheck"]) is not None:
        found["healthcheck.test"] = check["test"]
        if check["test"] != ["NONE"]:
            for key in ("interval", "timeout", "start_period"):
                found[f"healthcheck.{key}"] = check[key] / _NS
            found["healthcheck.retries"] = check["retries"]
    return found


def _rights(config: dict[str, Any], host: dict[str, Any]) -> Facts:
    found: Facts = {
        "init": host["init"], "read_only": host.get("read_only"),
        "mem_limit": host["mem_limit"] or 0, "cpus": (host["nano_cpus"] or 0) / _NS,
        "pids_limit": host["pids_limit"], "shm_size": host.get("shm_size") or 0,
        "security_opt": sorted(each.replace("=", ":", 1) for each in host.get("security_opt", ())),
    }
    for key in ("dns", "dns_search", "group_add"):
        found[key] = sorted(host.get(key, ()))
    for key in ("cap_add", "cap_drop"):
        found[key] = sorted(each.upper().removeprefix("CAP_") for each in host.get(key, ()))
    found |= {f"sysctls.{key}": each for key, each in host.get("sysctls", {}).items()}
    found |= {f"ulimits.{each['Name']}": (each["Soft"], each["Hard"])
              for each in host.get("ulimits", ())}
    found["gpus"] = [each.get("DeviceIDs") or each["Count"]
                     for each in host.get("device_requests", ())]
    found["devices"] = sorted(_device(each) for each in host.get("devices", ()))
    return found


def _device(said: str) -> str:
    source, _, rest = said.partition(":")
    target, _, rights = rest.partition(":")
    if target and not target.startswith("/"):
        target, rights = "", target
    return f"{source}:{target or source}:{rights or 'rwm'}"


def _outside(host: dict[str, Any], definition: Definition) -> Facts:
    found: Facts = {f"extra_hosts.{key}": each
                    for key, each in host.get("extra_hosts", {}).items()}
    found |= {f"depends_on.{key}": each.condition.value
              for key, each in definition.depends_on.items()}
    found |= {f"tmpfs.{key}": each for key, each in host.get("tmpfs", {}).items()}
    for inside, bindings in host["port_bindings"].items():
        found[f"ports.{inside}"] = sorted(f"{address}:{port}" for address, port in bindings)
    for volume in definition.volumes.values():
        source = volume.source or ""
        place = f"{source}//{volume.subpath}" if volume.subpath else source
        found[f"volumes.{volume.path}"] = (place, volume.read_only, volume.propagation or "")
        if (driven := volume.driven) is not None:
            found[f"volumes.{volume.path}.driver"] = (driven.driver, dict(driven.options))
    return found


def _networks(host: dict[str, Any], networks: dict[str, Any]) -> Facts:
    mode = host.get("network_mode")
    found: Facts = {"network_mode": mode if mode in ("host", "none") else None}
    for network, parts in networks.items():
        key = f"networks.{network}"
        found[key] = sorted(parts.get("aliases", ()))
        found |= {f"{key}.{each}": parts[each] for each in set(parts) - {"aliases"}}
    return found
