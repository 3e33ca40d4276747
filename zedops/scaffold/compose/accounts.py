"""Sorts every key of a compose file: translated, harmless, named with its loss, or refused. Pure.

Source: Compose Specification, reference of services, deploy, build, volumes and networks.
"""

from __future__ import annotations

#: Keys with a field of the same name.
_SAME = {
    "cap_add", "cap_drop", "command", "devices", "dns", "dns_search", "entrypoint", "extra_hosts",
    "gpus", "group_add", "hostname", "image", "init", "labels", "logging", "network_mode",
    "networks", "platform", "ports", "read_only", "security_opt", "shm_size", "stdin_open",
    "sysctls", "tmpfs", "tty", "ulimits", "user", "volumes", "working_dir",
}
#: What each translated key of a service becomes in a definition.
BECOMES = {
    **{key: f"`{key}`" for key in _SAME},
    "build": "nothing beside an `image`; alone it is refused",
    "cpus": "`limits.cpus`",
    "depends_on": "`depends_on`; the end of a job, and `restart: true`, are named",
    "deploy": "`limits`, `gpus`, and `desired: stopped` for no replicas; Swarm's keys say nothing",
    "env_file": "`env` and `secrets`",
    "environment": "`env` and `secrets`",
    "healthcheck": "`health`; `start_interval` is named",
    "links": "`depends_on`; the names are named",
    "mem_limit": "`limits.memory`",
    "pids_limit": "`limits.pids`",
    "pull_policy": "`pull`; `build` and the daily ones are named",
    "restart": "nothing: zedops starts servers again; `no` and `on-failure` are named",
    "scale": "`desired: stopped` for 0; more than 1 is named",
    "secrets": "refused: files that Compose makes",
    "stop_grace_period": "`stop.grace`",
    "stop_signal": "`stop.signal`",
}
#: Keys of a service that say nothing about its container.
HARMLESS = {
    "attach", "container_name", "develop", "expose", "extends", "profiles", "pull_refresh_after",
}
#: Keys without a place in a definition, and the difference that this makes.
DIFFERS = {
    "annotations": "the runtime gets none",
    "blkio_config": "no weight or limit of disk I/O",
    "build": "zedops does not build: the image must be on the host or where it can pull it",
    "cpu_count": "no number of CPUs (Windows)",
    "cpu_percent": "no share of CPUs (Windows)",
    "cpu_period": "write limits.cpus instead",
    "cpu_quota": "write limits.cpus instead",
    "cpu_rt_period": "no real-time scheduling",
    "cpu_rt_runtime": "no real-time scheduling",
    "cpu_shares": "all servers have the same share of the CPU",
    "cpuset": "it may run on every CPU",
    "dns_opt": "the host's own resolver options",
    "domainname": "no domain name",
    "external_links": "other containers are found by their names on a common network",
    "label_file": "the labels of these files; write them into labels",
    "links": "other servers are found by their names on a common network, and a restart of one"
    " restarts no other (depends_on)",
    "mac_address": "the Engine chooses its address",
    "mem_reservation": "no memory is reserved",
    "mem_swappiness": "the host's own swappiness",
    "memswap_limit": "the Engine's own limit of swap",
    "oom_kill_disable": "the kernel may end it where memory runs out",
    "oom_score_adj": "the kernel treats it like any other process",
    "storage_opt": "no limit of its own layer's size",
}
#: Keys that would give the container another program, other data or another network.
REFUSED = {
    "cgroup": "the host's cgroup namespace",
    "cgroup_parent": "another cgroup",
    "configs": "files that Compose makes",
    "credential_spec": "a Windows account",
    "device_cgroup_rules": "devices of the host",
    "ipc": "another container's or the host's memory",
    "isolation": "Windows isolation",
    "models": "models that Compose runs",
    "pid": "another container's or the host's processes",
    "post_start": "commands that Compose runs after a start",
    "pre_stop": "commands that Compose runs before a stop (write stop.commands)",
    "privileged": "all rights on the host",
    "provider": "a program that Compose runs in place of a container",
    "runtime": "another runtime",
    "use_api_socket": "the Engine's socket",
    "userns_mode": "another user namespace",
    "uts": "the host's own name",
    "volumes_from": "another container's volumes",
}
#: Their values that mean what every container has anyway (Engine API: HostConfig).
USUAL = {"cgroup": {"private"}, "ipc": {"private", "shareable"}, "isolation": {"default"},
         "runtime": {"runc", "io.containerd.runc.v2"}}
#: Keys of `deploy` that concern Swarm alone, and those that zedops names with their loss.
DEPLOY_HARMLESS = {"endpoint_mode", "labels", "mode", "placement", "rollback_config",
                   "update_config"}
DEPLOY_DIFFERS = {"restart_policy": "zedops restarts an ended server, and waits longer each time"}

#: Places and endings of files that people mount, for sources that cannot be examined.
FILE_PLACES = ("/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/hosts",
               "/etc/resolv.conf", "/etc/machine-id", "/dev/")
FILE_ENDS = (
    ".sock", ".properties", ".yml", ".yaml", ".json", ".conf", ".cfg", ".ini", ".toml", ".txt",
    ".xml", ".env", ".pem", ".key", ".crt", ".cert", ".sh", ".lua", ".js", ".py", ".php", ".sql",
    ".jar", ".zip", ".cnf", ".acl", ".htpasswd", ".png", ".md", ".list",
)
