"""A place that answers nothing is left alone until it does; only one thread waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

from zedops_agent.knock import Knocks


class Share:
    """A place that answers when it is told to."""

    def __init__(self) -> None:
        self.answers, self.asked = threading.Event(), 0
        self.mounted: tuple[str, ...] = ("1",)
        self.knocks = Knocks(0.01, self._ask, lambda _: self.mounted)

    def _ask(self, path: Path) -> None:
        self.asked += 1
        self.answers.wait()

    def is_silent(self) -> bool:
        return self.knocks.is_silent(Path("/share"))

    def end(self) -> None:
        """Answer, and see all who wait go."""
        self.answers.set()
        for each in threading.enumerate():
            if each.name == "knock":
                each.join()


def test_what_answers_is_not_silent_whatever_it_answers(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        assert not Knocks().is_silent(place)


def test_one_thread_waits_for_a_silent_place_which_is_asked_again_once_it_answered() -> None:
    share = Share()
    assert [share.is_silent() for _ in range(3)] == [True] * 3
    assert share.asked == 1
    share.end()
    assert not share.is_silent()
    assert share.asked == 2


def test_a_place_where_something_else_is_mounted_is_asked_again_at_once() -> None:
    share = Share()
    assert share.is_silent()
    share.mounted = ("1", "2")
    assert share.is_silent()
    assert share.is_silent()
    assert share.asked == 2
    share.end()
