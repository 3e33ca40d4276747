"""When a server that runs counts as ready for its players. Pure.

Until then it is starting: an update is not over, and servers that depend on it wait.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from zedops.spec.fields import Model, Seconds
from zedops.spec.log_pattern import compiled

#: A world may be generated first; the Engine's own health checks have no more time either.
LONGEST_S = 3600.0


def _pattern(text: str) -> str:
    compiled(text)  # raises ValueError
    return text


class Ready(Model):
    """One sign that a server is ready, and how long it may take after a start."""

    #: A regular expression that one line of its log contains after each start.
    log: Annotated[str, AfterValidator(_pattern)] | None = None
    #: Its health check, or that of its image, passes.
    health: Literal[True] | None = None
    timeout: Annotated[Seconds, Field(gt=0, le=LONGEST_S)] = 600.0

    @model_validator(mode="after")
    def _one_sign(self) -> Ready:
        if (self.log is None) == (self.health is None):
            raise ValueError("needs one sign: `log: TEXT` or `health: true`")
        return self

    def check(self, logging: str, probe: str) -> None:
        """Refuse a sign that cannot come, by the logging driver and the health check."""
        if self.log and logging == "none":
            raise ValueError("`ready: {log: …}` finds no line with `logging: {driver: none}`")
        if self.health and probe == "NONE":
            raise ValueError("`ready: {health: true}` needs a health check, and `health:` has none")
