"""Hands a server's secrets to its container, as variables or as files in memory.

The values never reach git, a log or the manager. `secrets` keeps them, `secret_files` has the
directories.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from zedops.protocol.sync import DesiredServer
from zedops.spec.model import SecretsAs
from zedops_agent import secret_files
from zedops_agent.container_spec import ContainerSecrets
from zedops_agent.engine.inspection import Inspector
from zedops_agent.observed import Observed
from zedops_agent.secrets import Secrets


class SecretHandover:
    """The secrets of one fleet's containers."""

    def __init__(self, fleet: str, secrets: Secrets, inspector: Inspector) -> None:
        self._fleet, self._secrets, self._inspector = fleet, secrets, inspector

    def prepare(self, want: DesiredServer) -> ContainerSecrets:
        """Return the secrets for a container that is made next, and make their directory."""
        handed = self._handed(want)
        if handed.place:
            secret_files.prepare(Path(handed.place))
        return handed

    def _handed(self, want: DesiredServer) -> ContainerSecrets:
        values = self._secrets.read_values(want)
        fingerprint = self._secrets.fingerprint(want) or ""
        place = ""
        if values and want.definition.secrets_as is SecretsAs.FILES:
            # each set of values has its own place: the previous container keeps its old values
            version = hashlib.sha256(f"{want.hash} {fingerprint}".encode()).hexdigest()[:16]
            place = str(secret_files.place(self._fleet, want.id, version))
        return ContainerSecrets(values, fingerprint, place)

    def write_files(self, container: str, want: DesiredServer) -> None:
        """Write the secrets in memory that a container reads as files."""
        if want.definition.secrets_as is SecretsAs.FILES and want.definition.secrets:
            handed = self._handed(want)
            # a container from before a reboot, or of an earlier release, mounts its former place
            found = self._inspector.inspect([container])
            mounted = Path(found[0].secrets_at) if found else Path()
            is_ours = secret_files.is_place(mounted, self._fleet, want.id)
            place = mounted if is_ours else Path(handed.place)
            secret_files.fill(place, handed.values, self._inspector.user(container))

    def remove_files(self, container: str, want: DesiredServer, seen: Observed) -> None:
        """Remove the secret files of a container that is gone."""
        used = {each.secrets_at for each in seen.containers if each.id != container}
        for each in seen.containers:
            if each.id == container and each.secrets_at and each.secrets_at not in used:
                secret_files.remove(self._fleet, want.id, each.secrets_at)
