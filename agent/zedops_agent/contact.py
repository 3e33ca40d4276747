"""Keeps in touch with the manager: asks for the document, says what is held, hands on reports.

A manager that does not answer is no trouble: servers are kept from the document on disk, and what
could not be reported is reported anew when it is back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from zedops.bus import Link
from zedops.errors import HostUnavailable
from zedops.wire import DesiredDocument, Heartbeat, Hello, Progress, Report

log = logging.getLogger(__name__)


class Contact:
    """One agent's way to its manager; without a `link` it has none.

    `held` says the stamp of the document that the agent has, `take` gives it the manager's.
    """

    def __init__(
        self,
        host: str,
        held: Callable[[], tuple[int, int]],
        take: Callable[[DesiredDocument], None],
    ) -> None:
        self._host, self._held, self._take = host, held, take
        self._greeted = False
        self.link: Link | None = None

    def keep(self) -> None:
        """Greet a manager that was not greeted yet, then see that both hold the same."""
        if not self._greeted:
            self._greeted = self._say_hello()
        self._beat()

    def _say_hello(self) -> bool:
        epoch, rev = self._held()
        try:
            if self.link is not None:
                self._take(self.link.sync(Hello(host=self._host, epoch=epoch, rev=rev)))
        except HostUnavailable as error:
            log.info("no manager answers (%s); working from the document on disk", error)
            return False
        return True

    def _beat(self) -> None:
        epoch, rev = self._held()
        try:
            if self.link is not None:
                answer = self.link.heartbeat(Heartbeat(host=self._host, epoch=epoch, rev=rev))
                if (answer.epoch, answer.rev) != (epoch, rev) or answer.want_report:
                    self._say_hello()
        except HostUnavailable as error:
            log.info("no manager answers: %s", error)

    def send(self, message: Report | Progress) -> bool:
        """Tell the manager something; False if that did not reach it."""
        if self.link is None:
            return False
        try:
            if isinstance(message, Report):
                self.link.report(message)
            else:
                self.link.progress(message)
        except HostUnavailable:
            return False
        return True
