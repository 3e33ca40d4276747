"""Where zedops keeps things on a machine unless it is told otherwise."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def default_data_root() -> Path:
    """Say where worlds are kept on this machine."""
    if os.geteuid() == 0:
        return Path("/var/lib/zedops")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "zedops"


def boot_id() -> str:
    """Identify this machine as long as it is up; containers on it have the same (proc(5))."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def default_hub(url: str, name: str) -> Path:
    """Say where the hub of an upstream is: each URL has one place, found again without a note."""
    tag = hashlib.sha256(url.encode()).hexdigest()[:8]
    return default_data_root() / "hubs" / f"{name}-{tag}.git"
