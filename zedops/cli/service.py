"""`zedops up --systemd`: the unit that keeps a fleet running, after a reboot, too.

The unit runs the typed command in the same directory, as the owner of the hub: git trusts only a
repository of its own user, and the worlds stay in the place of a start by hand.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from zedops.cli.systemd import FOLDER, quoted
from zedops.errors import UsageError, ZedopsError

# Servers belong to the Engine and go on running when zedops ends: systemd ends only its process.
# 180 s are for the step in hand, which may be a server's graceful stop. Until the Engine is up,
# zedops ends with an error, and systemd starts it again.
_UNIT = """\
[Unit]
Description=zedops: fleet {fleet} and its servers on this machine
{after}StartLimitIntervalSec=0

[Service]
Type=exec
{user}WorkingDirectory={folder}
ExecStart={command}
Environment=PYTHONUNBUFFERED=1
{environment}LimitCORE=0
NoNewPrivileges=yes
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=180

[Install]
WantedBy={target}
"""
_AFTER = "After=network-online.target docker.service\nWants=network-online.target\n"
#: Variables of a shell that zedops, git or Docker's client reads.
_HEEDED = (
    "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "XDG_DATA_HOME", "ZEDOPS_DATA_ROOT",
    "ZEDOPS_POLICY", "ZEDOPS_CREDENTIALS", "ZEDOPS_METRICS", "ZEDOPS_LOG_FORMAT",
    "ZEDOPS_STATUS_API", "ZEDOPS_WEBHOOK_SECRET", "ZEDOPS_NATS_SERVER", "ZEDOPS_NOTIFY_ALLOW",
)
#: An empty value allows no address; every other variable counts as unset if it is empty.
_EVEN_EMPTY = "ZEDOPS_NOTIFY_ALLOW"
_OWN_OPTIONS = ("--systemd", "--print")


def render(
    fleet: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str],
    user: str | None,
) -> str:
    """Write the unit, for the whole machine as `user`; None: for the person's own systemd."""
    command = " ".join(quoted(each) for each in (sys.executable, "-m", "zedops", *arguments))
    said = [
        f"{key}={environment[key]}" for key in _HEEDED
        if environment.get(key) or (key == _EVEN_EMPTY and key in environment)
    ]
    return _UNIT.format(
        fleet=fleet, command=command, folder=str(folder).replace("%", "%%"),
        after=_AFTER if user else "", user=f"User={user}\n" if user else "",
        environment="".join(f"Environment={quoted(each, is_command=False)}\n" for each in said),
        target="multi-user.target" if user else "default.target",
    )


def serve(fleet: str, hub: Path, arguments: Sequence[str], *, only_print: bool) -> str:
    """Write and start the unit of `zedops up` with these arguments; return the message."""
    is_root = os.geteuid() == 0
    owner = _owner(hub)
    if not is_root and owner != _name(os.geteuid()):
        remedy = f"run this as {owner}, or as root"
        raise UsageError(f"{hub} belongs to {owner}, and git trusts its owner alone; {remedy}")
    wanted = [each for each in arguments if each not in _OWN_OPTIONS]
    text = render(fleet, wanted, Path.cwd(), os.environ, owner if is_root else None)
    if only_print:
        return text.rstrip("\n")
    manager = ["systemctl"] if is_root else ["systemctl", "--user"]
    _require(is_root=is_root)
    name = f"zedops-{fleet}.service"
    folder = FOLDER if is_root else Path.home() / ".config/systemd/user"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    for words in (["daemon-reload"], ["enable", name], ["restart", name]):
        _run([*manager, *words])
    if not is_root:
        _run(["loginctl", "enable-linger"])  # else it would run only while the person is logged in
    log = "journalctl" if is_root else "journalctl --user"
    return f"{name} runs, now and after each boot; `{log} -u {name} -f` shows its log"


def _require(*, is_root: bool) -> None:
    place = Path("/run/systemd/system") if is_root else (
        Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}") / "systemd"
    )
    if shutil.which("systemctl") is None or not place.is_dir():
        remedy = "`--systemd --print` shows the unit, to install it elsewhere or start it otherwise"
        fact = f"{'systemd' if is_root else 'your own systemd'} does not run here"
        raise UsageError(f"{fact}; {remedy}")


def _owner(hub: Path) -> str:
    return _name(hub.stat().st_uid)


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a user id without a name, as in containers
        return str(number)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ZedopsError(f"{' '.join(command)}: {done.stderr.strip()}")
