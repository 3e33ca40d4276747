"""The systemd unit that stops a host's servers before its Engine ends.

An Engine that shuts down gives containers their grace, but it knows no stop commands, and systemd
ends it after 90 s. Units stop in the reverse order of their start: this one before the Engine.
"""

from __future__ import annotations

NAME = "zedops-drain.service"

_UNIT = """\
[Unit]
Description=Stop the servers of zedops before the Docker Engine ends
After=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop={command}
EnvironmentFile=-/etc/zedops/drain.env
# it ends by itself: after the longest `stop.grace`, which is 1 h at most
TimeoutStopSec=infinity
{confined}
[Install]
WantedBy=multi-user.target
"""


def render(command: str, confined: str) -> str:
    """Write the unit around the command that drains, with the bounds of an agent."""
    return _UNIT.format(command=command, confined=confined)
