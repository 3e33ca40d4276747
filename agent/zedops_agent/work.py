"""Carries out a plan's steps for one server. Holds no decisions: one step, one outside call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from zedops.errors import EngineFailed
from zedops.wire import DesiredServer
from zedops_agent import data
from zedops_agent.container import create_arguments
from zedops_agent.engine import Engine, Stopped
from zedops_agent.memory import Memory, Restarting
from zedops_agent.observed import DataVolume, Observed
from zedops_agent.steps import (
    Create,
    GiveUp,
    MakeData,
    Pull,
    Remove,
    RemoveData,
    Rename,
    Restart,
    Start,
    Step,
    StopContainer,
    Unpause,
    Update,
)
from zedops_agent.store import Store

#: So many of a crashed server's last log lines go into its message.
_LAST_LINES = 3


class GaveUp(EngineFailed):
    """A server that keeps crashing was stopped; trying again by itself would not help."""


class Workshop:
    """The host's things that steps need: Engine, data root, store."""

    def __init__(self, fleet: str, engine: Engine, root: Path, store: Store) -> None:
        self._fleet = fleet
        self._engine = engine
        self._root = root
        self._store = store

    def look(self, want: DesiredServer) -> Observed:
        """Observe one server; EngineUnreachable means that nothing was seen."""
        return Observed(
            self._engine.look(self._fleet, want.id),
            self.look_at_data(want),
            data.look_home(self._root, want.id),
        )

    def look_at_data(self, want: DesiredServer) -> tuple[DataVolume, ...]:
        """Observe a server's data alone."""
        return data.look(self._root, self._of(want), want.definition)

    def carry_out(
        self, step: Step, want: DesiredServer, seen: Observed, progress: Callable[[str], None]
    ) -> Stopped | None:
        """Do one step; a stop tells how it went."""
        engine = self._engine
        match step:
            case Pull():
                self._pull(step, progress)
            case MakeData():
                data.make(self._root, self._of(want), want.definition, self._user(want))
            case Create():
                self._create(step, want)
            case Start():
                engine.start(step.container)
            case StopContainer():
                return engine.stop(step.container, step.stop)
            case Restart():
                self._restart(step, want, seen)
            case Update():
                engine.update(step.container, step.ceilings)
            case Unpause():
                engine.unpause(step.container)
            case Rename():
                engine.rename(step.container, step.name)
            case Remove():
                engine.remove(step.container)
            case RemoveData():
                data.remove(self._root, self._of(want))
            case GiveUp():
                self._give_up(step)
            case _:
                assert_never(step)
        return None

    def _pull(self, step: Pull, progress: Callable[[str], None]) -> None:
        if step.newest or self._engine.image(step.image) is None:
            progress(f"pulling {step.image}")
            self._engine.pull(step.image, progress)

    def _give_up(self, step: GiveUp) -> None:
        lines = self._engine.last_lines(step.container, _LAST_LINES)
        self._engine.stop(step.container, step.stop)
        raise GaveUp(f"{step.cause}; last log lines: {lines or 'none'}")

    def _of(self, want: DesiredServer) -> data.Owner:
        return data.Owner(want.id, self._fleet, want.name)

    def _user(self, want: DesiredServer) -> str:
        if want.definition.user:
            return want.definition.user
        image = self._engine.image(want.definition.image)
        return image.user if image else ""

    def _create(self, step: Create, want: DesiredServer) -> None:
        image = self._engine.image(want.definition.image)
        if image is None:
            raise EngineFailed(f"image {want.definition.image} is not on this host; pull it again")
        secrets = self._store.secrets(want.name, want.definition.secrets)
        sources = {
            key: str(data.volume_path(self._root, want.id, key)) for key in want.definition.volumes
        }
        config, host, networks = create_arguments(
            self._fleet, want, step.name, sources, image, secrets
        )
        self._engine.create(config, host, networks)

    def _restart(self, step: Restart, want: DesiredServer, seen: Observed) -> None:
        """Restart exactly once: what is begun is written down first, with what will change."""
        before = next((each for each in seen.containers if each.id == step.container), None)
        begun = Restarting(token=step.token, started_at=before.started_at if before else None)
        memory: Memory = self._store.load_memory(want.id)
        self._store.save_memory(want.id, memory.model_copy(update={"restarting": begun}))
        self._engine.stop(step.container, step.stop)
        self._engine.start(step.container)
