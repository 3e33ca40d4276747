"""What a container has and no definition can say, field by field: nothing is taken over unseen."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from zedops_agent.beyond import Usual, unsaid

#: As Engine 20.10 and newer ones show a container that asked for nothing.
PLAIN: dict[str, Any] = {
    "HostConfig": {
        "Binds": None, "ContainerIDFile": "", "LogConfig": {"Type": "journald", "Config": {}},
        "NetworkMode": "default", "PortBindings": {}, "RestartPolicy": {"Name": "always"},
        "AutoRemove": False, "VolumeDriver": "", "VolumesFrom": None, "CapAdd": ["NET_ADMIN"],
        "CapDrop": None, "CgroupnsMode": "private", "Dns": [], "DnsOptions": [], "DnsSearch": [],
        "ExtraHosts": None, "GroupAdd": None, "IpcMode": "private", "Cgroup": "", "Links": None,
        "OomScoreAdj": 0, "PidMode": "", "Privileged": False, "PublishAllPorts": False,
        "ReadonlyRootfs": False, "SecurityOpt": ["no-new-privileges:true"], "UTSMode": "",
        "UsernsMode": "", "ShmSize": 67108864, "Runtime": "runc", "ConsoleSize": [24, 80],
        "Isolation": "", "CpuShares": 0, "Memory": 64, "MemorySwap": 128, "NanoCpus": 5,
        "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [],
        "CpuPeriod": 0, "CpuQuota": 0, "CpusetCpus": "", "Devices": [], "DeviceCgroupRules": None,
        "DeviceRequests": None, "MemoryReservation": 0, "MemorySwappiness": None,
        "OomKillDisable": None, "PidsLimit": 9, "Ulimits": [], "Init": True,
        "MaskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi",
                        "/sys/firmware", "/proc/interrupts"],
        "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                          "/proc/sysrq-trigger"],
    },
    "Config": {
        "Hostname": "h", "Domainname": "", "User": "1", "AttachStdout": True, "Tty": False,
        "OpenStdin": False, "StdinOnce": False, "Env": ["A=b"], "Cmd": ["run"], "Image": "a",
        "Volumes": None, "WorkingDir": "/game", "Entrypoint": ["/entry"], "OnBuild": None,
        "Labels": {"a": "b"}, "StopSignal": "SIGINT", "ExposedPorts": {"1/tcp": {}},
    },
    "Mounts": [
        {"Type": "bind", "Source": "/a", "Destination": "/a", "Propagation": "rprivate"},
        {"Type": "volume", "Name": "v", "Destination": "/v", "Driver": "local", "Propagation": ""},
    ],
    "NetworkSettings": {"Networks": {"lan": {"IPAMConfig": {}, "Aliases": ["a"]}}},
    "AppArmorProfile": "docker-default",
}  # fmt: skip
IMAGE = {"Config": {"WorkingDir": "/game", "Entrypoint": ["/entry"], "User": "0"}}


def _with(place: str, key: str, value: Any) -> tuple[str, ...]:
    facts = copy.deepcopy(PLAIN)
    facts[place][key] = value
    return unsaid(facts, IMAGE, Usual())


def test_a_plain_container_has_nothing_beyond() -> None:
    assert unsaid(PLAIN, IMAGE, Usual()) == ()


@pytest.mark.parametrize(("key", "value", "name"), [
    ("Privileged", True, "privileged"), ("PidMode", "host", "pid"),
    ("PidMode", "container:a", "pid"),
    ("IpcMode", "host", "ipc"), ("IpcMode", "container:a", "ipc"), ("UTSMode", "host", "uts"),
    ("UsernsMode", "host", "userns_mode"), ("CgroupnsMode", "host", "cgroup"),
    ("DeviceRequests", [{}], "device_requests"),
    ("DeviceCgroupRules", ["a *:* rwm"], "device_cgroup_rules"),
    ("Runtime", "nvidia", "runtime"),
    ("CgroupParent", "/x", "cgroup_parent"), ("MaskedPaths", [], "masked_paths"),
    ("MaskedPaths", None, "masked_paths"), ("ReadonlyPaths", [], "readonly_paths"),
    ("VolumesFrom", ["a"], "volumes_from"),
    ("Links", ["/a:/b"], "links"),
    ("CpuQuota", 1, "cpu_quota"),
    ("CpusetCpus", "0", "cpuset_cpus"), ("CpuShares", 2, "cpu_shares"),
    ("OomScoreAdj", -1, "oom_score_adj"),
    ("OomKillDisable", True, "oom_kill_disable"), ("MemoryReservation", 1, "memory_reservation"),
    ("MemorySwap", -1, "memswap_limit"), ("MemorySwap", 129, "memswap_limit"),
    ("AutoRemove", True, "auto_remove"), ("PublishAllPorts", True, "publish_all_ports"),
    ("StorageOpt", {"size": "1"}, "storage_opt"), ("VolumeDriver", "x", "volume_driver"),
    ("Annotations", {"a": "b"}, "annotations"), ("Isolation", "hyperv", "isolation"),
    ("SomethingNew", {"a": 1}, "something_new"), ("Cgroup", "container:a", "cgroup"),
    ("Mounts", [{"Target": "/v", "VolumeOptions": {"Subpath": "x"}}], "subpath of /v"),
    ("Mounts", [{"Target": "/v", "BindOptions": {"NonRecursive": True}}], "non_recursive of /v"),
])  # fmt: skip
def test_each_field_of_the_host_that_no_definition_can_say_is_named(
    key: str, value: Any, name: str
) -> None:
    assert _with("HostConfig", key, value) == (name,)


@pytest.mark.parametrize(("key", "value", "name"), [
    ("Domainname", "x", "domainname"), ("Entrypoint", None, "entrypoint"),
    ("MacAddress", "02:42", "mac_address"),
    ("NetworkDisabled", True, "network_disabled"), ("SomethingNew", 1, "something_new"),
])  # fmt: skip
def test_each_field_of_the_process_that_no_definition_can_say_is_named(
    key: str, value: Any, name: str
) -> None:
    assert _with("Config", key, value) == (name,)


@pytest.mark.parametrize(("mount", "name"), [
    ({"Type": "tmpfs", "Destination": "/t"}, "a tmpfs at /t"),
    ({"Type": "bind", "Destination": "/a", "Propagation": "rshared"}, "propagation of /a"),
    ({"Type": "volume", "Destination": "/v", "Driver": "nfs"}, "a volume driver at /v"),
])  # fmt: skip
def test_a_mount_of_another_kind_is_named(mount: dict[str, Any], name: str) -> None:
    assert unsaid({**PLAIN, "Mounts": [mount]}, IMAGE, Usual()) == (name,)


def test_a_link_local_address_is_named() -> None:
    endpoint = {"IPAMConfig": {"IPv4Address": "172.28.0.5", "LinkLocalIPs": ["169.254.1.1"]}}
    assert _with("NetworkSettings", "Networks", {"lan": endpoint}) == ("options in network lan",)


def test_a_device_that_a_definition_cannot_name_is_named() -> None:
    devices = [{"PathOnHost": "/srv/disk.img", "PathInContainer": "/dev/sda"}]
    assert _with("HostConfig", "Devices", devices) == ("devices",)


def test_what_is_usual_is_for_the_engine_to_say() -> None:
    facts = copy.deepcopy(PLAIN)
    facts["HostConfig"] |= {"Runtime": "crun", "CgroupnsMode": "host", "MemorySwap": -1}
    assert unsaid(facts, IMAGE, Usual()) == ("runtime", "cgroup", "memswap_limit")
    assert unsaid(facts, IMAGE, Usual("crun", "host", limits_swap=False)) == ()
