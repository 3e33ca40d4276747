"""The systemd units of manager and agent: one template, for `join --systemd` and for packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from zedops.errors import UsageError, ZedopsError

FOLDER = Path("/etc/systemd/system")

# Servers belong to the Engine and go on running when zedops ends: only its own process is ended.
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

#: The manager needs its hub and nothing else of the machine. The agent is root by its nature: it
#: makes directories for other users and speaks to the Engine; what bounds it is the host's policy.
_CONFINED = """\
User=zedops
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
ReadWritePaths={hubs}
"""

_HUBS = "/var/lib/zedops/fleets"
_PROGRAM = "/opt/zedops/bin/zedops"


def require_systemd() -> None:
    """See that a unit can be installed here, before anything is done."""
    if os.geteuid() != 0:
        raise UsageError("--systemd installs a unit for the whole machine; run it as root")
    if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        raise UsageError("systemd does not run here; leave --systemd out, and start it otherwise")


def render(fleet: str, root: Path, policy: Path) -> str:
    """Write the unit of an agent that runs from this very Python."""
    places = f"--data-root {_quoted(str(root))} --policy {_quoted(str(policy))}"
    return _agent(fleet, f"{_quoted(sys.executable)} -m zedops agent run {fleet} {places}")


def packaged() -> dict[str, str]:
    """Write the units for packages, by file name: templates whose instance is the fleet's name."""
    return {
        "zedops-agent@.service": _agent("%i", f"{_PROGRAM} agent run %i"),
        # unset, the options are no argument at all
        "zedops-manager@.service": _UNIT.format(
            part="manager", fleet="%i", after="", confined=_CONFINED.format(hubs=_HUBS),
            command=f"{_PROGRAM} manager {_HUBS}/%i.git $ZEDOPS_OPTIONS",
        ),
    }


def _agent(fleet: str, command: str) -> str:
    return _UNIT.format(
        part="agent", fleet=fleet, after=" docker.service", command=command, confined=""
    )


def install(fleet: str, root: Path, policy: Path) -> str:
    """Install and start the unit; returns what to say."""
    name = f"zedops-agent-{fleet}.service"
    (FOLDER / name).write_text(render(fleet, root, policy))
    for arguments in (["daemon-reload"], ["enable", "--now", name]):
        done = subprocess.run(
            ["systemctl", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ZedopsError(f"systemctl {arguments[0]}: {done.stderr.strip()}")
    return f"{name} runs; `journalctl -u {name} -f` shows what it says"


def _quoted(text: str) -> str:
    """Quote for a unit file (systemd.syntax(7)): `%` begins a specifier, `$` a variable."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return '"' + escaped.replace("$", "$$") + '"'
