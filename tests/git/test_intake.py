"""What an upstream's commits make of a hub's main: merged, kept, rewound, never refused."""

from __future__ import annotations

import os
import re
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.pure.fleets import running
from tests.remotes import Remote, bare, git
from zedops.errors import GitFailed, HubOutdated, RaceLost
from zedops.git.remote import TAKEN, Upstream
from zedops.hub import older
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN
from zedops.hub.upstream import BranchContent, UpstreamMerger
from zedops.spec import document, state_block
from zedops.spec.layout import MAX_BYTES
from zedops.spec.state_block import GOES_ON

A, B, C = "servers.d/a.yaml", "servers.d/b.yaml", "servers.d/c.yaml"
MARK = f"{TAKEN}main"
VOLUMES = "image: {}\nvolumes: {{w: /w}}\n"


class Pair:
    """A hub, its upstream, and a person with a clone of the upstream."""

    def __init__(self, folder: Path) -> None:
        path = bare(folder)
        self.remote = Remote(path, str(path))
        self.hub = Hub.create(folder / "hub.git")
        self.upstream = Upstream(self.hub.repository, self.remote.url)
        self.intake = UpstreamMerger(self.hub)
        self.person = folder / "ada"
        git(folder, "clone", "--quiet", self.remote.url, "ada")

    def push(self, files: dict[str, str | None], message: str = "edit", *flags: str) -> str:
        """Commit files in the clone and push them; returns the commit."""
        for path, text in files.items():
            target = self.person / path
            target.parent.mkdir(exist_ok=True)
            if text is None:
                target.unlink()
            else:
                target.write_text(text)
        git(self.person, "add", "--all")
        git(self.person, "commit", "--quiet", "--allow-empty", "-m", message)
        git(self.person, "push", "--quiet", *flags, "origin", "HEAD:main")
        return git(self.person, "rev-parse", "HEAD").strip()

    def take(self, source: BranchContent = BranchContent.EVERYTHING) -> str:
        """Take in what the upstream has; returns what is not followed."""
        taken = self.intake.take(self.upstream.fetch("main"), MARK, source)
        assert self.hub.head() == taken.main
        return "\n".join(str(each) for each in taken.problems)

    def report(self, *paths: str, first: int = 1) -> str:
        """Commit states as a manager does, with ids from `first`; returns the commit."""
        head = self.hub.head()
        assert head is not None
        files: dict[str, bytes | None] = {
            path: state_block.render(state_block.split(self.at(path))[0], running(number))
            for number, path in enumerate(paths, first)
        }
        return self.hub.refs.commit(head, files, "a: running\n\nZedops-Server: a 01\n")

    def send(self) -> None:
        """Push main, as the mirror does."""
        head = self.hub.head()
        assert head is not None
        self.upstream.push(head, "main")
        self.hub.repository.run("update-ref", MARK, head)

    def at(self, path: str) -> str:
        """Read a file of the hub's main; empty if it is not there."""
        entry = self.hub.repository.tree(MAIN).get(path)
        return self.hub.repository.objects.blobs([entry.blob])[entry.blob].decode() if entry else ""


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Begin a fleet of three servers on the upstream, with states, the same on both sides."""
    pair = Pair(tmp_path)
    names = {path: VOLUMES.format(path[10]) for path in (A, B, C)}
    pair.push({"zedops.yaml": "name: fleet\ndeletion_budget: 1\n", **names}, "begin")
    assert pair.take() == ""
    pair.report(A, B, C)
    pair.send()
    git(pair.person, "pull", "--quiet")
    return pair


def test_what_only_the_upstream_has_is_taken_as_it_is(pair: Pair) -> None:
    commit = pair.push({"README.md": "hello\n"})
    assert pair.take() == ""
    assert pair.hub.head() == commit
    assert pair.take() == ""  # and again, as after a crash


def test_both_sides_are_merged_by_document_and_pushed_without_force(pair: Pair) -> None:
    pair.report(B)
    state = pair.at(B).partition(state_block.MARKER)[2]
    edited = (pair.person / B).read_text().replace("image: b", "image: new")
    commit = pair.push({B: edited, "servers.d/d.yaml": "image: d\n"})
    with pytest.raises(RaceLost):
        pair.send()
    assert pair.take() == ""
    assert pair.at(B) == VOLUMES.format("new") + "\n" + state_block.MARKER + state
    assert pair.at("servers.d/d.yaml") == "image: d\n"
    pair.send()
    assert pair.hub.repository.run("rev-parse", "main^2") == commit
    assert pair.remote.is_never_forced()
    message = pair.hub.repository.run("log", "-1", "--format=%an %B", "main")
    assert message.startswith("zedops Merge: edit")
    assert f"Zedops-Upstream: {commit}" in message


def test_a_conflict_is_settled_in_the_persons_favour(pair: Pair) -> None:
    head = pair.hub.head()
    assert head is not None
    other = state_block.render(VOLUMES.format("other"), running(1))
    pair.hub.refs.commit(head, {A: other}, "a head of its own\n")
    pair.push({A: (pair.person / A).read_text().replace("image: a", "image: mine")})
    assert pair.take() == ""
    assert pair.at(A).startswith(VOLUMES.format("mine"))
    assert running(1).id in pair.at(A)


def test_deletions_beyond_the_budget_are_put_back_and_say_why(pair: Pair) -> None:
    commit = pair.push({A: None, B: None, C: (pair.person / C).read_text() + "# x\n"}, "oops")
    said = pair.take()
    assert said.count("its deletion is held back") == 2
    for path in (A, B):
        each = document.parse(path, pair.at(path).encode())
        assert each.head == VOLUMES.format(path[10])
        assert each.state is not None
        assert each.state.message is not None
        assert each.state.message.endswith(GOES_ON)
    pair.send()  # forward from the commit that deleted them
    assert git(pair.remote.path, "merge-base", "--is-ancestor", commit, "main") == ""

    git(pair.person, "pull", "--quiet")
    pair.push({A: None, B: None}, "meant\n\nZedops-Allow-Delete: a,b")
    assert pair.take() == ""
    assert pair.at(A) == pair.at(B) == ""


def test_one_deletion_is_within_the_budget(pair: Pair) -> None:
    pair.push({A: None})
    assert pair.take() == ""
    assert pair.at(A) == ""


def test_what_a_forced_push_took_out_stays_out(pair: Pair) -> None:
    pair.push({A: VOLUMES.format("secret")}, "a secret")
    pair.take()
    pair.report(C)
    pair.send()
    secret = pair.hub.head()
    git(pair.person, "reset", "--quiet", "--hard", "HEAD~1")
    pair.push({B: (pair.person / B).read_text().replace("image: b", "image: new")}, "x", "--force")
    assert pair.take() == ""
    assert pair.at(A).startswith(VOLUMES.format("a"))
    assert pair.at(B).startswith(VOLUMES.format("new"))
    pair.send()
    history = git(pair.remote.path, "rev-list", "main").split()
    assert secret not in history
    assert pair.at(C).count("id:") == 1


def test_a_link_is_passed_over_and_what_was_there_stays(pair: Pair) -> None:
    (pair.person / A).unlink()
    (pair.person / A).symlink_to("/etc/passwd")
    (pair.person / "servers.d/d.yaml").symlink_to("a.yaml")
    pair.push({})
    said = pair.take()
    assert f"{A}: a change of it is passed over: not a file; commit a plain file" in said
    assert GOES_ON in pair.at(A)
    assert pair.at(A).startswith(VOLUMES.format("a"))
    assert pair.at("servers.d/d.yaml") == ""


def test_a_file_that_is_too_large_to_read_is_passed_over_and_never_written_over(pair: Pair) -> None:
    large = "image: a\n" + "# nothing\n" * (MAX_BYTES // 10 + 40)
    pair.push({A: large, "servers.d/d.yaml": large})
    said = pair.take()
    assert f"passed over: {len(large)} bytes, more than the {MAX_BYTES} it may have" in said
    assert GOES_ON in pair.at(A)
    assert pair.at(A).startswith(VOLUMES.format("a"))
    assert pair.at("servers.d/d.yaml") == ""


def test_a_history_of_somebody_else_is_never_merged(pair: Pair, tmp_path: Path) -> None:
    hub = Hub.create(tmp_path / "other.git")
    signature = hub.refs.signature()
    first = hub.repository.write_commit([], {"x": b""}, "x", signature, signature)
    hub.repository.run("update-ref", MAIN, first)
    tip = Upstream(hub.repository, pair.remote.url).fetch("main")
    with pytest.raises(GitFailed, match="nothing in common"):
        UpstreamMerger(hub).take(tip, MARK)
    assert hub.head() == first


def test_with_a_branch_of_states_a_held_deletion_is_asked_for_until_it_is_meant(
    tmp_path: Path,
) -> None:
    pair = Pair(tmp_path)
    names = {path: VOLUMES.format(path[10]) for path in (A, B, C)}
    pair.push({"zedops.yaml": "name: fleet\ndeletion_budget: 1\n", **names}, "begin")
    pair.take(BranchContent.DEFINITIONS)
    pair.report(A, B, C)
    pair.push({A: None, B: None}, "oops")
    assert "held back" in pair.take(BranchContent.DEFINITIONS)
    pair.push({"README.md": "hello\n"})
    assert "held back" in pair.take(BranchContent.DEFINITIONS)
    pair.push({}, "yes\n\nZedops-Allow-Delete: a")
    assert pair.take(BranchContent.DEFINITIONS) == ""  # the other one is within the budget
    assert pair.at(A) == pair.at(B) == ""
    assert pair.at(C).count("id:") == 1


def test_an_edit_on_the_branch_of_states_counts_for_tombstones_only(pair: Pair) -> None:
    head, grave = pair.hub.head(), "tombstones.d/x.yaml"
    assert head is not None
    pair.hub.refs.commit(head, {grave: b"image: x\n"}, "x\n")
    pair.send()
    git(pair.person, "pull", "--quiet")
    pair.push({grave: None, A: "image: theirs\n"})
    pair.take(BranchContent.STATES)
    assert pair.at(grave) == ""
    assert pair.at(A).startswith(VOLUMES.format("a"))


# --- the remote itself


@pytest.mark.parametrize("source", [BranchContent.EVERYTHING, BranchContent.STATES])
def test_a_hub_from_an_old_backup_takes_nothing_and_says_how_to_make_a_new_one(
    pair: Pair, tmp_path: Path, source: BranchContent
) -> None:
    shutil.copytree(pair.hub.path, tmp_path / "backup.git")
    pair.push({"servers.d/d.yaml": "image: d\n", "servers.d/e.yaml": "image: e\n"})
    assert pair.take() == ""
    pair.report("servers.d/d.yaml", "servers.d/e.yaml", first=4)
    pair.send()
    old = Hub(tmp_path / "backup.git")
    tip = Upstream(old.repository, pair.remote.url).fetch("main")
    before = old.refs.names(), old.head()
    said = (
        "this hub is older than the upstream, which has servers it lost: d, e; nothing is taken in;"
        f" move {old.path} away, and `zedops up` makes a new one with the upstream's states and ids"
    )
    for take in (
        lambda: UpstreamMerger(old).take(tip, MARK, source), lambda: older.require_current(old, tip)
    ):
        with pytest.raises(HubOutdated, match=re.escape(said)):
            take()
    assert (old.refs.names(), old.head()) == before
    older.require_current(pair.hub, tip)  # the hub that it comes from


def test_a_hub_whose_newest_states_alone_are_older_catches_up(pair: Pair, tmp_path: Path) -> None:
    shutil.copytree(pair.hub.path, tmp_path / "backup.git")
    pair.report(B)
    pair.send()
    old = Hub(tmp_path / "backup.git")
    tip = Upstream(old.repository, pair.remote.url).fetch("main")
    older.require_current(old, tip)
    main = UpstreamMerger(old).take(tip, MARK).main
    assert old.repository.tree(main) == pair.hub.repository.tree(MAIN)


def test_a_persons_copied_id_is_no_sign_of_an_old_hub(pair: Pair) -> None:
    copied = state_block.render("image: d\n", running(7)).decode()
    pair.push({"servers.d/d.yaml": copied})
    assert pair.take() == ""


def test_branches_that_are_not_there_are_left_out(pair: Pair) -> None:
    tips = pair.upstream.tips({"main", "zedops-state"})
    assert tips == {"main": pair.remote.git("rev-parse", "main").strip()}


def test_an_upstream_that_is_not_there_is_named(pair: Pair, tmp_path: Path) -> None:
    gone = Upstream(pair.hub.repository, str(tmp_path / "gone.git"))
    with pytest.raises(GitFailed, match="gone\\.git"):
        gone.tips({"main"})


def test_an_upstream_that_hangs_is_given_up_in_time_and_leaves_no_process(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"git://127.0.0.1:{door.getsockname()[1]}/fleet.git"
        begun = time.monotonic()
        with pytest.raises(GitFailed, match="no answer within 1 s"):
            Upstream(pair.hub.repository, url, timeout_s=1).tips({"main"})
        assert time.monotonic() - begun < 30
        assert _waiting_on(url) == []


def test_what_is_under_way_ends_when_zedops_does(pair: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"git://127.0.0.1:{door.getsockname()[1]}/fleet.git"
        upstream = Upstream(pair.hub.repository, url)
        errors: list[Exception] = []

        def look() -> None:
            try:
                upstream.tips({"main"})
            except GitFailed as error:
                errors.append(error)

        thread = threading.Thread(target=look)
        thread.start()
        link, _ = door.accept()
        with link:
            upstream.cancel()
            thread.join(timeout=10)
        assert len(errors) == 1
        with pytest.raises(GitFailed, match="is ending"):
            upstream.tips({"main"})


def _waiting_on(url: str) -> list[str]:
    """List the processes that have a URL on their command line."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if url in text and each.parent.name != str(os.getpid()):
            found.append(text)
    return found
