"""The agent's metrics for Prometheus: its steps, and its links to the Engine and the manager.

Labels are kinds of steps, and words from fixed sets.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from zedops.errors import DataAtRisk, EngineUnreachable, LookOutdated

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


@dataclass(frozen=True)
class AgentStatus:
    """The state of an agent at a moment."""

    engine_answers: bool
    manager_answers: bool
    servers: int
    unsent_reports: int
    at_work: int


class AgentMetrics:
    """Metrics of one process' agent. `look` returns its state; None while no agent runs."""

    part = "agent"

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.look: Callable[[], AgentStatus] | None = None
        self._steps = Counter(
            "zedops_agent_steps", "Steps taken on servers, by kind and outcome.",
            ["kind", "outcome"], registry=self.registry,
        )
        self._seconds = Histogram(
            "zedops_agent_step_seconds", "How long steps took, by kind.", ["kind"],
            buckets=_BUCKETS, registry=self.registry,
        )
        self.registry.register(self)

    @contextlib.contextmanager
    def step(self, kind: str) -> Iterator[None]:
        """Count the work inside as one step; its error or success is the outcome."""
        begun, outcome = time.monotonic(), "done"
        try:
            yield
        except EngineUnreachable:
            outcome = "unreachable"
            raise
        except LookOutdated:
            outcome = "outdated"
            raise
        except DataAtRisk:
            outcome = "refused"
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            self._steps.labels(kind, outcome).inc()
            self._seconds.labels(kind).observe(time.monotonic() - begun)

    def trouble(self) -> str | None:
        """Name the obstacle to the agent's work; None if there is none."""
        if self.look is None:
            return "no agent runs"
        return None if self.look().engine_answers else "the Docker Engine does not answer"

    def collect(self) -> Iterator[Metric]:
        """Look at the agent."""
        if self.look is None:
            return
        now = self.look()
        rows = {
            "engine_reachable": ("Whether the Docker Engine answers.", now.engine_answers),
            "manager_reachable": ("Whether the manager answers.", now.manager_answers),
            "servers": ("Servers in the document held.", now.servers),
            "unsent_reports": ("Reports that wait for the manager.", now.unsent_reports),
            "servers_at_work": ("Servers marked or in a worker's hand.", now.at_work),
        }
        for name, (says, value) in rows.items():
            yield GaugeMetricFamily(f"zedops_agent_{name}", says, value=float(value))
