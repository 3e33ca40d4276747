"""Checks a change of a fleet against the rules that bind its servers together. Pure.

`check` finds all problems in one pass: each has a place, a fact and a remedy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from zedops.errors import Problem
from zedops.fleet import backups, moving, shared_sources, start_order
from zedops.fleet.fleet import Fleet, is_same_server
from zedops.fleet.ports import free_ports, ports_in_use, published, taken_on
from zedops.spec import stop_signals
from zedops.spec.document import Document, stem
from zedops.spec.layout import (
    SETTINGS_PATH,
    Kind,
    kind_of,
    preset_name,
    preset_path,
    tombstone_path,
)
from zedops.spec.quantities import format_duration
from zedops.spec.references import is_id
from zedops.spec.validation import MAX_PROBLEMS

#: A server that takes longer to save hangs, and an update, deletion or shutdown waits for it.
LONGEST_GRACE_S = 3600.0
#: The Engine starts a process for each health check, and takes no less than a millisecond between.
SHORTEST_INTERVAL_S = 1.0

#: Modes without a network of the container's own: the host's, and none at all.
_ALONE = ("host", "none")


def check(fleet: Fleet, changed: Iterable[str]) -> list[Problem]:
    """Find all problems of the changed paths, each checked against the whole fleet."""
    paths = set(changed)
    problems = list(fleet.problems) if SETTINGS_PATH in paths else []
    problems += _preset_problems(fleet, paths)
    paths = fleet.reach(paths)
    touched = [fleet.documents[path] for path in sorted(paths) if path in fleet.documents]
    for each in touched:
        problems += each.problems
        problems += _stop_problems(fleet, each)
        if each.path.endswith(".yml"):
            remedy = f"rename it to {PurePosixPath(each.path).stem}.yaml"
            problems.append(Problem(each.path, 0, 0, "", "definitions end in .yaml", remedy))
        if kind_of(each.path) is Kind.SERVER and each.definition:
            if each.definition.purge:
                remedy = f"use `zedops purge {each.name} --data`, or remove the line"
                problems.append(each.problem(("purge",), "is for tombstones only", remedy))
            problems += _host_problems(fleet, each)
            resolved, found = fleet.resolve(each)
            problems += found
            problems += _image_problems(each, resolved.image if resolved else "")
            problems += _network_problems(fleet, each)
            problems += backups.problems(fleet, each, resolved)
            problems += _health_problems(fleet, each)
    living = [each for each in touched if kind_of(each.path) is Kind.SERVER]
    problems += _name_problems(fleet, paths)
    problems += _port_problems(fleet, living)
    problems += shared_sources.problems(fleet, living)
    problems += start_order.problems(fleet, living)
    return sorted(set(problems))


def _preset_problems(fleet: Fleet, paths: set[str]) -> list[Problem]:
    problems = []
    for path in paths:
        name = preset_name(path)
        if name is not None and path != preset_path(name):
            remedy = f"move it to {preset_path(name)}"
            problems.append(Problem(path, 0, 0, "", "is no place for a preset", remedy))
        elif name is not None and name in fleet.presets:
            problems += fleet.presets[name].problems
    return problems


def _image_problems(document: Document, image: str) -> list[Problem]:
    if not is_id(image):
        return []
    fact = "is an image's id: other hosts do not have it, and no host's policy can judge it"
    return [document.problem(("image",), fact, "write its name, e.g. name:tag or name@sha256:…")]


def _host_problems(fleet: Fleet, document: Document) -> list[Problem]:
    host = fleet.host_of(document)
    known = ", ".join(fleet.settings.hosts)
    if host is None:
        remedy = f"add `host:` with one of {known}"
        return [document.problem(("host",), "is required, the fleet has several hosts", remedy)]
    if host not in fleet.settings.hosts:
        remedy = f"use one of {known}, or add it to hosts in {SETTINGS_PATH}"
        return [document.problem(("host",), f"{host!r} is not a host of this fleet", remedy)]
    state = document.state
    if state is None or not state.has_world or state.host in (None, host):
        return []
    if moving.move_of(fleet, document) is not None:
        return moving.problems(fleet, document)
    if document.definition is None or document.definition.moved_from != state.host:
        fact = f"its data is on {state.host!r} and would stay behind"
        moves = f"`zedops move {document.name} --host {host}`"
        remedy = f"set host back to {state.host}, or see {moves}"
        return [document.problem(("host",), fact, remedy)]
    return []


def _stop_problems(fleet: Fleet, document: Document) -> list[Problem]:
    """Find stops that end in a kill or never end. Tombstones too: they stop their containers.

    The model does not check this, so definitions that are in a fleet already stay readable.
    """
    definition = fleet.resolve(document)[0] if document.definition else None
    if definition is None:
        return []
    stop, problems = definition.stop, []
    if not stop_signals.stops(stop.signal):
        fact = f"{stop.signal!r} is no signal that stops a container"
        remedy = "use e.g. SIGTERM, SIGINT or SIGQUIT; `man 7 signal` lists them"
        problems.append(document.problem(("stop", "signal"), fact, remedy))
    if stop.grace > LONGEST_GRACE_S:
        fact = f"{format_duration(stop.grace)} is longer than {format_duration(LONGEST_GRACE_S)}"
        remedy = "say how long a save takes at worst, e.g. 2m: nothing else happens meanwhile"
        problems.append(document.problem(("stop", "grace"), fact, remedy))
    return problems


def _health_problems(fleet: Fleet, document: Document) -> list[Problem]:
    """Find health checks that come too often: the Engine runs them outside `limits: cpus`.

    The model does not check this, so definitions that are in a fleet already stay readable.
    """
    definition = fleet.resolve(document)[0]
    health = definition.health if definition else None
    if health is None or health.interval >= SHORTEST_INTERVAL_S:
        return []
    least = f"{SHORTEST_INTERVAL_S:.0f} s"
    fact = f"is shorter than {least}: each check costs the host more than the server may use"
    return [document.problem(("health", "interval"), fact, f"write {least} or more, e.g. 30s")]


def _network_problems(fleet: Fleet, document: Document) -> list[Problem]:
    """Find ports and further networks beside `host`, `none` or `container:`, which Docker refuses.

    Docker Engine API, `HostConfig.NetworkMode`.
    """
    definition = fleet.resolve(document)[0]
    mode = definition.network_mode if definition else None
    networks = (definition.network_names if definition else ()) or ((mode,) if mode else ())
    alone = [each for each in networks if each in _ALONE or each.startswith("container:")]
    if not alone:
        return []
    problems = []
    if len(networks) > 1:
        fact = f"{alone[0]!r} cannot be joined together with other networks"
        problems.append(document.problem(("networks",), fact, "remove it, or the others"))
    for key, _ in published(fleet, document):
        fact = f"cannot be published in the network {alone[0]!r}"
        remedy = "write `publish: none`" if alone[0] == "host" else "remove it"
        problems.append(document.problem(("ports", key), fact, f"{remedy}, or change `networks:`"))
    return problems


def _name_problems(fleet: Fleet, paths: set[str]) -> list[Problem]:
    alike = [each for name in {stem(path) for path in paths} for each in fleet.named(name)]
    owners = defaultdict(list)
    for each in alike:
        owners[each.name].append(each.path)
    problems = []
    for each in alike:
        if each.path not in paths and tombstone_path(each.name) not in paths:
            continue
        others = [path for path in owners[each.name] if path != each.path]
        if others:
            fact = f"the name {each.name!r} is also used by {others[0]}"
            problems.append(Problem(each.path, 0, 0, "", fact, "rename one of the files"))
        grave = fleet.documents.get(tombstone_path(each.name))
        if grave and not is_same_server(each, grave):
            remedy = (
                f"bring the old one back with `zedops restore {each.name}`, "
                f"or let go of it with `git rm {grave.path}`"
            )
            fact = f"a deleted server {each.name!r} with its data is still kept"
            problems.append(Problem(each.path, 0, 0, "", fact, remedy))
    return problems


def _port_problems(fleet: Fleet, touched: list[Document]) -> list[Problem]:
    if not any(published(fleet, each) for each in touched):
        return []
    users = ports_in_use(fleet, {fleet.host_of(each) for each in touched})
    problems: list[Problem] = []
    paths = {each.path for each in touched}
    taken: dict[str | None, set[tuple[str, int]]] = {}
    for (host, protocol, number), holders in users.items():
        for index, (document, key) in enumerate(holders):
            if document.path not in paths or len(holders) == 1:
                continue
            if len(problems) >= MAX_PROBLEMS:
                return problems
            if host not in taken:
                taken[host] = taken_on(users, host)
            other, other_key = next(each for at, each in enumerate(holders) if at != index)
            line = other.source.mark(("ports", other_key)).line
            free = free_ports(taken[host], protocol, 1, number + 1)
            place = f"also used by {other.name!r} ({other.path}:{line})"
            fact = f"host port {number}/{protocol} is {place}"
            remedy = f"choose another, e.g. {free[0]}" if free else "choose another"
            problems.append(document.problem(("ports", key), fact, remedy))
    return problems


