"""What the host's owner allows, whatever a fleet asks for: `/etc/zedops/agent.yaml`.

    bind_roots: [/srv/games]     # directories of the host, and named volumes' places, that
                                 # definitions may use as `source:`; nothing by default

Read each time it is needed, which is rarely, so that an edit counts at once. A file that cannot be
read allows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from zedops.errors import EngineFailed
from zedops.fields import Model

DEFAULT_PATH = Path("/etc/zedops/agent.yaml")


class Policy(Model):
    """What a host allows."""

    bind_roots: tuple[str, ...] = Field(default=(), strict=False)


@dataclass(frozen=True)
class PolicyFile:
    """The policy as its owner has it now."""

    path: Path = DEFAULT_PATH

    def read(self) -> Policy:
        """Read it. EngineFailed where it is there and makes no sense."""
        try:
            said = yaml.safe_load(self.path.read_text()) or {}
            return Policy.model_validate(said)
        except FileNotFoundError:
            return Policy()
        except (OSError, ValueError, yaml.YAMLError, ValidationError) as error:
            reason = " ".join(str(error).split())
            raise EngineFailed(f"{self.path} cannot be used: {reason}") from error

    def check_source(self, key: str, source: Path) -> None:
        """Refuse a source that is in none of the bind roots, compared by path components."""
        real = source.resolve()
        roots = [Path(each).resolve() for each in self.read().bind_roots]
        if not any(real.is_relative_to(root) for root in roots):
            remedy = f"its owner can add `bind_roots: [{real}]` to {self.path}"
            raise EngineFailed(
                f"volume {key!r}: {real} is not among what this host lets fleets use; {remedy}"
            )
