"""Lists and removes the containers of proofs: scratch, made by zedops, and of no server.

They are found by a label that names the directory of their copies, and by a mount below it. An
image can set a label, and no mount.
"""

from __future__ import annotations

from pathlib import Path

import docker.errors

from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.observed import PROOF


class ProofContainers:
    """The containers of proofs on one Engine."""

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection

    @translated
    def below(self, scratch: Path) -> list[str]:
        """List the ids of the containers that work on copies in a directory."""
        filters = {"label": [f"{PROOF}={scratch}"]}
        return [
            each["Id"] for each in self.connection.api.containers(all=True, filters=filters)
            if any(Path(mount.get("Source") or "/").is_relative_to(scratch)
                   for mount in each.get("Mounts") or [])
        ]

    @translated
    def discard(self, container: str) -> None:
        """Kill and remove a container, with its nameless volumes: nothing in it counts."""
        try:
            self.connection.api.remove_container(container, v=True, force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if "already in progress" not in str(error.explanation):
                raise
