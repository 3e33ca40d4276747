"""The systemd unit of an agent, for `zedops agent join --systemd`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from zedops.errors import UsageError, ZedopsError

FOLDER = Path("/etc/systemd/system")

# Servers belong to the Engine and go on running when the agent ends: only its own process is ended.
_UNIT = """\
[Unit]
Description=zedops agent of fleet {fleet}
After=network-online.target docker.service
Wants=network-online.target

[Service]
ExecStart={python} -m zedops agent run {fleet} --data-root {root} --policy {policy}
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=180
Environment=PYTHONUNBUFFERED=1

[Install]
WantedBy=multi-user.target
"""


def require_systemd() -> None:
    """See that a unit can be installed here, before anything is done."""
    if os.geteuid() != 0:
        raise UsageError("--systemd installs a unit for the whole machine; run it as root")
    if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        raise UsageError("systemd does not run here; leave --systemd out, and start it otherwise")


def render(fleet: str, root: Path, policy: Path) -> str:
    """Write the unit."""
    return _UNIT.format(
        fleet=fleet, python=_quoted(sys.executable), root=_quoted(str(root)),
        policy=_quoted(str(policy)),
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
