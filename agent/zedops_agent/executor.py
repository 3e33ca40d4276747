"""Carries out a plan's steps for one server. It decides nothing: one step, one outside call."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import assert_never

from zedops import failpoints
from zedops.errors import EngineFailed, LookOutdated, PersistFailed
from zedops.protocol.requests import PortUse
from zedops.protocol.sync import DesiredServer
from zedops.spec.model import SecretsAs, Stop
from zedops_agent import options, removal, secret_files, sharing, volumes
from zedops_agent.container_spec import (
    RESTARTED_BY_AGENT,
    ContainerSecrets,
    create_arguments,
    is_ours,
    restart_policy,
    uncovered,
)
from zedops_agent.engine.containers import PortsMissing
from zedops_agent.engine.engine import Engine
from zedops_agent.failures import LAST_LINES
from zedops_agent.host_ports import HostPorts
from zedops_agent.images import Images
from zedops_agent.limiter import Limiter
from zedops_agent.memory import Memory, Restarting, matches
from zedops_agent.observed import Observed
from zedops_agent.observer import Observer
from zedops_agent.ownership import Ownership
from zedops_agent.policy_file import PolicyFile
from zedops_agent.ports import conflict, gives_way, is_leaving, waits_for, who_has
from zedops_agent.secrets import Secrets
from zedops_agent.steps import (
    Adopt,
    CheckPorts,
    Create,
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
from zedops_agent.stops import Stopped, Stopping
from zedops_agent.store import Store

#: The number of a crashed server's last log lines in its message.
_LAST_LINES = 3
#: The Engine's words where another container or process has a name, or a port.
_NAME_TAKEN = "is already in use by container"
_PORT_TAKEN = ("port is already allocated", "address already in use")


class GaveUp(EngineFailed):
    """zedops stopped a server that keeps crashing."""


class Waits(EngineFailed):
    """Another server will leave a port that this one needs: look again soon, for `within_s`."""

    def __init__(self, said: str, within_s: float, *, gave_way: bool) -> None:
        super().__init__(said)
        self.within_s, self.gave_way = within_s, gave_way


#: Another server may take its grace and this time to leave a port.
_LEAVES_S = 60.0
#: Steps that end with a container that runs, and those that fetch its image. The host's policy
#: must allow each of them. The agent does not even ask a registry that the policy forbids.
_BRINGS_UP = (Pull, MakeData, Adopt, Create, Start, Restart, Update, Join)
#: Steps that need another check, just before them, that the data is still in its place.
_NEEDS_DATA = (MakeData, Create, Start, Restart)


class Executor:
    """The host's things that steps need: Engine, data root, store, its owner's policy."""

    def __init__(
        self, fleet: str, engine: Engine, root: Path, store: Store, policy: PolicyFile,
        secrets: Secrets, lookout: Observer, ports: HostPorts, pace: Limiter,
        newest: Callable[[str], DesiredServer | None], owns: Ownership,
        servers: Callable[[], Iterable[DesiredServer]],
    ) -> None:
        self._owns = owns
        self._fleet = fleet
        self._containers, self._inspector = engine.containers, engine.inspector
        self._networks, self._streams = engine.networks, engine.streams
        self._root = root
        self._store = store
        self._policy = policy
        self._secrets = secrets
        self._lookout, self._ports, self._pace = lookout, ports, pace
        #: Finds the newest wish for a server, during a plan for it.
        self._newest, self._servers = newest, servers
        #: True: stop the host's servers, against every definition.
        self.draining = False
        self._images = Images(engine.images, pace)

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
                self._check_ports(step, want, seen)
            case Adopt():
                self._adopt(step, want)
            case Create():
                return self._create(step, want, seen)
            case Start():
                self._start(step, want, seen)
            case StopContainer():
                return self._stop(step.container, want)
            case Restart():
                return self._restart(step, want, seen)
            case Update() | Join() | Unpause():
                self._set_right(step, want)
            case Rename():
                rename = partial(self._containers.rename, step.container, step.name)
                self._name(step.name, step.container, rename)
            case Remove():
                self._containers.remove(step.container)
                failpoints.point("remove.removed")
                self._forget_files(step.container, want, seen)
            case RemoveData():
                self._policy.check_purge()
                self._secrets.forget(want.id)  # first: after a crash the whole step runs again
                places, owner = self._lookout.places(want), self._lookout.owner(want)
                removal.remove(self._root, places, owner, want.definition)
            case GiveUp():
                self._give_up(step, want)
            case _:
                assert_never(step)
        return None

    def _require(self, step: Step, want: DesiredServer, seen: Observed) -> None:
        """Check that the host's policy allows a step, and that the data is still in its place."""
        if isinstance(step, _BRINGS_UP) and not _only_hands_over(step, seen):
            taken = seen.candidate.name if isinstance(step, Adopt) and seen.candidate else None
            places, adopted = self._lookout.places(want), self._store.adopted
            network = self._networks.find
            self._policy.check(self._fleet, want.definition, places, network, adopted, taken)
        if isinstance(step, _NEEDS_DATA):
            self._lookout.require_data(want, seen)
            sharing.check(self._root, want, self._servers(), self._lookout.places)

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
        places = self._lookout.places(want)
        volumes.make(
            self._root, places, self._lookout.owner(want), want.definition, self._user(want)
        )

    def _check_ports(self, step: CheckPorts, want: DesiredServer, seen: Observed) -> None:
        ports = {(each.protocol, each.host) for each in want.definition.ports.values()}
        if self._ports.are_free(ports, want.id, self._store.adopted):
            return
        uses = self._ports.taken(self._store.adopted)
        staying = [each for each in uses if not is_leaving(each, self._newest)]
        found = conflict(want.definition, staying, want.id, stopped_too=step.stopped_too)
        if found is not None:
            raise EngineFailed(found)
        if leaving := waits_for(want, uses, self._newest):
            self._wait_for(leaving, uses, want, seen)

    def _wait_for(
        self, leaving: set[str], uses: Iterable[PortUse], want: DesiredServer, seen: Observed
    ) -> None:
        """Wait for other servers to leave ports; of a ring of them, one stops first."""
        ends = gives_way(want, uses, self._newest)
        ups = [each for each in seen.containers if each.up and not matches(each, want)]
        for each in ups if ends else ():
            self._stop(each.id, want)
        found = conflict(want.definition, uses, want.id, stopped_too=False) or "a port is taken"
        holders = [each for each in map(self._newest, leaving) if each is not None]
        grace_s = max((each.definition.stop.grace for each in holders), default=0.0)
        raise Waits(found, grace_s + _LEAVES_S, gave_way=ends)

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

    def is_superseded(self, want: DesiredServer) -> bool:
        """Say whether the newest document asks for another container than a plan for `want`."""
        now = self._newest(want.id)
        return now is not want and (now is None or _asked_for(now) != _asked_for(want))

    def _see_wanted(self, want: DesiredServer) -> None:
        if self.draining or self.is_superseded(want):
            raise LookOutdated("something else is asked for by now")

    @contextlib.contextmanager
    def away(self, want: DesiredServer) -> Iterator[None]:
        """Let a server run until the Engine can start it directly after the stop inside."""
        with self._pace.away():
            self._see_wanted(want)
            yield

    def _stop(self, container: str, want: DesiredServer) -> Stopped:
        """Stop a container by the newest definition; go on with a stop that has begun."""
        def asked() -> Stop:
            self._pace.check()
            return (self._newest(want.id) or want).definition.stop

        def keep(begun: Stopping) -> None:
            memory = self._store.load_memory(want.id).model_copy(update={"stopping": begun})
            with contextlib.suppress(PersistFailed):  # a full disk must not prevent a stop
                self._store.save_memory(want.id, memory)

        begun = self._store.load_memory(want.id).stopping
        return self._containers.stop(container, asked, begun, keep)

    def _start(self, step: Start, want: DesiredServer, seen: Observed) -> None:
        """Start a container; the error about a taken port names its holder."""
        self._see_alone(step.container, seen)
        before = next((each for each in seen.containers if each.id == step.container), None)
        if before is None or matches(before, want):  # not a container with other secrets
            self._hand_files(step.container, want)
            failpoints.point("start.handed")
        try:
            is_down = any(each.id != step.container for each in seen.containers)
            with self._pace.turn(is_down=is_down):
                self._containers.start(step.container)
        except PortsMissing:
            self._stop(step.container, want)
            raise
        except EngineFailed as error:
            said = str(error)
            if not any(words in said for words in _PORT_TAKEN):
                raise
            holder = who_has(said, self._ports.taken(self._store.adopted), want.id)
            raise EngineFailed(f"{said}{f'; {holder}' if holder else ''}") from error

    def _see_alone(self, container: str, seen: Observed) -> None:
        """Check that no other container of a server is up: two of them would write one world.

        A person or the Engine may have started one since the look.
        """
        others = [each.id for each in seen.containers if each.id != container]
        for each in self._inspector.inspect(others):
            if each.up and each.name != container:
                raise LookOutdated(f"{each.name} was started again meanwhile")

    def _give_up(self, step: GiveUp, want: DesiredServer) -> None:
        """Stop a server that keeps crashing. Its log goes into git, without its secrets."""
        given = self._inspector.environment(step.container)
        secrets = [given.get(name, "") for name in want.definition.secrets]
        with contextlib.suppress(EngineFailed):  # secrets that are files are in no variable
            secrets += self._secrets.read_values(want).values()
        said = ""
        with contextlib.suppress(EngineFailed):  # not every logging driver can be read back
            said = self._streams.last_lines(step.container, _LAST_LINES)
        lines = _hide(secrets, said)
        self._stop(step.container, want)
        failpoints.point("giveup.stopped")
        raise GaveUp(f"{step.cause}{LAST_LINES} {lines or 'none'}")

    def _user(self, want: DesiredServer) -> str:
        return want.definition.user or self._images.user(want)

    def _create(self, step: Create, want: DesiredServer, seen: Observed) -> str | None:
        image = self._images.take(want)
        secrets = self._handed(want)
        if secrets.place:
            secret_files.prepare(Path(secrets.place))
        sources = self._lookout.resolved(want)
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

    def _handed(self, want: DesiredServer) -> ContainerSecrets:
        values = self._secrets.read_values(want)
        fingerprint = self._secrets.fingerprint(want) or ""
        place = ""
        if values and want.definition.secrets_as is SecretsAs.FILES:
            # each set of values has its own place: the previous container keeps its old values
            version = hashlib.sha256(f"{want.hash} {fingerprint}".encode()).hexdigest()[:16]
            place = str(secret_files.place(self._fleet, want.id, version))
        return ContainerSecrets(values, fingerprint, place)

    def _hand_files(self, container: str, want: DesiredServer) -> None:
        """Write the secrets in memory that a container reads as files."""
        if want.definition.secrets_as is SecretsAs.FILES and want.definition.secrets:
            handed = self._handed(want)
            # a container from before a reboot, or of an earlier release, mounts its former place
            found = self._inspector.inspect([container])
            mounted = Path(found[0].secrets_at) if found else Path()
            is_ours = secret_files.is_place(mounted, self._fleet, want.id)
            place = mounted if is_ours else Path(handed.place)
            secret_files.fill(place, handed.values, self._inspector.user(container))

    def _forget_files(self, container: str, want: DesiredServer, seen: Observed) -> None:
        """Remove the secret files of a container that is gone."""
        used = {each.secrets_at for each in seen.containers if each.id != container}
        for each in seen.containers:
            if each.id == container and each.secrets_at and each.secrets_at not in used:
                secret_files.remove(self._fleet, want.id, each.secrets_at)

    def _restart(self, step: Restart, want: DesiredServer, seen: Observed) -> Stopped:
        """Restart exactly once: first write down the token and the present process."""
        before = next((each for each in seen.containers if each.id == step.container), None)
        begun = Restarting(token=step.token, started_at=before.started_at if before else None)
        memory: Memory = self._store.load_memory(want.id)
        self._store.save_memory(want.id, memory.model_copy(update={"restarting": begun}))
        with self.away(want):
            how = self._stop(step.container, want)
            failpoints.point("restart.stopped")
            self._see_wanted(want)
            self._hand_files(step.container, want)
            with self._pace.turn(is_down=True):
                self._containers.start(step.container)
        return how


def _asked_for(want: DesiredServer) -> tuple[object, ...]:
    definition = want.definition
    return want.goal, want.name, want.hash, definition.restart, definition.rebuild


def _only_hands_over(step: Step, seen: Observed) -> bool:
    """Say whether a step only takes a container's restarts from the Engine."""
    if not isinstance(step, Update) or step.ceilings.restart_policy != RESTARTED_BY_AGENT:
        return False
    shown = next((each.ceilings for each in seen.containers if each.id == step.container), None)
    return shown is not None and step.ceilings == replace(
        shown, restart_policy=RESTARTED_BY_AGENT
    )


def _hide(secrets: Iterable[str], text: str) -> str:
    """Blank out secrets line by line, as a log shows them; one may be part of another."""
    parts = {line.strip() for each in secrets for line in each.splitlines()} - {""}
    for each in sorted(parts, key=len, reverse=True):
        text = text.replace(each, "***")
    return text
