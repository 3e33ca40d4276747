"""One service of a compose file → the fields of a definition, with an account of every key. Pure.

No key is dropped silently: it is translated, harmless, named with its loss, or it makes the
importer refuse the service (`accounts`). Values that look like secrets are kept apart.
"""

from __future__ import annotations

from typing import Any

from zedops.scaffold.compose import accounts, environment, merge, network, program, rights, storage
from zedops.scaffold.compose.project import Project, Source
from zedops.scaffold.compose.reading import IsFile, Method, Translation, is_true
from zedops.scaffold.compose.scalars import Plain, as_text
from zedops.scaffold.compose.variables import Read


def _text(name: str) -> Method:
    def method(given: Translation, value: Any) -> None:
        if said := as_text(value):  # an empty one says nothing, as in Compose
            given.fields[name] = said

    return method


def _texts(name: str) -> Method:
    def method(given: Translation, value: Any) -> None:
        if found := [as_text(each) for each in merge.as_list(value)]:
            given.fields[name] = found

    return method


def _flag(name: str) -> Method:
    def method(given: Translation, value: Any) -> None:
        if is_true(value) or name == "init":  # only `init` is on by itself
            given.fields[name] = is_true(value)

    return method


#: The reader of each key, in the order of a definition's fields.
METHODS: dict[str, Method] = {
    "image": _text("image"), "platform": _text("platform"),
    "pull_policy": program.pull_policy, "build": program.build,
    "depends_on": program.depends_on, "links": program.links,
    "entrypoint": program.entrypoint, "command": program.command,
    "working_dir": _text("working_dir"), "user": _text("user"), "hostname": _text("hostname"),
    **{name: _flag(name) for name in ("tty", "stdin_open", "init", "read_only")},
    "ports": network.ports, "network_mode": network.network_mode, "networks": network.networks,
    "extra_hosts": network.extra_hosts, "dns": _texts("dns"), "dns_search": _texts("dns_search"),
    "environment": environment.environment, "env_file": environment.env_file,
    "secrets": environment.secrets,
    "volumes": storage.volumes, "tmpfs": storage.tmpfs,
    "deploy": rights.deploy, "mem_limit": rights.mem_limit, "cpus": rights.cpus,
    "pids_limit": rights.pids_limit, "shm_size": rights.shm_size, "cap_add": rights.cap_add,
    "cap_drop": rights.cap_drop, "security_opt": rights.security_opt,
    "group_add": _texts("group_add"), "sysctls": rights.sysctls, "ulimits": rights.ulimits,
    "devices": rights.devices, "gpus": rights.gpus, "logging": rights.logging,
    "scale": program.scale, "restart": program.restart, "stop_signal": program.stop_signal,
    "stop_grace_period": program.stop_grace_period, "healthcheck": program.healthcheck,
    "labels": program.labels,
}


#: What a value of another kind than Compose's raises.
_WRONG = (ValueError, TypeError, AttributeError, KeyError, OverflowError)


def translate(
    source: Source, project: Project, read: Read, is_file: IsFile, *, keep_secrets: bool = False
) -> Translation:
    """Translate one service into a definition. `keep_secrets`: secrets stay in `env`."""
    named = source.tree.get("container_name")
    default = (f"{project.name}-{source.name}-1", f"{project.name}_{source.name}_1")
    own = (as_text(named),) if named else ()
    given = Translation(
        source.name, own or default, (source.name, *own), source.tree, project, read, is_file,
        source.unset, keep_secrets,
    )
    given.refused += source.problems
    for name in sorted(source.unset):
        given.note(f"the variable {name} is set nowhere: it counts as an empty text")
    if not given.tree.get("image"):
        given.refuse("has no image; build one, name it, and push it where the host can pull")
    for key in dict.fromkeys([*METHODS, *given.tree]):
        if key in given.tree and not merge.is_null(given.tree[key]):
            _read_key(given, key, given.tree[key])
    try:
        network.default_network(given)
    except _WRONG as error:
        given.refuse(f"networks: {error}")
    environment.look_for_passwords(given)
    return given


def _says_nothing(key: str, value: Any) -> bool:
    """Say whether a value is empty, false or the usual one, so that it changes nothing."""
    if isinstance(value, str) and value in accounts.USUAL.get(key, ()):
        return True
    return value in ("", [], {}) or (isinstance(value, Plain) and value.value is False)


def _read_key(given: Translation, key: str, value: Any) -> None:
    try:
        if key in METHODS:
            METHODS[key](given, value)
        elif key in {*accounts.DIFFERS, *accounts.REFUSED} and _says_nothing(key, value):
            return
        elif key in accounts.DIFFERS:
            given.note(f"{key} is not taken over: {accounts.DIFFERS[key]}")
        elif key in accounts.REFUSED:
            given.refuse(f"{key}: {accounts.REFUSED[key]}, which a definition cannot express")
        elif key not in accounts.HARMLESS and not key.startswith("x-"):
            given.refuse(f"{key} is not known to Compose or zedops")
    except _WRONG as error:
        said = str(error)
        given.refuse(said if said.startswith(key) else f"{key}: {said}")
