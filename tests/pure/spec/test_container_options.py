"""Options of containers: what a definition asks for is what is made, and what is read off it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from tests.pure.agent.test_beyond import IMAGE, PLAIN
from zedops.spec.container_options import ContainerOptions
from zedops.spec.model import Definition, definition_hash
from zedops_agent.options import attachments, config_arguments, host_arguments, network_mode
from zedops_agent.policy import Policy
from zedops_agent.refusals import Asked, refusals
from zedops_agent.shown_options import read_options, read_places


def defined(**fields: Any) -> Definition:
    """Make a definition."""
    return Definition.model_validate({"image": "a", **fields})


@pytest.mark.parametrize(("place", "key", "value", "field", "said"), [
    ("Config", "Tty", True, "tty", True),
    ("Config", "OpenStdin", True, "stdin_open", True),
    ("Config", "Entrypoint", ["/other"], "entrypoint", ["/other"]),
    ("Config", "WorkingDir", "/", "working_dir", "/"),
    ("HostConfig", "NetworkMode", "host", "network_mode", "host"),
    ("HostConfig", "CapDrop", ["CAP_NET_RAW"], "cap_drop", ["NET_RAW"]),
    ("HostConfig", "SecurityOpt", ["seccomp=unconfined"], "security_opt", ["seccomp=unconfined"]),
    ("HostConfig", "Sysctls", {"net.core.somaxconn": "9"}, "sysctls", {"net.core.somaxconn": "9"}),
    ("HostConfig", "GroupAdd", ["video"], "group_add", ["video"]),
    ("HostConfig", "Tmpfs", {"/t": "size=1m"}, "tmpfs", {"/t": "size=1m"}),
    ("HostConfig", "ExtraHosts", ["a:::1"], "extra_hosts", {"a": "::1"}),
    ("HostConfig", "Dns", ["192.0.2.1"], "dns", ["192.0.2.1"]),
    ("HostConfig", "DnsSearch", ["lan"], "dns_search", ["lan"]),
    ("HostConfig", "ReadonlyRootfs", True, "read_only", True),
    ("HostConfig", "ShmSize", 1 << 30, "shm_size", "1073741824b"),
    ("HostConfig", "Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}], "ulimits",
     {"nofile": {"soft": 1, "hard": 2}}),
    ("HostConfig", "Devices", [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b",
                                "CgroupPermissions": "r"}], "devices", ["/dev/a:/dev/b:r"]),
    ("HostConfig", "DeviceRequests", [{"Count": -1, "Capabilities": [["gpu"]]}], "gpus", "all"),
    ("HostConfig", "LogConfig", {"Type": "syslog", "Config": {"tag": "x"}}, "logging",
     {"driver": "syslog", "options": {"tag": "x"}}),
])  # fmt: skip
def test_what_a_container_has_is_read_as_a_definition_says_it(
    place: str, key: str, value: Any, field: str, said: Any
) -> None:
    facts = copy.deepcopy(PLAIN)
    facts["HostConfig"]["LogConfig"] = {"Type": "json-file", "Config": {}}
    assert read_options(facts, IMAGE) == {}
    facts[place][key] = value
    assert read_options(facts, IMAGE) == {field: said}
    assert getattr(ContainerOptions.model_validate({field: said}), field)


def test_no_option_changes_the_hash_or_the_container_of_a_definition_without_it() -> None:
    assert definition_hash(defined(networks=["a"])) == "1:895d7a6c7a8f5045d75b"
    assert definition_hash(defined(pull="always")) == definition_hash(defined())
    assert config_arguments(defined()) == {}
    assert host_arguments(defined()) == {
        "security_opt": ["no-new-privileges"],
        "log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}},
    }


def test_a_hardened_server_keeps_what_it_asks_for_besides() -> None:
    made = host_arguments(defined(profile="hardened", tmpfs={"/cache": "size=1m"}))
    assert made["tmpfs"] == {"/tmp": "", "/run": "", "/cache": "size=1m"}  # noqa: S108
    assert (made["cap_drop"], made["read_only"]) == (["ALL"], True)


@pytest.mark.parametrize(("said", "made"), [
    ([], ["no-new-privileges"]),
    (["apparmor=mine"], ["no-new-privileges", "apparmor=mine"]),
    (["no-new-privileges:true"], ["no-new-privileges"]),
    (["no-new-privileges:false"], None),
    (["no-new-privileges=false", "label:disable"], ["label:disable"]),
])  # fmt: skip
def test_new_privileges_are_off_unless_a_definition_says_otherwise(
    said: list[str], made: list[str] | None
) -> None:
    assert host_arguments(defined(security_opt=said)).get("security_opt") == made


def test_servers_of_one_network_find_each_other_by_name() -> None:
    place = {"aliases": ["db"], "ipv4_address": "172.20.0.5"}
    want = defined(networks={"games": place, "lan": None})
    assert network_mode(want) == "games"
    assert attachments(want, "rosewood") == {
        "games": {"aliases": ["rosewood", "db"], "ipv4_address": "172.20.0.5"},
        "lan": {"aliases": ["rosewood"]},
    }
    assert attachments(defined(networks=["bridge"]), "rosewood") == {"bridge": {}}
    assert network_mode(defined(network_mode="none")) == "none"


def test_aliases_and_addresses_of_a_container_are_read_without_its_own_names() -> None:
    facts = {**copy.deepcopy(PLAIN), "Name": "/mc", "Id": "4af7e4335a0412"}
    facts["NetworkSettings"]["Networks"] = {
        "games": {"Aliases": ["mc", "4af7e4335a04", "db"],
                  "IPAMConfig": {"IPv4Address": "10.0.0.5"}},
        "lan": {"Aliases": ["4af7e4335a04"], "IPAMConfig": None},
    }
    assert read_places(facts) == {"games": {"aliases": ["db"], "ipv4_address": "10.0.0.5"}}


@pytest.mark.parametrize(("fields", "fact"), [
    ({"network_mode": "host", "networks": ["a"]}, "exclude each other"),
    ({"network_mode": "container:x"}, "is not one of host, none"),
    ({"cap_add": ["NET_ADMIM"]}, "is no capability"),
    ({"devices": ["/etc/passwd"]}, "is not a device"),
    ({"ulimits": {"files": 1}}, "is no limit of Linux"),
    ({"gpus": 0}, "names no GPUs"),
    ({"dns": ["one.one"]}, "is no IP address"),
    ({"sysctls": {"somaxconn": "1"}}, "is not a kernel parameter"),
    ({"entrypoint": []}, "at least 1"),
    ({"ports": {"a": "5-3/udp"}}, "is no range of ports"),
    ({"ports": {"a": "1-3:1-2/udp"}}, "is no range of ports"),
    ({"ports": {"a": "1-3/udp", "a-2": 9}}, "is a port of the range 'a', too"),
    ({"volumes": {"a": {"path": "/a", "source": "v", "subpath": "../b"}}}, "no directory inside"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_with_words(fields: dict[str, Any], fact: str) -> None:
    with pytest.raises(ValueError, match=fact):
        defined(**fields)


@pytest.mark.parametrize(("fields", "line"), [
    ({"network_mode": "host"}, "host_network: true"),
    ({"devices": ["/dev/../dev/sda:/dev/x"]}, 'devices: ["/dev/sda"]'), ({"gpus": 1}, "gpus: true"),
    ({"security_opt": ["seccomp:unconfined"]}, 'security_opt: ["seccomp=unconfined"]'),
    ({"security_opt": ["no-new-privileges:false"]}, 'security_opt: ["no-new-privileges=false"]'),
    ({"logging": {"driver": "syslog"}}, "logging: [syslog]"),
])  # fmt: skip
def test_what_reaches_beyond_the_container_needs_a_line_of_the_policy(
    fields: dict[str, Any], line: str
) -> None:
    asked = Asked("fleet", defined(**fields))
    assert [each.line for each in refusals(Policy(), asked)] == [line]
    allowing = Policy.model_validate(yaml.safe_load(line))
    assert list(refusals(allowing, asked)) == []


def test_what_stays_inside_the_container_needs_none() -> None:
    asked = Asked("fleet", defined(
        tty=True, read_only=True, cap_drop=["ALL"], tmpfs=["/t"], shm_size="1GiB", dns=["::1"],
        security_opt=["no-new-privileges"], logging={"driver": "local"}, network_mode="none",
        sysctls={"net.core.somaxconn": "9"}, ulimits={"nofile": 9}, group_add=["44"],
    ))  # fmt: skip
    assert list(refusals(Policy(), asked)) == []


def test_each_port_of_a_range_is_a_port_of_its_own() -> None:
    found = defined(ports={"game": "2456-2457:3456-3457/udp", "q": {"container": "5-6/tcp",
                                                                  "publish": "none"}}).ports
    assert {key: (each.host, each.container, each.protocol) for key, each in found.items()} == {
        "game": (2456, 3456, "udp"), "game-2": (2457, 3457, "udp"),
        "q": (5, 5, "tcp"), "q-2": (6, 6, "tcp"),
    }  # fmt: skip
