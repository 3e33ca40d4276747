"""Lists containers without an inspection; for each list the Engine goes through all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zedops.protocol.requests import Belonging
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.observed import FLEET, SERVER_ID, SERVER_NAME


class ContainerLists:
    """Lists the containers of one Engine."""

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection

    def _labelled(self, fleet: str, *labels: str) -> list[Mapping[str, Any]]:
        """List the containers with the fleet's label and these labels."""
        filters = {"label": [f"{FLEET}={fleet}", *labels]}
        found: list[Mapping[str, Any]] = self.connection.api.containers(all=True, filters=filters)
        return found

    @translated
    def of_server(self, fleet: str, server_id: str) -> list[str]:
        """List the ids of one server's containers."""
        return [each["Id"] for each in self._labelled(fleet, f"{SERVER_ID}={server_id}")]

    @translated
    def by_server(self, fleet: str) -> dict[str, list[str]]:
        """List the ids of every server's containers."""
        found: dict[str, list[str]] = {}
        for each in self._labelled(fleet):
            found.setdefault(each["Labels"].get(SERVER_ID, ""), []).append(each["Id"])
        return found

    @translated
    def summary(
        self, fleet: str, adopted: Mapping[str, str]
    ) -> dict[str, frozenset[tuple[str, str, str]]]:
        """List a fleet's containers, adopted ones too: server id → {(container, state, name)}.

        A state includes the names of the container's networks.
        """
        found: dict[str, set[tuple[str, str, str]]] = {}
        for each in self.connection.api.containers(all=True):
            labels = each["Labels"]
            mine = labels.get(SERVER_ID, "") if labels.get(FLEET) == fleet else None
            key = adopted.get(each["Id"], mine)
            if key is not None:
                inside = sorted((each.get("NetworkSettings") or {}).get("Networks") or {})
                state = " ".join([each["State"], *inside])  # no event of a container names networks
                found.setdefault(key, set()).add((each["Id"], state, each["Names"][0]))
        return {key: frozenset(each) for key, each in found.items()}

    @translated
    def ups(self, fleet: str, adopted: Mapping[str, str]) -> set[str]:
        """List the servers of a fleet with a container that runs or may run."""
        filters = {"status": ["running", "paused", "restarting"]}
        found = self.connection.api.containers(filters=filters)
        owners = {
            adopted.get(each["Id"], each["Labels"].get(SERVER_ID)) for each in found
            if each["Id"] in adopted or each["Labels"].get(FLEET) == fleet
        }
        return {each for each in owners if each is not None}

    @translated
    def mounting(self, place: Path) -> list[str]:
        """Name the containers with a mount of a directory of the host, or of one below it."""
        return sorted(
            each["Names"][0].removeprefix("/") for each in self.connection.api.containers(all=True)
            if any(
                Path(mount.get("Source") or "/").is_relative_to(place)
                for mount in each.get("Mounts") or []
            )
        )

    @translated
    def belongings(
        self, fleet: str, is_ours: Callable[[Mapping[str, str]], bool]
    ) -> list[Belonging]:
        """List every container of the fleet; `is_ours` says by its labels whether it is one."""
        return [
            Belonging(
                server_id=each["Labels"].get(SERVER_ID, ""),
                server_name=each["Labels"].get(SERVER_NAME, ""),
                container=each["Names"][0].removeprefix("/"),
                running=each["State"] == "running",
                image=each["Image"],
            )
            for each in self._labelled(fleet) if is_ours(each["Labels"])
        ]
