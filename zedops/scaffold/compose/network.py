"""A service's ports, networks and names → a definition's. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from itertools import chain, count
from typing import Any

from zedops.scaffold.compose import merge
from zedops.scaffold.compose.ports import Port, read_ports
from zedops.scaffold.compose.reading import Translation, is_true, items, only
from zedops.scaffold.compose.scalars import as_text

LOOPBACK = "127.0.0.1"
#: The Engine's own networks have no name resolution.
_NAMELESS = {"bridge", "default", "host", "none"}


def ports(given: Translation, value: Any) -> None:
    found: dict[str, Any] = {}
    for port in dict.fromkeys(read_ports(items(value))):
        if not port.host:
            given.note(
                f"ports: Docker chose the host port for {port.container}/{port.protocol};"
                " it is not published until you give it one"
            )
        found[_port_key(port, found)] = _port(port)
    if found:
        given.fields["ports"] = found


def network_mode(given: Translation, value: Any) -> None:
    mode = as_text(value)
    if mode in ("host", "none"):
        given.fields["network_mode"] = mode
        if given.fields.pop("ports", None):
            given.note(f"ports: the network {mode!r} publishes none, and Compose ignores them")
    elif mode not in ("", "bridge", "default"):
        raise ValueError(f"{mode}: another container's network, which a definition cannot express")


def networks(given: Translation, value: Any) -> None:
    said = value if isinstance(value, dict) else {as_text(each): None for each in items(value)}
    if list(said) in ([], ["default"]) and not any(_has_parts(each) for each in said.values()):
        return  # as without the key: `default_network`
    found: dict[str, Any] = {}
    for name, raw in said.items():
        own = {} if raw is None or merge.is_null(raw) else raw
        only(f"networks.{name}", own, {
            "aliases", "ipv4_address", "ipv6_address", "priority", "gw_priority",
            "link_local_ips", "mac_address", "driver_opts", "interface_name",
        })
        parts: dict[str, Any] = {key: as_text(own[key]) for key in ("ipv4_address", "ipv6_address")
                 if key in own}
        if aliases := [as_text(each) for each in items(own.get("aliases"))]:
            parts["aliases"] = aliases
        if left := sorted(set(own) - {"aliases", "ipv4_address", "ipv6_address"}):
            given.note(f"networks.{name}: {', '.join(left)} is not taken over")
        found[_network(given, name)] = parts
    given.fields["networks"] = found if any(found.values()) else list(found)


def _has_parts(own: Any) -> bool:
    return own is not None and not merge.is_null(own) and bool(own)


def default_network(given: Translation) -> None:
    """Join the project's own default network, where the file names one and nothing else is said."""
    told = given.project.networks.get("default")
    if not isinstance(told, dict) or {"networks", "network_mode"} & set(given.fields):
        return
    mode = given.tree.get("network_mode")
    has_mode = mode is not None and as_text(mode) != ""
    if not has_mode and (as_text(told.get("name", "")) or _is_external(told)):
        given.fields["networks"] = [_network(given, "default")]


def keep_names(fields: dict[str, Any], names: Iterable[str], server: str) -> None:
    """Let a server answer to the names that its service has in Compose's networks.

    A network resolves a server's own name; it needs an alias for each other one.
    """
    said = fields.get("networks", ())
    places: dict[str, Any] = dict(said) if isinstance(said, dict) else {each: {} for each in said}
    lost = [each for each in dict.fromkeys(names) if each != server]
    for network, parts in places.items():
        own = parts.get("aliases", [])
        aliases = [*own, *(each for each in lost if each not in own)]
        if aliases and network not in _NAMELESS:
            places[network] = {**parts, "aliases": aliases}
    if any(places.values()):
        fields["networks"] = places


def _is_external(told: Mapping[str, Any]) -> bool:
    """Say whether others made a network; before version 3.5, `external` held its name."""
    said = told.get("external")
    return isinstance(said, dict) or is_true(said)


def _network(given: Translation, name: str) -> str:
    told = given.project.networks.get(name)
    told = {} if told is None or merge.is_null(told) else told
    external = told.get("external")
    if isinstance(external, dict):
        return as_text(external.get("name", name))
    named = as_text(told.get("name", ""))
    full = named or (name if is_true(external) else f"{given.project.name}_{name}")
    if not is_true(external):
        given.note(
            f"networks: {full} is Compose's own; where that is gone, make it once:"
            f" `docker network create {_network_options(told)}{full}`"
        )
    return full


def extra_hosts(given: Translation, value: Any) -> None:
    if isinstance(value, list):
        pairs = [re.split(r"[=:]", as_text(each), maxsplit=1) for each in value]
        found = {each[0]: each[1] for each in pairs if len(each) == 2}
        for name, address in (each for each in pairs if len(each) == 2):
            if found[name] != address:
                raise ValueError(f"{name} has two addresses; a definition takes one")
    else:
        found = {name: as_text(each) for name, each in value.items()}
    given.fields["extra_hosts"] = {name: each.strip("[]") for name, each in found.items()}


def _network_options(told: Mapping[str, Any]) -> str:
    parts = []
    if driver := as_text(told.get("driver", "")):
        parts.append(f"--driver {driver} ")
    if is_true(told.get("internal")):
        parts.append("--internal ")
    if is_true(told.get("enable_ipv6")):
        parts.append("--ipv6 ")
    for each in items((told.get("ipam") or {}).get("config")):
        for key, option in (("subnet", "subnet"), ("gateway", "gateway"), ("ip_range", "ip-range")):
            if said := as_text(each.get(key, "")):
                parts.append(f"--{option} {said} ")
    options = merge.as_pairs(told.get("driver_opts"))
    parts += [f"--opt {key}={shlex.quote(as_text(each))} " for key, each in options.items()]
    return "".join(parts)


def _port_key(port: Port, taken: Mapping[str, Any]) -> str:
    stem = f"{port.protocol}{port.host or port.container}"
    numbered = (f"{stem}-{at}" for at in count(2))
    return next(each for each in chain((stem,), numbered) if each not in taken)


def _port(port: Port) -> Any:
    inside = f"{port.container}/{port.protocol}"
    if not port.host:
        return {"container": inside, "publish": "none"}
    if not port.address:
        return f"{port.host}:{inside}"
    if port.address == LOOPBACK:
        return {"container": inside, "host": port.host, "publish": "loopback"}
    return {"container": inside, "host": port.host, "address": port.address}



