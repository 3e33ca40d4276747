"""Carries out a plan's steps for one server. It decides nothing: one step, one outside call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from zedops.errors import EngineFailed
from zedops.protocol.sync import DesiredServer
from zedops.system import failpoints
from zedops_agent import options, removal, sharing, volumes
from zedops_agent.backup.worlds import Worlds
from zedops_agent.container_runs import ContainerRuns
from zedops_agent.container_spec import (
    RESTARTED_BY_AGENT,
    create_arguments,
    is_ours,
    restart_policy,
    uncovered,
)
from zedops_agent.desired import Desired
from zedops_agent.engine.engine import Engine
from zedops_agent.images import Images
from zedops_agent.limiter import Limiter
from zedops_agent.memory import Memory
from zedops_agent.observed import Observed
from zedops_agent.observer import Observer
from zedops_agent.ownership import Ownership
from zedops_agent.policy_file import PolicyFile
from zedops_agent.port_check import PortCheck
from zedops_agent.secret_handover import SecretHandover
from zedops_agent.secrets import Secrets
from zedops_agent.start_order import StartOrder
from zedops_agent.steps import (
    Adopt,
    CheckPorts,
    Create,
    EndAstray,
    GiveUp,
    Join,
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
from zedops_agent.stops import Stopped
from zedops_agent.store import Store
from zedops_agent.volume_keeper import VolumeKeeper

#: The Engine's words where another container has a name.
_NAME_TAKEN = "is already in use by container"
#: Steps that end with a container that runs, and those that fetch its image. The host's policy
#: must allow each of them. The agent does not even ask a registry that the policy forbids.
_BRINGS_UP = (Pull, MakeData, Adopt, Create, Start, Restart, Update, Join)
#: Steps that need another check, just before them, that the data is still in its place.
_NEEDS_DATA = (MakeData, Create, Start, Restart)


class Executor:
    """The host's things that steps need: Engine, data root, store, its owner's policy."""

    def __init__(
        self, fleet: str, engine: Engine, root: Path, store: Store, policy: PolicyFile,
        secrets: Secrets, lookout: Observer, desired: Desired, owns: Ownership,
        runs: ContainerRuns, ports: PortCheck, handover: SecretHandover, pace: Limiter,
        worlds: Worlds, order: StartOrder,
    ) -> None:
        self._worlds = worlds
        self._containers, self._inspector = engine.containers, engine.inspector
        self._networks = engine.networks
        self._fleet, self._root, self._store = fleet, root, store
        self._policy, self._owns, self._desired = policy, owns, desired
        self._secrets, self._handover = secrets, handover
        self._places = lookout.places
        self._volumes = VolumeKeeper(lookout.places, engine.volumes, lambda: owns.hub)
        self._lookout, self._runs, self._ports, self._order = lookout, runs, ports, order
        self._images, self._pace = Images(engine.images, pace), pace

    def carry_out(
        self, step: Step, want: DesiredServer, seen: Observed, progress: Callable[[str], None]
    ) -> Stopped | str | None:
        """Do one step, if the host's policy allows it.

        A stop returns its result, a creation a note for people.
        """
        self._require(step, want, seen)
        match step:
            case Pull():
                return self._images.have(step, want, progress)
            case MakeData():
                # read the secrets before the plan stops a server: without them a creation fails
                self._secrets.read_values(want)
                self._make_data(want)
            case CheckPorts():
                self._ports.check(step, want, seen)
            case Adopt():
                self._adopt(step, want)
            case Create():
                return self._create(step, want, seen)
            case Start():
                self._runs.start(step, want, seen)
            case StopContainer():
                return self._runs.stop(step.container, want)
            case EndAstray():
                return self._runs.end_astray(step.container, want)
            case Restart():
                return self._runs.restart(step, want, seen)
            case Update() | Join() | Unpause():
                self._set_right(step, want)
            case Rename():
                rename = partial(self._containers.rename, step.container, step.name)
                self._name(step.name, step.container, rename)
            case Remove():
                self._containers.remove(step.container)
                failpoints.point("remove.removed")
                self._handover.remove_files(step.container, want, seen)
            case RemoveData():
                self._policy.check_purge()
                self._secrets.forget(want.id)  # first: after a crash the whole step runs again
                places, owner = self._places.of(want), self._places.owner(want)
                self._volumes.remove(want)
                removal.remove(self._root, places, owner, want.definition)
            case GiveUp():
                self._runs.give_up(step, want)
            case _:
                self._worlds.carry_out(step, want, seen, progress)
        return None

    def _require(self, step: Step, want: DesiredServer, seen: Observed) -> None:
        """Check that the host's policy allows a step, and that the data is still in its place."""
        if isinstance(step, _BRINGS_UP) and not _only_hands_over(step, seen):
            taken = seen.candidate.name if isinstance(step, Adopt) and seen.candidate else None
            places, adopted = self._places.of(want), self._store.adopted
            network = self._networks.find
            self._policy.check(self._fleet, want.definition, places, network, adopted, taken)
        if isinstance(step, Start):
            self._order.require(want, seen)
        if isinstance(step, _NEEDS_DATA):
            self._lookout.require_data(want, seen)
            servers = self._desired.servers.values()
            sharing.check(self._root, want, servers, self._places.of)
        if isinstance(step, Create):
            self._volumes.check(want)
        if isinstance(step, Start):
            memory = self._store.load_memory(want.id)
            self._volumes.look_through(step.container, want, seen, memory)

    def _set_right(self, step: Update | Join | Unpause, want: DesiredServer) -> None:
        """Undo a person's change of a container, while the container runs."""
        match step:
            case Update():
                self._containers.update(step.container, step.ceilings)
            case Join():
                place = options.attachments(want.definition, want.name)[step.network]
                self._networks.join(step.container, step.network, place)
            case Unpause():
                self._containers.unpause(step.container)

    def _make_data(self, want: DesiredServer) -> None:
        self._volumes.make(want)
        places, by_use = self._places.of(want), self._places.by_use(want)
        volumes.make(
            self._root, places, self._places.owner(want), want.definition, self._user(want), by_use
        )
        self._places.mark(want)

    def _adopt(self, step: Adopt, want: DesiredServer) -> None:
        """Adopt a container: only its owner changes."""
        self._make_data(want)
        failpoints.point("adopt.marked")
        given = self._inspector.environment(step.container)
        wanted = want.definition.host_secrets
        self._secrets.keep(want, {name: given.get(name, "") for name in wanted})
        failpoints.point("adopt.kept")
        memory: Memory = self._store.load_memory(want.id)
        self._store.save_memory(want.id, memory.model_copy(update={"adopted": step.container}))

    def _user(self, want: DesiredServer) -> str:
        return want.definition.user or self._images.user(want)

    def _create(self, step: Create, want: DesiredServer, seen: Observed) -> str | None:
        image = self._images.take(want)
        secrets = self._handover.prepare(want)
        sources = self._places.resolved(want)
        policy = self._policy.read_policy()
        blank = [each for each in image.labels if is_ours(each) or not policy.gives(each)]
        config, host, networks = create_arguments(
            self._fleet, want, step.name, sources, image, secrets, blank,
            restart_policy(want.definition, seen.volumes),  # a forbidden server gets no container
            self._owns.hub,
        )
        made = partial(self._lookout.made, want.id)
        with self._pace.turn():
            create = partial(self._containers.create, config, host, networks, made)
            self._name(step.name, None, create)
        return uncovered(want.definition, image)

    def _name(self, name: str, container: str | None, act: Callable[[], object]) -> None:
        """Call `act`, which needs `name`; make way if another container of the fleet has it."""
        try:
            act()
        except EngineFailed as error:
            if _NAME_TAKEN not in str(error):
                raise
            self._containers.make_way(name, container, self._owns.has)
            failpoints.point("name.cleared")
            act()


def _only_hands_over(step: Step, seen: Observed) -> bool:
    """Say whether a step only takes a container's restarts from the Engine."""
    if not isinstance(step, Update) or step.ceilings.restart_policy != RESTARTED_BY_AGENT:
        return False
    found = seen.container(step.container)
    shown = found.ceilings if found is not None else None
    return shown is not None and step.ceilings == replace(
        shown, restart_policy=RESTARTED_BY_AGENT
    )
