"""A `docker run …` line → the tree of a compose file's service. Pure.

Source: `docker run --help`, Docker 28. Each option becomes a key of a service; the reader names an
option that has no place in a definition.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from zedops.scaffold.compose.project import Project, Source
from zedops.scaffold.compose.scalars import Plain
from zedops.scaffold.compose.shell_line import ShellLine

#: Options without a value → the key and its value; None: harmless.
_SWITCHES: dict[str, tuple[str, Any] | None] = {
    "detach": None, "rm": None, "quiet": None, "sig-proxy": None, "disable-content-trust": None,
    "interactive": ("stdin_open", "true"), "tty": ("tty", "true"), "init": ("init", "true"),
    "read-only": ("read_only", "true"), "privileged": ("privileged", "true"),
    "oom-kill-disable": ("oom_kill_disable", "true"),
    "no-healthcheck": ("healthcheck", {"disable": "true"}),
    "publish-all": None,
}
#: Options that count once → key.
_SINGLE = {
    "name": "container_name", "user": "user", "workdir": "working_dir", "hostname": "hostname",
    "domainname": "domainname", "restart": "restart", "memory": "mem_limit", "cpus": "cpus",
    "memory-reservation": "mem_reservation", "memory-swap": "memswap_limit",
    "memory-swappiness": "mem_swappiness", "pids-limit": "pids_limit", "shm-size": "shm_size",
    "stop-signal": "stop_signal", "platform": "platform", "pull": "pull_policy", "pid": "pid",
    "ipc": "ipc", "uts": "uts", "userns": "userns_mode", "cgroupns": "cgroup",
    "cgroup-parent": "cgroup_parent", "runtime": "runtime", "gpus": "gpus",
    "mac-address": "mac_address", "isolation": "isolation", "cpu-shares": "cpu_shares",
    "cpu-quota": "cpu_quota", "cpu-period": "cpu_period", "cpu-rt-period": "cpu_rt_period",
    "cpu-rt-runtime": "cpu_rt_runtime", "cpuset-cpus": "cpuset", "cpuset-mems": "cpuset",
    "oom-score-adj": "oom_score_adj", "blkio-weight": "blkio_config",
}
#: Options that may be repeated → key of a list.
_LISTS = {
    "env": "environment", "publish": "ports", "volume": "volumes", "label": "labels",
    "cap-add": "cap_add", "cap-drop": "cap_drop", "device": "devices", "dns": "dns",
    "dns-search": "dns_search", "dns-option": "dns_opt", "dns-opt": "dns_opt",
    "add-host": "extra_hosts", "group-add": "group_add", "security-opt": "security_opt",
    "sysctl": "sysctls", "tmpfs": "tmpfs", "link": "links", "volumes-from": "volumes_from",
    "expose": "expose", "storage-opt": "storage_opt", "annotation": "annotations",
    "device-cgroup-rule": "device_cgroup_rules", "label-file": "label_file",
    "blkio-weight-device": "blkio_config", "device-read-bps": "blkio_config",
    "device-read-iops": "blkio_config", "device-write-bps": "blkio_config",
    "device-write-iops": "blkio_config",
}
#: Options with a value that say nothing about the container.
_IGNORED = {"attach", "cidfile", "detach-keys", "kernel-memory", "volume-driver"}
_HEALTH = {"health-cmd": "test", "health-interval": "interval", "health-timeout": "timeout",
           "health-retries": "retries", "health-start-period": "start_period",
           "health-start-interval": "start_interval"}
_OWN = {"env-file", "mount", "network", "net", "network-alias", "net-alias", "ip", "ip6",
        "log-driver", "log-opt", "ulimit", "entrypoint", "stop-timeout", "link-local-ip"}
_STARTS = [["docker", *group, verb] for group in ([], ["container"]) for verb in ("run", "create")]
_MOST_BEFORE = 6
_TRUE = ("true", "t", "1")
_SHORT = {"d": "detach", "i": "interactive", "t": "tty", "e": "env", "p": "publish",
          "v": "volume", "l": "label", "u": "user", "w": "workdir", "h": "hostname",
          "m": "memory", "a": "attach", "c": "cpu-shares", "P": "publish-all", "q": "quiet"}


def read_run(line: str, directory: str, variables: Mapping[str, str]) -> tuple[Project, Source]:
    """Read one line. ValueError names an option that is not understood."""
    shell = ShellLine(directory, variables)
    rest = _behind_run(shell.words(line))
    made = _Line()
    image, command = made.read(rest)
    tree = made.tree(directory)
    tree["image"] = image
    if command:
        tree["command"] = command
    name = str(tree.get("container_name") or image.rpartition("/")[2].partition(":")[0])
    tree["container_name"] = name
    named = {each.partition(":")[0] for each in tree.get("volumes", []) if isinstance(each, str)}
    named |= {each.get("source", "") for each in tree.get("volumes", []) if isinstance(each, dict)}
    external = {each: {"external": "true"} for each in named if each and each[0] not in "./~"}
    networks = {each: {"external": "true"} for each in tree.get("networks", {})}
    source = Source(name, tree, unset=shell.unset)
    project = Project(name, directory, variables, {name: source}, external, networks, made.notes)
    return project, source


def _behind_run(words: list[str]) -> list[str]:
    """Find the words behind `docker run`; `sudo`, a prompt and variables may stand before it."""
    for at in range(min(len(words), _MOST_BEFORE)):
        for start in _STARTS:
            if words[at : at + len(start)] == start:
                return words[at + len(start) :]
    raise ValueError("this is no `docker run …`; paste the whole line, in quotes")


class _Line:
    """The options of one line, gathered by key."""

    def __init__(self) -> None:
        self._single: dict[str, Any] = {}
        self._lists: dict[str, list[str]] = {}
        self._own: dict[str, list[str]] = {}
        self._health: dict[str, Any] = {}
        self.notes: list[str] = []

    def read(self, words: list[str]) -> tuple[str, list[str]]:
        """Take options up to the image; returns the image and the command behind it."""
        at = 0
        while at < len(words) and words[at].startswith("-") and words[at] != "-":
            if words[at] == "--":
                at += 1
                break
            at = self._option(words, at)
        if at >= len(words):
            raise ValueError("the line names no image")
        return words[at], words[at + 1 :]

    def _option(self, words: list[str], at: int) -> int:
        """Take one option, with its value; returns where the next one begins."""
        word = words[at]
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name in _SWITCHES:
                if not equals or value.lower() in _TRUE:
                    self._switch(name)
                return at + 1
            if equals:
                self._value(name, value)
                return at + 1
            return self._with_next(name, words, at)
        letters = word[1:]
        for place, letter in enumerate(letters):
            name = _SHORT.get(letter, letter)
            if name in _SWITCHES:
                said = letters[place + 1 :]
                if said.startswith("="):
                    if said[1:].lower() in _TRUE:
                        self._switch(name)
                    return at + 1
                self._switch(name)
                continue
            if rest := letters[place + 1 :].removeprefix("="):
                self._value(name, rest)
                return at + 1
            return self._with_next(name, words, at)
        return at + 1

    def _with_next(self, name: str, words: list[str], at: int) -> int:
        if at + 1 >= len(words):
            raise ValueError(f"--{name} has no value")
        self._value(name, words[at + 1])
        return at + 2

    def _switch(self, name: str) -> None:
        if name == "rm":
            self.notes.append("--rm is not taken over: zedops keeps its containers")
        elif name == "publish-all":
            self.notes.append("-P is not taken over: give each port a number with ports")
        elif (found := _SWITCHES[name]) is not None:
            self._single[found[0]] = found[1]

    def _value(self, name: str, value: str) -> None:
        if name in _SINGLE:
            self._single[_SINGLE[name]] = value
        elif name in _LISTS:
            self._lists.setdefault(_LISTS[name], []).append(value)
        elif name in _HEALTH:
            self._health[_HEALTH[name]] = value
        elif name in _OWN:
            self._own.setdefault(name, []).append(value)
        elif name not in _IGNORED:
            raise ValueError(f"--{name} is not an option of `docker run` that zedops knows")

    def tree(self, directory: str) -> dict[str, Any]:
        """Give the gathered options as a service of a compose file."""
        tree: dict[str, Any] = {**self._single, **self._lists}
        tree["volumes"] = [_absolute(each, directory) for each in self._lists.get("volumes", [])]
        tree["volumes"] += [_mount(each) for each in self._own.get("mount", [])]
        if files := self._own.get("env-file"):
            tree["env_file"] = [
                {"path": posixpath.join(directory, each), "format": "raw"} for each in files
            ]
        if health := self._health:
            tree["healthcheck"] = health
        if "entrypoint" in self._own:
            tree["entrypoint"] = [self._own["entrypoint"][-1]]
        if "stop-timeout" in self._own:
            tree["stop_grace_period"] = f"{int(self._own['stop-timeout'][-1])}s"
        if limits := self._own.get("ulimit"):
            tree["ulimits"] = dict(_ulimit(each) for each in limits)
        driver, options = self._own.get("log-driver", []), self._own.get("log-opt", [])
        if driver or options:
            pairs = dict(each.partition("=")[::2] for each in options)
            tree["logging"] = {"driver": (driver or ["json-file"])[-1], "options": pairs}
        self._networks(tree)
        if "gpus" in tree:
            tree["gpus"] = _gpus(tree["gpus"])
        return {key: each for key, each in tree.items() if each not in ([], {})}

    def _networks(self, tree: dict[str, Any]) -> None:
        own = self._own
        said = [*own.get("network", []), *own.get("net", [])]
        long = {name: parts for name, parts in map(_long_network, said) if parts}
        names = [_long_network(each)[0] for each in said]
        parts: dict[str, Any] = long.pop(names[0], {}) if names else {}
        if aliases := [*own.get("network-alias", []), *own.get("net-alias", [])]:
            parts["aliases"] = aliases
        for option, key in (("ip", "ipv4_address"), ("ip6", "ipv6_address")):
            if option in own:
                parts[key] = own[option][-1]
        if len(names) == 1 and (names[0] in ("host", "none", "bridge", "default")
                                or names[0].startswith("container:")):
            tree["network_mode"] = names[0]
        elif names:
            null = Plain("", None)
            tree["networks"] = {
                names[0]: parts or null, **dict.fromkeys(names[1:], null), **long,
            }


def _absolute(volume: str, directory: str) -> str:
    source, colon, rest = volume.partition(":")
    if (colon and source.startswith(("./", "../"))) or source in (".", ".."):
        return f"{posixpath.normpath(posixpath.join(directory, source))}:{rest}"
    return volume


def _mount(text: str) -> dict[str, Any]:
    """Read `--mount type=bind,src=…,dst=…` as a volume's long form."""
    names = {"src": "source", "source": "source", "dst": "target", "destination": "target",
             "target": "target", "type": "type"}
    found: dict[str, Any] = {"type": "volume"}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if key in names:
            found[names[key]] = value
        elif key in ("readonly", "ro"):
            found["read_only"] = value if equals else "true"
        elif key == "bind-propagation":
            found["bind"] = {"propagation": value}
        elif key == "volume-subpath":
            found["volume"] = {"subpath": value}
        elif key in ("tmpfs-size", "tmpfs-mode"):
            found.setdefault("tmpfs", {})[key.removeprefix("tmpfs-")] = value
        elif key not in ("consistency", "volume-nocopy", "bind-nonrecursive", "bind-recursive"):
            raise ValueError(f"--mount: {key} is not understood")
    return found


def _long_network(text: str) -> tuple[str, dict[str, Any]]:
    """Read `name=…,alias=…,ip=…`; any other text is a name (docker run, `--network`)."""
    if "=" not in text:
        return text, {}
    names = {"ip": "ipv4_address", "ip6": "ipv6_address", "driver-opt": "driver_opts",
             "mac-address": "mac_address", "link-local-ip": "link_local_ips",
             "gw-priority": "gw_priority"}
    name, parts = "", dict[str, Any]()
    for each in text.split(","):
        key, _, value = each.partition("=")
        if key == "name":
            name = value
        elif key == "alias":
            parts.setdefault("aliases", []).append(value)
        elif key in names:
            parts[names[key]] = value
        else:
            raise ValueError(f"--network: {key} is not understood")
    if not name:
        raise ValueError("--network names no network")
    return name, parts


def _gpus(text: str) -> Any:
    """Read `all`, a number, or `device=0,1` with capabilities and a driver (docker, opts/gpus)."""
    if text == "all" or text.isdigit():
        return [{"count": text}]
    found: dict[str, Any] = {}
    key = ""
    for each in text.replace('"', "").split(","):
        before, equals, value = each.partition("=")
        key = before if equals else key
        word = value if equals else each
        if key == "device":
            found.setdefault("device_ids", []).append(word)
        elif key == "capabilities":
            found.setdefault("capabilities", []).append(word)
        elif key in ("count", "driver"):
            found[key] = word
        elif each in ("all", "") or each.isdigit():
            found["count"] = each
        else:
            raise ValueError(f"--gpus: {each} is not understood")
    return [found]


def _ulimit(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    soft, colon, hard = value.partition(":")
    return name, {"soft": soft, "hard": hard} if colon else value
