"""Checks a host and names remedies: Engine, data, secrets, policy, NATS.

It changes nothing, and returns a problem as a finding, never as an error. The agent runs it when
the manager asks; a person runs it where no agent runs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from zedops.bus.nats_probe import certificate_end
from zedops.errors import EngineFailed, HostUnavailable, ZedopsError
from zedops.protocol.findings import Finding
from zedops.spec.model import Definition
from zedops.spec.quantities import format_size
from zedops_agent import membership, shutdown
from zedops_agent.engine.engine import EngineInfo
from zedops_agent.policy_file import PolicyFile

#: The oldest API that zedops has been tested with: Engine 20.10.
_OLDEST_API = (1, 41)
#: Free space. A server cannot save its world on a full disk: wrong below the first limit, a warning
#: below the others.
_FULL_BYTES, _LOW_BYTES, _LOW_SHARE = 512 << 20, 5 << 30, 0.05
#: zedops replaces its own server's certificate a month before its end.
_SOON = timedelta(days=14)


@dataclass(frozen=True)
class Site:
    """The data root of an agent of a fleet, and the way to its Engine."""

    fleet: str | None
    root: Path
    policy: PolicyFile
    engine: Callable[[], EngineInfo]
    definitions: tuple[Definition, ...] = ()  #: of the servers that must run here
    #: Data that the agent cannot look at: server, volume, and why.
    unseen: tuple[tuple[str, str, str], ...] = ()


def check(site: Site) -> Iterator[Finding]:
    """Look at everything on this host."""
    yield from _engine(site.engine)
    yield from shutdown.check(site.definitions)
    yield from _data_root(site.root)
    yield from _places(site)
    yield from _secrets(site.root)
    yield from _policy(site.policy)
    for fleet in [site.fleet] if site.fleet else membership.fleets(site.root):
        yield from _way_to_manager(site.root, fleet)


def _engine(look: Callable[[], EngineInfo]) -> Iterator[Finding]:
    try:
        about = look()
    except EngineFailed as error:
        remedy = "`systemctl status docker` says more"
        yield Finding.wrong("Docker Engine", str(error), remedy)
        return
    said = f"{about.version}, API {about.api}"
    if tuple(int(each) for each in about.api.split(".")) < _OLDEST_API:
        yield Finding.wrong("Docker Engine", f"{said} is too old", "upgrade to 20.10 or newer")
    else:
        yield Finding.good("Docker Engine", said)
    if about.live_restore:
        yield Finding.good("live-restore", "servers run on while the Engine is restarted")
    else:
        remedy = 'put {"live-restore": true} into /etc/docker/daemon.json, then reload docker'
        fact = "off: every server ends when the Engine is restarted or upgraded"
        yield Finding.warning("live-restore", fact, remedy)
    if not about.limits_memory:
        remedy = "boot with cgroup_enable=memory, or a newer kernel"
        yield Finding.warning("limits", "the kernel does not enforce `limits: memory`", remedy)


def _data_root(root: Path) -> Iterator[Finding]:
    place = next(each for each in (root, *root.parents) if each.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        remedy = f"`chown $(id -u) {place}`, or choose another place with --data-root"
        yield Finding.wrong("data root", f"{place} is not writable for this user", remedy)
        return
    usage = shutil.disk_usage(place)
    said = f"{root}: {format_size(usage.free)} of {format_size(usage.total)} free"
    remedy = "free space: see `docker system df`, `zedops data` and old backups"
    if usage.free < _FULL_BYTES:
        yield Finding.wrong("data root", f"{said}: worlds cannot be saved soon", remedy)
    elif usage.free < min(_LOW_BYTES, _LOW_SHARE * usage.total):
        yield Finding.warning("data root", said, remedy)
    else:
        yield Finding.good("data root", said)
    state = os.statvfs(place)
    if state.f_files and state.f_favail < 1000:
        yield Finding.wrong("data root", f"{place}: no inodes left for new files", remedy)
    yield from _privacy(root, nosuid=bool(state.f_flag & os.ST_NOSUID))


def _privacy(root: Path, *, nosuid: bool) -> Iterator[Finding]:
    """Check that other users of the host cannot enter worlds: containers write there as root."""
    advice = "" if nosuid else "; a disk of its own, mounted with `nosuid`, is safer still"
    servers = root / "servers"
    try:
        open_to_all = [each for each in (servers, *servers.glob("[!.]*"))
                       if each.stat().st_mode & 0o077]
    except FileNotFoundError:
        return
    except OSError as error:
        fact = f"cannot look at {servers}: {error.strerror}"
        yield Finding.unknown("worlds", fact, "see to its disk, or run this as zedops' own user")
        return
    if open_to_all:
        fact = f"{open_to_all[0]}: other users of this host may enter it"
        yield Finding.wrong("worlds", fact, f"`chmod go= {open_to_all[0]}`, as its owner or root")
    else:
        yield Finding.good("worlds", f"closed to other users of this host{advice}")


def _places(site: Site) -> Iterator[Finding]:
    """Name the data that the agent cannot look at; it does not start those servers until it can."""
    for server, key, trouble in site.unseen:
        fact, _, remedy = trouble.partition("; ")
        yield Finding.wrong(f"data of {server}", f"volume {key!r}: {fact}", remedy)


def _secrets(root: Path) -> Iterator[Finding]:
    folder = root / "secrets"
    try:
        files = [each for each in folder.rglob("*")
                 if each.is_file() and not each.name.startswith(".")]
        open_to_all = [each for each in files if each.stat().st_mode & 0o077]
    except OSError as error:
        yield Finding.unknown("secrets", f"cannot look at {folder}: {error.strerror}")
        return
    if open_to_all:
        more = f" and {len(open_to_all) - 1} more" if len(open_to_all) > 1 else ""
        fact = f"{open_to_all[0]}{more}: other users may read it"
        yield Finding.wrong("secrets", fact, f"`chmod -R go= {folder}`")
    elif files:
        yield Finding.good("secrets", f"{len(files)} kept, for this user only")


def _policy(policy: PolicyFile) -> Iterator[Finding]:
    try:
        policy.read_policy()
    except EngineFailed as error:
        yield Finding.wrong("policy", str(error), "correct it: until then nothing is started here")
        return
    there = policy.path.exists()
    yield Finding.good("policy", f"{policy.path} {'holds' if there else 'is not there: defaults'}")


def _way_to_manager(root: Path, fleet: str) -> Iterator[Finding]:
    try:
        joined = membership.load(root, fleet)
    except ZedopsError as error:
        yield Finding.wrong("NATS", str(error), "")
        return
    for url in joined.urls if joined else ():
        yield check_nats(url, joined.ca if joined else None,
                         tls_first=joined.tls_first if joined else True)


def check_nats(url: str, ca: str | None, *, tls_first: bool) -> Finding:
    """Connect to a NATS server, and check its certificate."""
    try:
        ends = certificate_end(url, ca, tls_first=tls_first)
    except HostUnavailable as error:
        remedy = "see that the manager runs, and that nothing between blocks the port"
        return Finding.wrong("NATS", str(error), remedy)
    if ends is None:
        fact, remedy = f"{url} answers without TLS", "use tls:// and a certificate"
        return Finding.warning("NATS", fact, remedy)
    said = f"{url} answers, its certificate ends on {ends:%Y-%m-%d}"
    if ends - datetime.now(UTC) < _SOON:
        return Finding.warning("NATS", said, "restart the manager, which renews its own")
    return Finding.good("NATS", said)
