"""Lists of containers: few, and none that is older than what whoever asks has to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from zedops_agent.container_cache import Listing

DEADLINE_S = 20.0


class Host:
    """Containers by server, and a list that may be held up. Counts what it was asked."""

    def __init__(self, containers: Mapping[str, list[str]]) -> None:
        self.containers = dict(containers)
        self.asked_alone, self.asked_all = 0, 0
        self.held, self.asked = threading.Event(), threading.Event()
        self.goes_on = threading.Event()
        self.listing = Listing(self.one, self.everyone)

    def one(self, server_id: str) -> list[str]:
        self.asked_alone += 1
        self.asked.set()
        if self.held.is_set():
            assert self.goes_on.wait(DEADLINE_S)
        return list(self.containers.get(server_id, []))

    def everyone(self) -> dict[str, list[str]]:
        self.asked_all += 1
        return {key: list(each) for key, each in self.containers.items()}

    def make_a_list_for_all(self) -> None:
        """Have two servers asked about at once."""
        self.goes_on.clear()
        self.asked.clear()
        self.held.set()
        with ThreadPoolExecutor() as pool:
            alone = pool.submit(self.listing.of, "a", time.monotonic())
            assert self.asked.wait(DEADLINE_S)
            try:
                pool.submit(self.listing.of, "b", time.monotonic()).result(DEADLINE_S)
            finally:
                self.goes_on.set()
            assert alone.result(DEADLINE_S) == self.containers["a"]
        self.held.clear()


@pytest.fixture
def host() -> Host:
    return Host({"a": ["a1"], "b": ["b1", "b2"]})


def test_who_is_alone_has_one_server_listed_each_time(host: Host) -> None:
    assert host.listing.of("a", time.monotonic()) == ["a1"]
    host.containers["a"] = ["a2"]
    assert host.listing.of("a", time.monotonic()) == ["a2"]
    assert (host.asked_alone, host.asked_all) == (2, 0)


def test_a_list_for_all_serves_everybody_who_was_to_look_before_it(host: Host) -> None:
    marked = time.monotonic()
    host.make_a_list_for_all()
    assert [host.listing.of(each, marked) for each in ("a", "b", "c")] == [["a1"], ["b1", "b2"], []]
    assert (host.asked_alone, host.asked_all) == (1, 1)


def test_a_list_serves_nobody_who_has_to_know_what_came_after_it(host: Host) -> None:
    host.make_a_list_for_all()
    host.containers["b"] = ["b3"]
    assert host.listing.of("b", time.monotonic()) == ["b3"]


def test_what_is_told_counts_until_it_is_gone(host: Host) -> None:
    marked = time.monotonic()
    host.make_a_list_for_all()
    host.listing.tell("a", "a2")
    host.listing.tell("c", "c1")
    assert host.listing.of("a", marked) == host.listing.known("a") == ["a1", "a2"]
    assert host.listing.of("c", marked) == ["c1"]
    host.listing.tell("a", "a1", gone=True)
    host.listing.tell("c", "c1", gone=True)
    assert host.listing.of("a", marked) == ["a2"]
    assert host.listing.known("c") == []


def test_a_container_that_was_made_here_is_no_news_but_once(host: Host) -> None:
    host.listing.made("a", "a2")
    assert not host.listing.hear("a", "a2", new=True, gone=False)
    assert host.listing.hear("a", "a2", new=False, gone=False)  # it began, or ended
    assert host.listing.hear("a", "a2", new=True, gone=False)  # the Engine was asked for it anew
    assert host.listing.hear("a", "a2", new=False, gone=False)
    assert host.listing.hear("b", "b3", new=True, gone=False)  # made by somebody else


def test_a_container_that_was_made_here_and_is_gone_is_news(host: Host) -> None:
    host.listing.made("a", "a2")
    assert host.listing.hear("a", "a2", new=False, gone=True)
    assert host.listing.known("a") == []
    assert host.listing.hear("a", "a2", new=True, gone=False)  # nobody waits for that any more


def test_what_is_told_while_a_list_is_made_is_not_lost() -> None:
    marked = time.monotonic()

    def everyone() -> dict[str, list[str]]:
        listing.tell("b", "made meanwhile")
        return {"b": ["listed"]}

    host = Host({"a": []})
    listing = host.listing = Listing(host.one, everyone)
    host.make_a_list_for_all()
    assert sorted(listing.of("b", marked)) == ["listed", "made meanwhile"]


def test_a_list_that_fails_fails_for_who_asked_and_is_made_anew_for_the_next() -> None:
    marked = time.monotonic()
    failures = [OSError("gone")]

    def everyone() -> dict[str, list[str]]:
        if failures:
            raise failures.pop()
        return {"b": ["b1"]}

    host = Host({"a": []})
    host.listing = Listing(host.one, everyone)
    with pytest.raises(OSError, match="gone"):
        host.make_a_list_for_all()
    host.make_a_list_for_all()
    assert host.listing.of("b", marked) == ["b1"]
