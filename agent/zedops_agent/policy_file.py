"""Reads the file of the host's policy at each use, so that an edit counts at once.

A file that it cannot read, or that is not valid, allows nothing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from zedops.errors import EngineFailed
from zedops.spec.model import Definition
from zedops.spec.volume import Volume
from zedops.system import files
from zedops_agent.observed import Network
from zedops_agent.policy import Policy
from zedops_agent.refusals import Asked, SourcePlace, matches, refusals

DEFAULT_PATH = Path("/etc/zedops/agent.yaml")
_SOCKETS = ("/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")


@functools.lru_cache(maxsize=4)  # each step reads it, and it hardly ever changes
def _understood(content: bytes) -> Policy:
    return Policy.model_validate(yaml.safe_load(content.decode()) or {})


def _resolved(key: str, path: Path) -> Path:
    try:
        return Path(os.path.realpath(path))  # `resolve` raises where links go in a circle
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, links in a circle
        fact = f"volume {key!r}: {str(path)[:200]} cannot be looked at"
        raise EngineFailed(f"{fact}: {error.__class__.__name__}; correct `source:`") from error


def look_at_source(policy: Policy, place: Path) -> SourcePlace:
    """Find the facts about a path without links that decide whether a fleet may use it."""
    own = os.environ.get("DOCKER_HOST", "").partition("unix://")[2]
    sockets = {Path(each).resolve() for each in (*_SOCKETS, own) if each}
    roots = [Path(each).resolve() for each in policy.bind_roots]
    return SourcePlace(
        place,
        in_roots=any(place.is_relative_to(each) for each in roots),
        shows_socket=any(each == place or each.is_relative_to(place) for each in sockets),
    )


def _is_a_directory_of_the_host(volume: Volume) -> bool:
    """Say whether the host's `bind_roots` judge a volume; its driver is judged by name."""
    is_driven = volume.driven is not None and volume.driven.bound is None
    return volume.source is not None and not is_driven


class Forbidden(EngineFailed):
    """The host's policy does not allow it, or zedops cannot read the policy."""


@dataclass(frozen=True)
class PolicyFile:
    """The present policy of the host's owner."""

    path: Path = DEFAULT_PATH

    def stamp(self) -> bytes | None:
        """Return a value that changes with the text; None for a missing or unreadable file."""
        try:
            return files.read(self.path)
        except OSError:
            return None

    def read_policy(self) -> Policy:
        """Read the policy. Raises Forbidden if the file exists and is not valid."""
        try:
            return _understood(files.read(self.path))
        except FileNotFoundError:
            return Policy()
        except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
            reason = " ".join(str(error).split())
            raise Forbidden(f"{self.path} cannot be used: {reason}") from error

    def check(
        self, fleet: str, definition: Definition, places: Mapping[str, Path | None],
        find: Callable[[str], Network | None], adopted: Collection[str] = (),
        adopting: str | None = None,
    ) -> None:
        """Check a server against the policy; Forbidden names all refusals, and the remedies.

        `find` looks for a network; `adopted` are ids of containers, `adopting` is the name of one.
        """
        policy = self.read_policy()
        sources = {
            key: look_at_source(policy, _resolved(key, path)) for key, path in places.items()
            if path is not None and _is_a_directory_of_the_host(definition.volumes[key])
        }
        networks = {each: found for each in definition.network_names if (found := find(each))}
        asked = Asked(fleet, definition, sources, networks, adopted, adopting)
        refused = list(refusals(policy, asked))
        if refused:
            facts = "; ".join(each.fact for each in refused)
            lines = ", ".join(f"`{each.line}`" for each in refused)
            raise Forbidden(f"{facts}; its owner can add {lines} to {self.path}")

    def check_repository(self, address: str) -> None:
        """Refuse a repository for backups that the host's policy does not name."""
        if not any(matches(each, address) for each in self.read_policy().backups):
            remedy = f"its owner can add `backups: [\"{address}\"]` to {self.path}"
            raise Forbidden(f"backups to {address} are not allowed on this host; {remedy}")

    def check_exec(self) -> None:
        """Refuse commands and terminals in containers if the host's policy forbids them."""
        if not self.read_policy().exec:
            fact = "this host runs no commands in containers"
            raise Forbidden(f"{fact}; its owner can remove `exec: false` from {self.path}")

    def check_purge(self) -> None:
        """Refuse to remove data if the host's policy keeps it."""
        if not self.read_policy().purge:
            fact = "this host never removes data"
            raise EngineFailed(f"{fact}; its owner can remove `purge: false` from {self.path}")
