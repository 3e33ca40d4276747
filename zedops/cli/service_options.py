"""Options of `up`, `manager` and `agent`: how they log, and where they serve metrics."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zedops.errors import UsageError
from zedops.system.heap import share_one_arena
from zedops.system.logs import Format, open_logbook

if TYPE_CHECKING:
    from zedops.manager.metrics import Metrics
    from zedops_agent.metrics import AgentMetrics

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Running:
    """The logging and monitoring options of a command line."""

    verbose: bool
    log_format: Format | None
    metrics: tuple[str, int] | None

    def prepare(self) -> None:
        """Start logging, and keep the memory of this service small."""
        share_one_arena()
        open_logbook(verbose=self.verbose, wanted=self.log_format)

    @contextlib.contextmanager
    def watched(self, *parts: Metrics | AgentMetrics) -> Iterator[None]:
        """Serve the metrics of parts that share a registry, if --metrics is given."""
        if self.metrics is None:
            yield
            return
        from zedops.system.monitoring import MonitoringServer

        made = MonitoringServer(
            self.metrics, parts[0].registry,
            lambda: {each.part: each.trouble() for each in parts},
        )
        try:
            yield
        finally:
            made.close()


def running_options(command: F) -> F:
    """Give a command the options of `Running`, as one argument `running`."""

    @functools.wraps(command)
    def gathered(
        *args: Any, verbose: bool, log_format: str | None, metrics: str | None, **kwargs: Any
    ) -> Any:
        wanted = Format(log_format) if log_format else None
        return command(*args, running=Running(
            verbose, wanted, read_address(metrics) if metrics else None
        ), **kwargs)

    options = [
        click.option("-v", "--verbose", is_flag=True, help="Log each step."),
        click.option(
            "--log-format", type=click.Choice([each.value for each in Format]),
            envvar="ZEDOPS_LOG_FORMAT", help="Default: text on a terminal, else JSON lines.",
        ),
        click.option(
            "--metrics", metavar="[ADDRESS:]PORT", envvar="ZEDOPS_METRICS",
            help="Serve /metrics and /healthz at this address. Default: nowhere.",
        ),
    ]
    made: Any = gathered
    for option in reversed(options):
        made = option(made)
    return made  # type: ignore[no-any-return]


def read_address(text: str) -> tuple[str, int]:
    """Read `ADDRESS:PORT`, or `PORT` for loopback. UsageError on anything else."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
    try:
        ipaddress.ip_address(host)
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(port)
    except ValueError as error:
        remedy = "write e.g. 127.0.0.1:9090, or 0.0.0.0:9090 for every address"
        raise UsageError(f"{text!r} is no address and port; {remedy}") from error
    return host, int(port)
