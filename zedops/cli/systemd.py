"""The systemd units of manager and agent: one template, for `join --systemd` and for packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from zedops.cli import drain_unit
from zedops.errors import UsageError, ZedopsError

FOLDER = Path("/etc/systemd/system")

# Servers belong to the Engine and go on running when zedops ends: systemd ends only its process.
# 180 s are for the step in hand, which may be a server's graceful stop.
_UNIT = """\
[Unit]
Description=zedops {part} of fleet {fleet}
After=network-online.target{after}
Wants=network-online.target

[Service]
Type=exec
ExecStart={command}
EnvironmentFile=-/etc/zedops/{part}-{fleet}.env
Environment=PYTHONUNBUFFERED=1
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=180
{confined}
[Install]
WantedBy=multi-user.target
"""

#: Neither part needs these (systemd.exec(5)). A forbidden system call fails, and kills no process:
#: nats-server and git try some calls that they do not need.
_NEVER = """\
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""

#: The manager needs its hub and the network, and nothing else of the machine.
_MANAGER = """\
User=zedops
ProtectSystem=strict
ReadWritePaths={hubs}
ProtectHome=yes
ProtectProc=invisible
PrivateTmp=yes
RemoveIPC=yes
InaccessiblePaths=-/run/docker.sock -/run/containerd -/run/podman
CapabilityBoundingSet=
AmbientCapabilities=
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# messages go to addresses in the environment alone, none that a push names: see `notify:`
Environment=ZEDOPS_NOTIFY_ALLOW=
"""

#: The agent must be root: it speaks to the Engine, makes directories for other users in places
#: that the policy names, and finds the holder of a port. The host's policy limits it.
_AGENT = """\
ProtectSystem=full
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH
SystemCallFilter=@system-service
"""

_HUBS = "/var/lib/zedops/fleets"
_PROGRAM = "/opt/zedops/bin/zedops"


def require_systemd() -> None:
    """Check that a unit can be installed here, before any change. UsageError."""
    if os.geteuid() != 0:
        raise UsageError("--systemd installs a unit for the whole machine; run it as root")
    if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        raise UsageError("systemd does not run here; leave --systemd out, and start it otherwise")


def render(fleet: str, root: Path, policy: Path) -> str:
    """Write the unit of an agent that runs from this very Python."""
    places = f"--data-root {quoted(str(root))} --policy {quoted(str(policy))}"
    return _agent(fleet, f"{quoted(sys.executable)} -m zedops agent run {fleet} {places}")


def render_drain(fleet: str, root: Path, policy: Path) -> str:
    """Write the unit that stops a fleet's servers here before the Engine ends."""
    places = f"--data-root {quoted(str(root))} --policy {quoted(str(policy))}"
    python = quoted(sys.executable)
    return _drain(f"{python} -m zedops agent drain {fleet} {places}")


def packaged() -> dict[str, str]:
    """Write the units for packages, by file name: templates that take the fleet's name."""
    return {
        drain_unit.NAME: _drain(f"{_PROGRAM} agent drain"),
        "zedops-agent@.service": _agent("%i", f"{_PROGRAM} agent run %i"),
        # an unset variable gives no argument at all
        "zedops-manager@.service": _UNIT.format(
            part="manager", fleet="%i", after="", confined=_NEVER + _MANAGER.format(hubs=_HUBS),
            command=f"{_PROGRAM} manager {_HUBS}/%i.git $ZEDOPS_OPTIONS",
        ),
    }


def _agent(fleet: str, command: str) -> str:
    return _UNIT.format(
        part="agent", fleet=fleet, after=" docker.service", command=command,
        confined=_NEVER + _AGENT,
    )


def _drain(command: str) -> str:
    return drain_unit.render(command, _NEVER + _AGENT)


def install(fleet: str, root: Path, policy: Path) -> str:
    """Install and start the units; return the message."""
    name, drains = f"zedops-agent-{fleet}.service", f"zedops-drain-{fleet}.service"
    (FOLDER / name).write_text(render(fleet, root, policy))
    (FOLDER / drains).write_text(render_drain(fleet, root, policy))
    for arguments in (["daemon-reload"], ["enable", "--now", name, drains]):
        done = subprocess.run(
            ["systemctl", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ZedopsError(f"systemctl {arguments[0]}: {done.stderr.strip()}")
    return f"{name} runs; `journalctl -u {name} -f` shows its log"


def quoted(text: str, *, is_command: bool = True) -> str:
    """Quote for a unit file (systemd.syntax(7)).

    `%` begins a specifier, and in commands `$` a variable.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return '"' + (escaped.replace("$", "$$") if is_command else escaped) + '"'
