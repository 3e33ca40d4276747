"""A manager and an agent as two processes of one machine, over NATS. For tests.

Nothing is between them that `many` would add: what matters is that either may die alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import docker

from tests.machine import Machine, free_port
from zedops.system import failpoints


class Apart(Machine):
    """A fleet whose only host is reached over NATS."""

    def __init__(self, folder: Path, api: docker.APIClient, image: str) -> None:
        super().__init__(folder, api, image)
        self.address = f"tls://127.0.0.1:{free_port()}"
        self.agent_log = folder / "agent.log"
        self._agent: subprocess.Popen[bytes] | None = None
        self._joined = False

    def command(self) -> list[str]:
        """Say what runs the fleet."""
        return ["manager", str(self.hub), "-v", "--advertise", self.address]

    def up(self, fault: str | None = None) -> None:
        """Start both, or the one that is not there."""
        if self._up is None:
            super().up(fault)
        if self._agent is None:
            self.up_agent(fault)

    def up_agent(self, fault: str | None = None) -> None:
        """Start the agent; the first time it joins."""
        if self._joined:
            what = ["run"]
        else:
            said = self.zedops("host", "add", "local", "--json").stdout
            what = ["join", str(json.loads(said)["token"])]
        options = ["-v", "--data-root", str(self.data_root), "--policy", str(self.policy)]
        with self.agent_log.open("ab") as log:
            self._agent = subprocess.Popen(
                [sys.executable, "-u", "-m", "zedops", "agent", *what, *options],
                cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, **({failpoints.VARIABLE: fault} if fault else {})},
            )
        if not self._joined:
            self.wait_for(self.answers)
            self._joined = True

    def answers(self) -> bool:
        """Say whether the manager reaches the host."""
        rows = json.loads(self.zedops("host", "list", "--json").stdout)
        return any(each["answers"] for each in rows)

    @property
    def died(self) -> bool:
        """Say whether one of the two ended by itself."""
        return super().died or (self._agent is not None and self._agent.poll() is not None)

    def down(self, *, kill: bool = False) -> None:
        """End both; with `kill` only whoever is dead already is cleared away."""
        if kill:
            if super().died:
                super().down(kill=True)
            if self._agent is not None and self._agent.poll() is not None:
                self._agent = None
            return
        self.down_agent()
        super().down()

    def down_agent(self) -> None:
        """End the agent."""
        if self._agent is not None:
            self._agent.terminate()
            self._agent.wait(timeout=30)
            self._agent = None

    def down_manager(self) -> None:
        """End the manager."""
        super().down()

    def said(self) -> str:
        """What both said, for messages."""
        agent = self.agent_log.read_text()[-6000:] if self.agent_log.exists() else ""
        return f"{super().said()}\n--- agent\n{agent}"
