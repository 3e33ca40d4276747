"""Begins a fleet again from a repository of backups alone: definitions ride along in snapshots."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from zedops.errors import UsageError, ZedopsError
from zedops.spec import edit, loader
from zedops.spec.layout import NAME, SERVERS, SETTINGS_PATH
from zedops.spec.state_block import format_time
from zedops.system import files
from zedops_agent.backup import manifest
from zedops_agent.backup.restic import Restic
from zedops_agent.backup.restic_process import ResticFailed
from zedops_agent.backup.snapshot import Snapshot

#: The name of the repository in the recovered fleet's settings.
_NAME = "recovered"


@dataclass(frozen=True)
class Found:
    """The newest snapshot of one server, and its description."""

    snapshot: Snapshot
    name: str
    server_id: str
    definition: dict[str, Any]

    def text(self) -> str:
        """Write a definition that begins with this snapshot."""
        made = {key: each for key, each in self.definition.items() if key not in ("host", "game")}
        made["backup"] = {**(made.get("backup") or {}), "repository": _NAME}
        now = format_time(datetime.now(UTC))
        made["world"] = {"of": self.server_id, "restore": f"{self.snapshot.short} ({now})"}
        about = f"# recovered from snapshot {self.snapshot.short} of {self.snapshot.at:%Y-%m-%d}\n"
        return about + yaml.safe_dump(made, sort_keys=False, allow_unicode=True)


def look(address: str, password_file: Path) -> list[Found]:
    """Read the newest snapshot of each server in a repository. ResticFailed if it cannot."""
    try:
        word = files.read(password_file).decode().strip("\n")
    except OSError as error:
        raise UsageError(f"{password_file}: {error.strerror}") from error
    with tempfile.TemporaryDirectory(prefix="zedops-recover-") as cache:
        opened = Restic(address, Path(cache), {"RESTIC_PASSWORD": word})
        newest = {each.tag("server"): each for each in opened.snapshots("zedops")}
        return [_read(opened, each) for key, each in newest.items() if key]


def _read(opened: Restic, snapshot: Snapshot) -> Found:
    path = next((each for each in snapshot.paths if each.endswith(f"/{manifest.NAME}")), None)
    if path is None:
        raise ResticFailed(f"snapshot {snapshot.short} was not made by zedops")
    said = json.loads(opened.dump(snapshot.id, path))
    name = str(said["name"])
    if not NAME.fullmatch(name):
        raise ResticFailed(f"snapshot {snapshot.short} names no server")
    return Found(snapshot, name, str(said["server"]), dict(said["definition"]))


def write(root: Path, address: str, found: list[Found]) -> list[Path]:
    """Write definitions and the repository into a clone; it commits nothing, replaces nothing."""
    made = []
    settings = root / SETTINGS_PATH
    text = settings.read_text() if settings.exists() else ""
    source = loader.load(SETTINGS_PATH, text)
    if _NAME not in (source.data or {}).get("backups", {}):
        settings.write_text(edit.add_key(source, text, "backups", _NAME, json.dumps(address)))
        made.append(settings)
    for each in found:
        path = root / SERVERS / f"{each.name}.yaml"
        if path.exists():
            raise ZedopsError(f"{path} exists already; nothing is replaced, so move it away first")
        path.parent.mkdir(exist_ok=True)
        path.write_text(each.text())
        made.append(path)
    return made
