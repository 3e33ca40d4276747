"""Repositories made to hurt: links, submodules, huge files, huge trees, refs that confuse."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.git.people import Person
from zedops.clone.clone import Clone
from zedops.clone.history import read_history
from zedops.fleet.checks import check
from zedops.git.objects import FILE_MODE, LINK_MODE, Entry, Signature
from zedops.hub import snapshot
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN

A, B = "servers.d/a.yaml", "servers.d/b.yaml"
WHO = Signature("Eve", "eve@example.org", 1)
SUBMODULE = 0o160000


@pytest.fixture
def eve(hub: Hub, tmp_path: Path) -> Person:
    eve = Person(hub, tmp_path / "eve", "Eve")
    eve.begin({"zedops.yaml": "name: fleet\n", A: "image: a\n"})
    return eve


def push_entry(eve: Person, path: str, entry: Entry | bytes) -> str:
    """Push a tree that no working copy could hold; returns what the hub says."""
    repository = eve.clone.repository
    base = eve.git("rev-parse", "origin/main").strip()
    made = repository.write_commit([base], {path: entry}, "x\n", WHO, WHO)
    return eve.push("origin", f"{made}:refs/for/main", fails=True)


@pytest.mark.parametrize("path", [B, "tombstones.d/b.yaml", "zedops.yaml", "servers.d/x/b.yaml"])
@pytest.mark.parametrize("kind", [LINK_MODE, SUBMODULE])
def test_links_and_submodules_are_refused_wherever_they_stand(
    hub: Hub, eve: Person, path: str, kind: int
) -> None:
    head = hub.head()
    blob = eve.clone.repository.run("hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
    said = push_entry(eve, path, Entry(kind, blob))
    what = "a symbolic link" if kind == LINK_MODE else "not a file"
    assert f"{path}: {what}; commit a plain file" in said
    assert "root:x" not in said
    assert hub.head() == head


def test_a_link_in_the_working_copy_is_refused_and_not_followed(
    eve: Person, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("image: [canary]\n")
    (eve.folder / B).symlink_to(outside)
    done = subprocess.run([sys.executable, "-m", "zedops", "validate"], cwd=eve.folder,
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"{B}: a symbolic link; commit a plain file" in done.stdout
    assert "canary" not in done.stdout + done.stderr


def test_a_push_of_few_bytes_that_inflates_is_refused_without_being_read(
    hub: Hub, eve: Person
) -> None:
    (eve.folder / B).write_bytes(b"#" * (300 << 20))  # 300 KB of a pack
    eve.git("add", "-A")
    eve.git("commit", "-q", "-m", "a bomb")
    (eve.folder / B).unlink()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = eve.push("origin", "HEAD:refs/for/main", fails=True)
    assert f"{B}: 294913 bytes, more than the 262144 a definition may have" in said
    entry = eve.clone.repository.tree("HEAD")[B]
    found = eve.clone.repository.objects.blobs([entry.blob], most=1000)
    assert found == {entry.blob: bytes(1001)}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_hundred_thousand_other_files_cost_nobody_much(hub: Hub, eve: Person) -> None:
    repository = eve.clone.repository
    blob = repository.run("hash-object", "-w", "--stdin", stdin=b"x")
    base = eve.git("rev-parse", "origin/main").strip()
    files: dict[str, Entry | bytes | None] = {
        f"assets/{at // 1000}/{at}.yaml": Entry(FILE_MODE, blob) for at in range(100_000)
    }
    made = repository.write_commit([base], {**files, B: b"image: b\n"}, "x\n", WHO, WHO)
    eve.push("origin", f"{made}:refs/for/main")
    begun = time.process_time()
    fleet, changes = snapshot.read(hub.repository, MAIN, "fleet")
    assert time.process_time() - begun < 5
    assert len(changes) > 100_000
    assert set(fleet.documents) == {A, B}
    assert check(fleet, {change.path for change in changes}) == []


@pytest.mark.parametrize("ref", [
    "refs/heads/refs/heads/main", "refs/tags/main", "refs/heads/HEAD", "refs/heads/a-tag",
    "refs/heads/refs/for/main", "refs/tags/refs/heads/main", "refs/heads/é",
])  # fmt: skip
def test_refs_that_look_like_main_are_not_main(hub: Hub, eve: Person, ref: str) -> None:
    head = hub.head()
    eve.commit({A: "image: evil\n"})
    for _ in range(2):  # also with the ref there already
        subprocess.run(["git", "push", "-q", "--force", "origin", f"HEAD:{ref}"], cwd=eve.folder,
                       capture_output=True, check=False, timeout=60)
    assert hub.head() == head
    assert Hub(hub.path).head() == head
    fleet = Hub(hub.path).read_fleet(str(head), None)[0]
    assert fleet.documents[A].head == "image: a\n"
    clone = Clone.make(str(hub.path), eve.folder.parent / "ben")
    assert clone.fleet().documents[A].head == "image: a\n"


@pytest.mark.parametrize("name", ["-rf", "a b", "a\x1b[31m", "..", "A", "a\nb", "$(touch x)", "ä"])
def test_file_names_that_confuse_are_refused_printably(hub: Hub, eve: Person, name: str) -> None:
    head = hub.head()
    said = push_entry(eve, f"servers.d/{name}.yaml", b"image: a\n")
    assert "cannot be a server's name" in said
    assert "\x1b[31m" not in said
    assert hub.head() == head


@pytest.mark.parametrize("name", [
    "ZEDOPS.yaml", "Allowed_signers", "KEYRING.asc", "Servers.d/a.yaml", "servers.d/A.YAML",
])  # fmt: skip
def test_a_name_that_some_file_systems_take_for_another_is_refused(
    hub: Hub, eve: Person, name: str
) -> None:
    head = hub.head()
    said = push_entry(eve, name, b"name: evil\n")
    assert "only in its capitals, which some file systems ignore; rename it" in said
    assert hub.head() == head


def test_a_commit_from_the_far_future_is_shown_and_breaks_no_history(hub: Hub, eve: Person) -> None:
    repository = eve.clone.repository
    for number, seconds in enumerate((99_999_999_999_999, 0)):
        base = eve.git("rev-parse", "origin/main").strip()
        then, files = Signature("Eve", "eve@example.org", seconds), {A: b"image: a%d\n" % number}
        made = repository.write_commit([base], files, "x\n", then, then)
        eve.push("origin", f"{made}:refs/for/main")
        eve.git("fetch", "-q")
    entries = read_history(hub.repository, None, 10, ["main"])
    assert {each.at[:4] for each in entries} >= {"9998", "1970"}
