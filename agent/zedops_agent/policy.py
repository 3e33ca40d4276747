"""The host's policy, which binds every fleet and its manager: `/etc/zedops/agent.yaml`.

    bind_roots: [/srv/games]        # directories that `source:` may name, or be below of; none
    images: ["ghcr.io/**", "docker.io/itzg/*"]   # `*` is one part of a name, `**` any; all
    ports: ["1024-65535"]           # host ports that may be published; all
    memory: 16GiB                   # the most that one server may ask for; no ceiling
    cpus: 4
    pids: 4096
    cap_add: [NET_ADMIN]            # beyond those that every container has; none
    networks: [games, "lan-*"]      # networks in which others are, too; none
    labels: ["traefik.*"]           # labels that other programs may obey; none
    adopt: [my-zomboid]             # containers that `adopt:` may take over; none
    devices: ["/dev/dri/*"]         # devices of the host; none
    gpus: true                      # GPUs of the host; false
    security_opt: ["apparmor=*"]    # options that loosen the Engine's own; none
    logging: [syslog]               # drivers besides json-file, local, journald and none
    host_network: true              # the host's own network, or another container's; false
    volumes: ["local/nfs"]          # drivers of named volumes; tmpfs and allowed bind mounts
    docker_socket: true             # the Engine's socket as a `source:`: root on this host; false
    backups: ["sftp:nas:/**"]       # addresses of backups besides its own repository; none
    exec: false                     # run no commands and terminals in containers; true
    purge: false                    # never remove data here, against every request; true

The end of each line is the default. Pure: `policy_file` reads the file, `refusals` judges by it.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from zedops.spec.fields import Bytes, Model

#: Programs read labels with a dot in them (Docker's guideline: a namespace of their own); these
#: read labels without one.
_OBEYED = re.compile(
    r"[^.]*\..*|(?:autoheal|caddy|swag|wud|dozzle|watchtower|traefik).*", re.DOTALL
)
#: Labels that only describe.
_DESCRIBES = ("org.opencontainers.", "org.label-schema.")
SPAN = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def _span(value: str) -> str:
    if not SPAN.fullmatch(value):
        raise ValueError(f"{value!r} is no range of ports; write e.g. 1024-65535")
    first, _, last = value.partition("-")
    if int(last or first) < int(first):
        raise ValueError(f"{value!r} goes backwards; write e.g. 1024-65535")
    return value


def _root(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError(f"{value!r} is no absolute path; write e.g. /srv/games")
    return value


class Policy(Model):
    """The rights that a host gives to fleets."""

    bind_roots: tuple[Annotated[str, AfterValidator(_root)], ...] = Field(
        default=(), strict=False
    )
    images: tuple[str, ...] = Field(default=("**",), strict=False)
    ports: tuple[Annotated[str, AfterValidator(_span)], ...] = Field(
        default=("1-65535",), strict=False
    )
    memory: Bytes | None = None
    cpus: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=False)] | None = None
    pids: Annotated[int, Field(ge=1)] | None = None
    cap_add: tuple[str, ...] = Field(default=(), strict=False)
    networks: tuple[str, ...] = Field(default=(), strict=False)
    labels: tuple[str, ...] = Field(default=(), strict=False)
    adopt: tuple[str, ...] = Field(default=(), strict=False)
    devices: tuple[str, ...] = Field(default=(), strict=False)
    gpus: bool = False
    security_opt: tuple[str, ...] = Field(default=(), strict=False)
    logging: tuple[str, ...] = Field(default=(), strict=False)
    volumes: tuple[str, ...] = Field(default=(), strict=False)
    host_network: bool = False
    docker_socket: bool = False
    backups: tuple[str, ...] = Field(default=(), strict=False)
    exec: bool = True
    purge: bool = True

    def gives(self, label: str) -> bool:
        """Say whether a container may have a label: many other programs obey labels."""
        plain = not _OBEYED.fullmatch(label) or label.startswith(_DESCRIBES)
        return plain or any(fits(each, label) for each in self.labels)


def fits(pattern: str, name: str) -> bool:
    """Compare names without parts: `*` is any text."""
    wanted = ".*".join(re.escape(each) for each in pattern.split("*"))
    return re.fullmatch(wanted, name, re.DOTALL) is not None
