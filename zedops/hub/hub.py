"""The hub: the bare repository that a manager owns.

It composes what a hub consists of: its refs, its history, its configuration and its hooks. It reads
fleets through `snapshot` and decides nothing about pushes (`receive`) or servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from zedops.errors import UsageError
from zedops.fleet.fleet import Fleet, read_settings
from zedops.git.objects import FileChange
from zedops.git.repository import Repository
from zedops.hub import installation, snapshot
from zedops.hub.configuration import UPSTREAM, HubConfiguration
from zedops.hub.history import HubHistory
from zedops.hub.refs import HubRefs
from zedops.spec.document import Document
from zedops.spec.layout import SETTINGS_PATH
from zedops.spec.settings import Settings

#: The key of the fleet's identity.
_IDENTITY = "zedops.id"


class Hub:
    """A fleet's bare repository. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.repository = Repository(self.path)
        #: Runtime files: socket, lock, keys. Not part of the repository.
        self.runtime = self.path / "zedops"
        self.refs = HubRefs(self.path, self.repository, self.runtime)
        self.history = HubHistory(self.repository)
        self.configuration = HubConfiguration(self.path, self.repository)
        #: Documents that the check of the newest push parsed, by path: none is parsed twice.
        self.checked: Mapping[str, Document] = {}

    @classmethod
    def create(cls, path: Path) -> Hub:
        """Make a hub. UsageError if the path exists."""
        if path.exists():
            raise UsageError(f"{path} exists already; choose another name")
        Repository.init(path, bare=True)
        hub = cls(path)
        hub.equip()
        return hub

    @staticmethod
    def is_hub(path: Path) -> bool:
        """Tell a hub from any other repository."""
        config = path / "config"
        return config.is_file() and (path / "objects").is_dir() and "[zedops]" in config.read_text()

    def equip(self) -> None:
        """Set the configuration and install or upgrade the hooks. Safe to repeat."""
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        self.configuration.settle()
        installation.install_hooks(self.path / "hooks")

    @cached_property
    def default_name(self) -> str:
        """Name a fleet whose settings do not: as in its clones, after the remote or the path."""
        return snapshot.name_from(Path(self.upstream or self.path))

    @property
    def upstream(self) -> str | None:
        """Return the URL of the upstream that this hub follows; None without one."""
        return self.configuration.recall(UPSTREAM)

    def head(self) -> str | None:
        """Return main's newest commit; None in an empty hub."""
        return self.refs.head()

    def read_settings(self) -> Settings:
        """Read the settings on main only; the defaults in an empty hub."""
        head = self.head()
        found = self.repository.tree(head, SETTINGS_PATH) if head else {}
        blobs = self.repository.objects.blobs(each.blob for each in found.values())
        content = next(iter(blobs.values()), b"")
        return read_settings(content, self.default_name)[0]

    def read_fleet(
        self, commit: str, warm: Fleet | None = None, repository: Repository | None = None
    ) -> tuple[Fleet, list[FileChange]]:
        """Read the fleet at a commit; see `snapshot.read`."""
        return snapshot.read(
            repository or self.repository, commit, self.default_name, warm, self.checked
        )

    def identity(self) -> str:
        """Return the fleet's identity: its first commit, short; empty without a commit.

        It does not depend on the name. A new hub made from a clone has the same identity.
        """
        known, head = self.configuration.recall(_IDENTITY), self.head()
        if known or head is None:
            return known or ""
        first = self.repository.run(
            "rev-list", "--first-parent", "--max-parents=0", "--end-of-options", head
        )
        self.configuration.remember(_IDENTITY, first.split()[-1][:16])
        return first.split()[-1][:16]
