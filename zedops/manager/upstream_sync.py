"""The mirror's loop: keeps a hub and its upstream together; owns the clock and holds no rules.

The clock, a moved main and the webhook only wake it. Each turn fetches the upstream's news, takes
it in, and pushes the hub's own commits. `upstream_timing` decides when, `upstream` merges,
`upstream` reaches
the remote. The mirror tries again after a failure, and nothing else waits for it: servers follow
the hub.
"""

from __future__ import annotations

import logging
import random
import threading
import time

from zedops.errors import GitFailed, Problem, RaceLost, ZedopsError
from zedops.git.remote import TAKEN, Upstream
from zedops.hub.hub import Hub
from zedops.hub.upstream import BranchContent, UpstreamMerger
from zedops.manager import commit_status
from zedops.manager.commit_status import Forge
from zedops.manager.loop import Manager
from zedops.manager.upstream_timing import UpstreamTiming
from zedops.system import failpoints

log = logging.getLogger(__name__)

MAIN = "main"
#: The mirror reads the hub's main this often.
_GLANCE_S = 0.5
_ATTEMPTS = 30
#: The mirror waits this long for a commit's verdict before it sets the commit's status.
_VERDICT_S = 30.0
#: `stop` waits this long for the turn that runs.
_LAST_S = 5.0


class Mirror:
    """Mirrors one hub and its upstream. Call `start` and `stop` with the manager's."""

    def __init__(
        self,
        manager: Manager,
        upstream: Upstream,
        pace: UpstreamTiming,
        statuses: Forge | None = None,
    ) -> None:
        self._manager = manager
        self._hub: Hub = manager.hub
        self._upstream = upstream
        self._pace = pace
        self._statuses = statuses
        self._intake = UpstreamMerger(self._hub)
        self._wakes = threading.Condition()
        self._asked = True  # the first turn fetches
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._looked = self._pushed = float("-inf")
        self._failures = 0
        #: The hub's main as last read, its last move, and since when it differs from upstream.
        self._head: str | None = None
        self._moved = time.monotonic()
        self._began: float | None = None
        self._there: dict[str, str] = {}
        #: The present failure, for status requests; None while all is well.
        self.trouble: str | None = None

    # --- life

    def start(self) -> None:
        """Start the mirror's thread."""
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def stop_syncing(self) -> None:
        """Push the hub's last commits, if the upstream answers, and end."""
        with self._wakes:
            self._stopping = True
            self._wakes.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=_LAST_S)
            self._upstream.cancel()
            self._thread.join(timeout=_LAST_S)

    def wake(self) -> None:
        """Ask for a turn now, after a push to the upstream."""
        with self._wakes:
            self._asked = True
            self._wakes.notify_all()

    # --- the loop

    def _run(self) -> None:
        while True:
            looks = self._wait()
            if self._stopping:
                break
            self._attempt(pushes=not looks or self._is_due())
        if self._failures == 0 and self._differs():
            self._attempt(pushes=True)

    def _wait(self) -> bool:
        """Wait until a turn is due; returns whether it only needs to fetch."""
        with self._wakes:
            while not self._stopping:
                self._glance()
                if self._asked or time.monotonic() >= self._look_at():
                    self._asked = False
                    return True
                if self._is_due():
                    return False
                self._wakes.wait(_GLANCE_S)
        return False

    def _look_at(self) -> float:
        return self._pace.look_at(self._looked, self._failures)

    def _is_due(self) -> bool:
        if self._began is None:
            return False
        due = self._pace.push_at(self._began, self._moved, self._pushed)
        # after failures a push waits for the next fetch, whose pauses grow
        return time.monotonic() >= (max(due, self._look_at()) if self._failures else due)

    def _glance(self) -> None:
        """Read the hub's main, and note when it moved."""
        head = self._hub.head()
        if head != self._head:
            self._head, self._moved = head, time.monotonic()
        if not self._differs():
            self._began = None
        elif self._began is None:
            self._began = self._moved

    def _differs(self) -> bool:
        head = self._hub.head()
        return head is not None and head != self._there.get(self._target)

    @property
    def _target(self) -> str:
        """Name the branch that zedops writes to."""
        with self._manager.changed:
            return self._manager.ledger.settings.state_branch or MAIN

    def _attempt(self, *, pushes: bool) -> None:
        try:
            self._turn(pushes=pushes)
        except ZedopsError as error:
            self._note_trouble(str(error))
        except Exception as error:
            log.exception("a turn of the mirror failed; trying again")
            self._note_trouble(repr(error))
        else:
            if self.trouble is not None:
                log.warning("the upstream %s is back", self._upstream.where)
            self._failures, self.trouble = 0, None
        self._looked = time.monotonic()

    def _note_trouble(self, text: str) -> None:
        self._failures += 1
        if text != self.trouble:
            log.warning("%s; servers go on, trying again", text)
        self.trouble = text

    def _turn(self, *, pushes: bool) -> None:
        """Fetch, take in, push; again after a lost race. GitFailed after too many."""
        for attempt in range(_ATTEMPTS):
            try:
                self._look()
                if pushes:
                    self._push()
            except RaceLost as error:
                log.debug("%s", error)
                # two managers that lost to each other must not meet again and again
                time.sleep(random.uniform(0, min(0.01 * 2**attempt, 1.0)))  # noqa: S311
            else:
                return
        raise GitFailed(f"upstream {self._upstream.where}: it moves too fast to push to")

    def _look(self) -> None:
        self._there = self._upstream.tips({MAIN, self._target})
        if MAIN in self._there:
            self._take(MAIN)
        if self._target != MAIN and self._target in self._there:
            self._take(self._target)

    def _take(self, branch: str) -> None:
        mark = TAKEN + branch
        if self._hub.repository.resolve(mark) == self._there[branch]:
            return
        tip = self._there[branch] = self._upstream.fetch(branch)
        if branch != MAIN:
            source = BranchContent.STATES
        elif self._target == MAIN:
            source = BranchContent.EVERYTHING
        else:
            source = BranchContent.DEFINITIONS
        taken = self._intake.take(tip, mark, source)
        # a manager that has ended takes in no more commits; its next start does
        done = not self._stopping and self._manager.wait_for(self._manager.wake(), _VERDICT_S)
        judge = self._manager.judge
        found = (*taken.problems, *(judge.problems if judge else ()))
        problems = tuple(sorted({(each.path, each.fact): each for each in found}.values()))
        for problem in problems:
            log.warning("upstream commit %s: %s", tip[:7], problem)
        if done and branch == MAIN:
            self._tell(tip, problems)

    def _tell(self, tip: str, problems: tuple[Problem, ...]) -> None:
        if self._statuses is None:
            return
        try:
            self._statuses.tell(tip, problems)
        except commit_status.StatusFailed as error:
            log.warning("%s", error)

    def _push(self) -> None:
        head, target = self._hub.head(), self._target
        if head is None or self._there.get(target) == head:
            return
        failpoints.point("mirror.looked")
        self._upstream.push(head, target)
        failpoints.point("mirror.pushed")
        self._pushed = time.monotonic()
        self._there[target] = head
        self._hub.repository.run("update-ref", "--end-of-options", TAKEN + target, head)
