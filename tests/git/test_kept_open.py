"""Processes of git that stay answer as new ones do, of what came later and after death, too."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zedops.errors import GitFailed
from zedops.fleet.trailers import EMAIL
from zedops.git.objects import NO_OBJECT, Signature
from zedops.git.repository import Repository
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN
from zedops.manager.ref_watch import watch

ADA = Signature("Ada", "ada@example.org", 1_700_000_000)
ZED = Signature("zedops", EMAIL, 1_700_000_001)
A, B, C = "servers.d/a.yaml", "servers.d/b.yaml", "servers.d/c.yaml"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Make a hub whose questions are answered by processes that stay."""
    made = Hub.create(tmp_path / "fleet.git")
    made.repository.objects.keep_open()
    yield made
    made.repository.objects.close()


def commit(hub: Hub, by: Signature, files: dict[str, bytes | None], *parents: str) -> str:
    return hub.repository.write_commit(list(parents), files, "why", by, by)


def test_whose_a_change_is_does_not_depend_on_who_is_asked(hub: Hub) -> None:
    root = commit(hub, ADA, {A: b"1", B: b"1"})
    pushed = commit(hub, ADA, {A: b"2"}, root)
    state = commit(hub, ZED, {A: b"3", B: b"3"}, root)
    merged = commit(hub, ZED, {A: b"2+3"}, state, pushed)
    second = commit(hub, ADA, {C: b"1"}, pushed)
    merged_two = commit(hub, ZED, {A: b"2+3", C: b"1"}, state, second)
    equal = commit(hub, ZED, {}, state, pushed)
    plain = Hub(hub.path)
    for before, after, expected in [
        (root, pushed, {A}), (root, state, set()), (state, merged, {A}),
        (state, merged_two, {A, C}), (state, equal, {A}), (root, merged, {A}),
        (root, second, {A, C}), (root, root, set()),
    ]:
        assert hub.history.authors(before, after) == plain.history.authors(before, after)
        assert hub.history.authors(before, after).keys() == expected
        assert hub.repository.changes(before, after) == plain.repository.changes(before, after)


def test_what_others_write_later_is_read_also_after_all_was_packed(hub: Hub) -> None:
    root = commit(hub, ADA, {A: b"1"})
    hub.repository.move_ref(MAIN, root, NO_OBJECT)
    assert hub.repository.objects.commit(root) is not None
    other, newest = Repository(hub.path), root
    for number in range(5):
        newest = other.write_commit([newest], {A: b"%d" % number}, "why", ADA, ADA)
        other.move_ref(MAIN, newest, root)
        if number % 2:
            other.run("gc", "--quiet", "--prune=now")
        (change,) = hub.repository.changes(root, newest)
        assert change.after is not None
        blob = change.after.blob
        assert hub.repository.objects.blobs([blob]) == {blob: b"%d" % number}
        root = newest


def test_a_process_that_was_killed_is_started_again(hub: Hub) -> None:
    root = commit(hub, ADA, {A: b"1"})
    first = hub.repository.objects.commit(root)
    found = subprocess.run(
        ["pgrep", "-f", "diff-tree --stdin"], capture_output=True, text=True, check=True
    ).stdout.split()
    mine = [pid for pid in found if Path(f"/proc/{pid}/cwd").resolve() == hub.path]
    subprocess.run(["kill", "-9", *mine], check=True)
    assert len(mine) == 1
    assert hub.repository.objects.commit(root) == first


def test_what_is_not_there_is_an_error_and_no_end(hub: Hub) -> None:
    root = commit(hub, ADA, {A: b"1"})
    for _ in range(2):
        with pytest.raises(GitFailed, match="cannot be read"):
            hub.repository.objects.blobs(["5" * 40])
        with pytest.raises(GitFailed, match="cannot be read"):
            hub.repository.objects.commit("5" * 40)
    assert hub.repository.objects.commit(root) is not None


def test_many_may_ask_at_once(hub: Hub) -> None:
    commits = [commit(hub, ADA, {A: b"%d" % number}) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(hub.repository.objects.commit, commits * 10))
    assert [each and each.id for each in found] == commits * 10


def test_a_ref_that_moves_past_the_hooks_wakes_the_manager(hub: Hub) -> None:
    awake, stopping = threading.Event(), threading.Event()
    branches = hub.path / "refs" / "heads"
    watching = threading.Thread(target=watch, args=(branches, awake.set, stopping))
    watching.start()
    parent, moved = NO_OBJECT, False
    for number in range(30):  # the watch may begin after the first of them
        commit_id = commit(hub, ADA, {A: b"%d" % number})
        hub.repository.move_ref(MAIN, commit_id, parent)
        parent = commit_id
        if moved := awake.wait(1):
            break
    stopping.set()
    watching.join()
    assert moved
