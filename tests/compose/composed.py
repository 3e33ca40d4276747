"""The JSON of `docker compose config` → facts of each container that Compose would create. Pure.

A fact is a dotted name and a plain value; both sides write their facts in this form. A key that
this module does not know becomes a fact of its own, so that no difference is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zedops.scaffold.compose import accounts
from zedops.scaffold.container import server_name
from zedops.spec.quantities import parse_duration

Facts = dict[str, Any]
Json = Mapping[str, Any]

#: Keys that are the same fact on both sides, once a text.
_TEXTS = ("image", "user", "hostname", "working_dir", "platform", "domainname")
_FLAGS = ("tty", "stdin_open", "read_only", "init")
_LISTS = ("dns", "dns_search", "group_add")
#: Keys that say nothing about the container of one service.
_SAYS_NOTHING = {"container_name", "profiles", "expose", "attach", "develop", "build", "scale"}


def facts_of(project: Json) -> dict[str, Facts]:
    """List the facts of each service of a project."""
    return {name: _service(name, each, project)
            for name, each in project.get("services", {}).items()}


def _service(name: str, service: Json, project: Json) -> Facts:
    left = {key: each for key, each in service.items() if key not in _SAYS_NOTHING}
    facts: Facts = {}
    for key in (*_TEXTS, *_FLAGS):
        facts[key] = _text(left.pop(key, None))
    for key in _LISTS:
        facts[key] = sorted(_text(each) for each in left.pop(key, None) or ())
    facts["security_opt"] = _security(left.pop("security_opt", None) or ())
    for key in ("command", "entrypoint"):
        said = left.pop(key, None)
        facts[key] = [_text(each) for each in said] if said is not None else None
    facts |= _mapping("environment", left.pop("environment", None))
    facts |= _mapping("labels", left.pop("labels", None))
    facts |= _mapping("sysctls", left.pop("sysctls", None))
    facts |= _limits(left)
    facts |= _end(left)
    facts |= _health(left.pop("healthcheck", None))
    facts |= _ports(left.pop("ports", None) or ())
    facts |= _volumes(left, project)
    own_names = {name, service.get("container_name", name)}  # Compose adds both as aliases
    facts |= _networks(left, project, own_names)
    for key in ("cap_add", "cap_drop"):
        facts[key] = sorted(_text(each).upper().removeprefix("CAP_")
                            for each in left.pop(key, None) or ())
    for each in left.pop("extra_hosts", None) or ():
        name, _, address = _text(each).partition("=")
        facts[f"extra_hosts.{name}"] = address
    for each, parts in (left.pop("depends_on", None) or {}).items():
        facts[f"depends_on.{server_name(each)}"] = parts.get("condition")
        if parts.get("restart"):
            facts[f"depends_on.{server_name(each)}.restart"] = True
    facts["devices"] = sorted(_device(each) for each in left.pop("devices", None) or ())
    usual = {key for key, each in left.items() if each in accounts.USUAL.get(key, ())}
    return {**facts, **{key: each for key, each in left.items() if each and key not in usual}}


def _text(value: Any) -> Any:
    """Undo the doubling of dollars, which makes the output a compose file again."""
    return value.replace("$$", "$") if isinstance(value, str) else value


def _security(options: Iterable[str]) -> list[str]:
    """Write `no-new-privileges` one way; without it is what `false` says."""
    said = (each.replace("=", ":", 1).removesuffix(":true") for each in options)
    return sorted(each for each in said if each != "no-new-privileges:false")


def _mapping(key: str, values: Json | None) -> Facts:
    return {f"{key}.{name}": _text(each) for name, each in (values or {}).items()
            if each is not None}


def _limits(left: dict[str, Any]) -> Facts:
    deploy = left.pop("deploy", None) or {}
    resources = deploy.get("resources") or {}
    limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
    memory = left.pop("mem_limit", None) or limits.get("memory") or 0
    found: Facts = {
        "mem_limit": int(memory), "cpus": float(left.pop("cpus", None) or limits.get("cpus") or 0),
        "pids_limit": int(left.pop("pids_limit", None) or limits.get("pids") or 0),
        "shm_size": int(left.pop("shm_size", None) or 0),
        "gpus": [_gpu(each) for each in (*(left.pop("gpus", None) or ()),
                                         *(reserved.get("devices") or ()))],
        "replicas": deploy.get("replicas", 1) if deploy.get("replicas", 1) != 1 else None,
        "restart_policy": deploy.get("restart_policy"),
        "reservations": {key: each for key, each in reserved.items() if key != "devices"},
    }
    for name, each in (left.pop("ulimits", None) or {}).items():
        parts = each if isinstance(each, dict) else {"soft": each, "hard": each}
        found[f"ulimits.{name}"] = (parts.get("soft", 0), parts.get("hard", 0))
    return found


def _gpu(device: Json) -> Any:
    more = sorted(set(device.get("capabilities") or ()) - {"gpu"})
    which = device.get("device_ids") or int(device.get("count", -1))
    return [which, *more] if more else which


def _end(left: dict[str, Any]) -> Facts:
    logging, grace = left.pop("logging", None), left.pop("stop_grace_period", None)
    signal = left.pop("stop_signal", None)
    return {
        "restart": left.pop("restart", None) or "no",
        "stop_signal": signal and "SIG" + signal.upper().removeprefix("SIG"),
        "stop_grace_period": parse_duration(grace) if grace else None,
        "logging": logging and (logging.get("driver") or "json-file", logging.get("options") or {}),
        "pull_policy": left.pop("pull_policy", None),
    }


def _health(said: Json | None) -> Facts:
    if said is None:
        return {}
    if said.get("disable") or said.get("test") == ["NONE"]:
        return {"healthcheck.test": ["NONE"]}
    found: Facts = {"healthcheck.test": [_text(each) for each in said.get("test") or ()]}
    usual = (("interval", "30s"), ("timeout", "30s"), ("start_period", "0s"))  # the Engine's own
    for key, default in usual:
        found[f"healthcheck.{key}"] = parse_duration(said.get(key) or default)
    found["healthcheck.retries"] = said.get("retries") or 3
    if "start_interval" in said:
        found["healthcheck.start_interval"] = said["start_interval"]
    return found


def _ports(ports: Any) -> Facts:
    found: Facts = {}
    for each in ports:
        inside = f"{each['target']}/{each.get('protocol', 'tcp')}"
        address = each.get("host_ip", "")
        outside = f"{'' if address in ('0.0.0.0', '::') else address}:{each.get('published', '')}"  # noqa: S104
        key = f"ports.{inside}"
        found[key] = sorted({*found.get(key, ()), outside})
    return found


def _volumes(left: dict[str, Any], project: Json) -> Facts:
    found: Facts = {}
    for each in left.pop("volumes", None) or ():
        if each["type"] == "tmpfs":
            found[f"tmpfs.{each['target']}"] = each.get("tmpfs") or {}
            continue
        source, inside = _text(each.get("source", "")), (each.get("volume") or {}).get("subpath")
        if each["type"] == "volume" and source:
            told = (project.get("volumes") or {}).get(source) or {}
            source = _volume(source, told)
            if (driver := _driver(told)) and not source.startswith("/"):
                found[f"volumes.{each['target']}.driver"] = driver
        shared = (each.get("bind") or {}).get("propagation", "")
        place = f"{source}//{inside}" if inside else source
        found[f"volumes.{each['target']}"] = (place, bool(each.get("read_only")), shared)
        for key in ("selinux", "recursive", "nocopy"):
            if said := (each.get("bind") or {}).get(key) or (each.get("volume") or {}).get(key):
                found[f"volumes.{each['target']}.{key}"] = said
    for said in left.pop("tmpfs", None) or ():
        path, _, options = said.partition(":")
        found[f"tmpfs.{path}"] = options
    return found


def _volume(name: str, told: Json) -> str:
    options = told.get("driver_opts") or {}
    if options.get("o") == "bind" and told.get("driver", "local") == "local":
        return str(options["device"])
    return str(told.get("name", name))


def _driver(told: Json) -> tuple[str, Json] | None:
    options = {key: str(each) for key, each in (told.get("driver_opts") or {}).items()}
    driver = told.get("driver") or "local"
    return None if (driver, options) == ("local", {}) or told.get("external") else (driver, options)


def _networks(left: dict[str, Any], project: Json, own_names: set[str]) -> Facts:
    mode = left.pop("network_mode", None)
    found: Facts = {"network_mode": None if mode in ("bridge", "default") else mode}
    joined = left.pop("networks", None) or {}
    own = f"{project.get('name', '')}_default"
    for name, parts in joined.items():
        full = ((project.get("networks") or {}).get(name) or {}).get("name", name)
        if full == own and not parts and len(project["services"]) == 1:
            continue  # the bridge and a network of its own are alike to one container
        key = f"networks.{full}"
        found[key] = sorted({*own_names, *((parts or {}).get("aliases") or ())})
        for each in set(parts or {}) - {"aliases"}:
            found[f"{key}.{each}"] = (parts or {})[each]
    return found


def _device(each: Any) -> str:
    if isinstance(each, str):
        source, _, rest = each.partition(":")
        return f"{source}:{rest or source}"
    return f"{each['source']}:{each.get('target', each['source'])}:{each.get('permissions', 'rwm')}"
