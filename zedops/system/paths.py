"""Default directories of zedops on a machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def default_data_root() -> Path:
    """Name the directory that holds worlds on this machine."""
    if os.geteuid() == 0:
        return Path("/var/lib/zedops")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "zedops"


def boot_id() -> str:
    """Identify one boot of this machine; its containers read the same id (proc(5))."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def default_hub(url: str, name: str) -> Path:
    """Name the hub directory of an upstream; derived from the URL, so nothing has to record it."""
    tag = hashlib.sha256(url.encode()).hexdigest()[:8]
    return default_data_root() / "hubs" / f"{name}-{tag}.git"
