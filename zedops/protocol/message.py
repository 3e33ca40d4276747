"""The base of all messages between manager and agent."""

from __future__ import annotations

from pydantic import ConfigDict

from zedops.spec.fields import Lean


class Message(Lean):
    """Frozen. It ignores unknown fields, which a newer peer may send, and keeps none of them.

    A definition inside a message stays strict: a host must not make half of it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
