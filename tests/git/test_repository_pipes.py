"""Reads by pipe, commits by fast-import, refs by compare-and-swap: against real git."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zedops.errors import GitFailed, RaceLost
from zedops.git.command import clean_environment
from zedops.git.objects import NO_OBJECT, Entry, FileChange, Signature
from zedops.git.repository import Repository

ADA = Signature("Ada", "ada@example.org", 1_700_000_000)
ZED = Signature("zedops", "zedops@localhost", 1_700_000_001)
MAIN = "refs/heads/main"
ODD = [
    "plain.yaml", "with space.yaml", "ünïcode 🎮.yaml", 'quo"te.yaml', "back\\slash.yaml",
    "new\nline.yaml", "tab\there.yaml", "caf\udce9.yaml", " leading", "trailing ", "-dash", "'",
    "a/b/c/d.yaml", "*.yaml", "[x]", "~", "\x7f", "\x01",
]  # fmt: skip


@pytest.fixture(params=[False, True], ids=["", "kept-open"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Repository]:
    """Make an empty bare repository, read by a process a question or by ones that stay."""
    path = tmp_path / "some repository.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
    made = Repository(path)
    if request.param:
        made.objects.keep_open()
    yield made
    made.objects.close()


def commit(
    repository: Repository, files: dict[str, bytes | Entry | None], *parents: str
) -> str:
    """Write a commit by Ada."""
    return repository.write_commit(list(parents), files, "why\n\nand how\n", ADA, ZED)


def read(repository: Repository, at: str) -> dict[str, bytes]:
    """Read every file of a commit."""
    tree = repository.tree(at)
    blobs = repository.objects.blobs(entry.blob for entry in tree.values())
    return {path: blobs[entry.blob] for path, entry in tree.items()}


def test_what_is_committed_is_read_back_whatever_the_bytes(repository: Repository) -> None:
    files = {
        "empty": b"", "text": b"a\n", "no end": b"a", "bytes": bytes(range(256)),
        "lines": b"\n" * 9, "big": b"x" * 300_000,
    }  # fmt: skip
    assert read(repository, commit(repository, dict(files))) == files


def test_what_is_committed_is_read_back_whatever_the_path(repository: Repository) -> None:
    files = {path: str(number).encode() for number, path in enumerate(ODD)}
    made = commit(repository, dict(files))
    assert read(repository, made) == files
    gone = commit(repository, dict.fromkeys(ODD), made)
    assert repository.tree(gone) == {}


def test_only_what_is_named_changes(repository: Repository) -> None:
    first = commit(repository, {"a": b"1", "b": b"1", "x/c": b"1"})
    second = commit(repository, {"a": b"2", "b": None, "d": b"2"}, first)
    assert read(repository, second) == {"a": b"2", "x/c": b"1", "d": b"2"}
    assert read(repository, first) == {"a": b"1", "b": b"1", "x/c": b"1"}


def test_removing_what_is_not_there_is_no_error(repository: Repository) -> None:
    first = commit(repository, {"a": b"1"})
    assert read(repository, commit(repository, {"b": None, "x/y": None}, first)) == {"a": b"1"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_can_give_way_to_a_folder_and_a_folder_to_a_file(
    repository: Repository, order: int
) -> None:
    first = commit(repository, {"a": b"1", "b/c": b"1"})
    changes: dict[str, bytes | Entry | None] = {"a": None, "a/x": b"2", "b/c": None, "b": b"2"}
    ordered = dict(list(changes.items())[::order])
    assert read(repository, commit(repository, ordered, first)) == {"a/x": b"2", "b": b"2"}


def test_a_blob_that_git_has_is_committed_by_its_id_with_its_mode(repository: Repository) -> None:
    first = commit(repository, {"a": b"1"})
    blob = repository.tree(first)["a"].blob
    second = commit(repository, {"b": Entry(0o100755, blob)}, first)
    assert repository.tree(second)["b"] == Entry(0o100755, blob)


def test_a_commit_has_its_message_author_committer_and_parents(repository: Repository) -> None:
    one, two = commit(repository, {"a": b"1"}), commit(repository, {"b": b"1"})
    merged = commit(repository, {"b": b"1"}, one, two)
    shown = repository.run("log", "-1", "--format=%B|%an|%ae|%at|%cn|%ce|%ct|%P", merged)
    assert shown == (
        "why\n\nand how\n|Ada|ada@example.org|1700000000|zedops|zedops@localhost|1700000001|"
        f"{one} {two}"
    )


def test_a_commit_moves_no_branch_and_leaves_no_ref_behind(repository: Repository) -> None:
    made = commit(repository, {"a": b"1"})
    assert repository.run("for-each-ref") == ""
    assert repository.resolve(made) == made
    assert repository.resolve("main") is None


def test_a_commit_onto_a_parent_that_is_not_there_fails_and_leaves_nothing(
    repository: Repository,
) -> None:
    with pytest.raises(GitFailed):
        commit(repository, {"a": b"1"}, "1" * 40)
    assert repository.run("for-each-ref") == ""


def test_changes_list_what_differs_with_renames_as_two(repository: Repository) -> None:
    first = commit(repository, {"one": b"same", "b": b"1", **dict.fromkeys(ODD, b"1")})
    second = commit(repository, {"one": None, "z": b"same", "b": b"2", **dict.fromkeys(ODD)}, first)
    tree = repository.tree(second)
    changes = {change.path: change for change in repository.changes(first, second)}
    assert changes.keys() == {"one", "b", "z", *ODD}
    assert changes["one"].after is None
    assert changes["z"] == FileChange("z", None, tree["z"])
    assert (changes["b"].before, changes["b"].after) == (
        repository.tree(first)["b"], tree["b"],
    )  # fmt: skip
    assert repository.changes(second, second) == []


def test_a_tree_can_be_listed_in_part(repository: Repository) -> None:
    made = commit(repository, {"a/x": b"1", "a/y": b"1", "b/z": b"1"})
    assert repository.tree(made, "a").keys() == {"a/x", "a/y"}


def test_blobs_are_read_in_one_go_also_ten_thousand_of_them(repository: Repository) -> None:
    files: dict[str, bytes | Entry | None] = {f"{n % 100}/{n}": b"%d" % n for n in range(10_000)}
    made = commit(repository, files)
    assert read(repository, made) == files


def test_a_blob_that_is_not_there_is_an_error_and_not_an_empty_file(repository: Repository) -> None:
    with pytest.raises(GitFailed, match="cannot be read; run `git fsck`"):
        repository.objects.blobs(["1" * 40])
    assert repository.objects.blobs([]) == {}


def test_a_ref_moves_only_from_where_it_is_thought_to_be(repository: Repository) -> None:
    one = commit(repository, {"a": b"1"})
    two, other = commit(repository, {"a": b"2"}, one), commit(repository, {"a": b"3"}, one)
    repository.move_ref(MAIN, one, NO_OBJECT)
    with pytest.raises(RaceLost):
        repository.move_ref(MAIN, two, NO_OBJECT)
    repository.move_ref(MAIN, two, one)
    with pytest.raises(RaceLost):
        repository.move_ref(MAIN, other, one)
    assert repository.resolve(MAIN) == two


def test_other_refs_move_along_or_not_at_all(repository: Repository) -> None:
    one = commit(repository, {"a": b"1"})
    two = commit(repository, {"a": b"2"}, one)
    repository.move_ref(MAIN, one, NO_OBJECT, "refs/zedops/seen")
    with pytest.raises(RaceLost):
        repository.move_ref(MAIN, two, two, "refs/zedops/seen")
    assert repository.resolve("refs/zedops/seen") == one
    repository.move_ref(MAIN, two, one, "refs/zedops/seen")
    assert repository.resolve("refs/zedops/seen") == two


def test_a_ref_that_somebody_holds_is_a_race_lost(repository: Repository) -> None:
    one = commit(repository, {"a": b"1"})
    repository.move_ref(MAIN, one, NO_OBJECT)
    (repository.path / f"{MAIN}.lock").touch()
    with pytest.raises(RaceLost):
        repository.move_ref(MAIN, commit(repository, {"a": b"2"}, one), one)


def test_of_many_writers_at_once_each_gets_through_and_none_is_lost(repository: Repository) -> None:
    repository.move_ref(MAIN, commit(repository, {"a": b""}), NO_OBJECT)

    def write(name: str) -> None:
        while True:
            parent = repository.resolve(MAIN)
            assert parent is not None
            try:
                repository.move_ref(MAIN, commit(repository, {name: b"1"}, parent), parent)
            except RaceLost:
                continue
            return

    threads = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert repository.tree(MAIN).keys() == {"a", *(f"w{number}" for number in range(6))}
    assert repository.run("for-each-ref", "refs/zedops/import") == ""


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        (b"a\nb\nc\n", b"A\nb\nc\n", b"a\nb\nC\n", b"A\nb\nC\n"),
        (b"a\n", b"a\n", b"a\nb\n", b"a\nb\n"),
        (b"a\n", b"x\n", b"y\n", None),
        (b"", b"x\n", b"y\n", None),
        (b"a\n", b"x\n", b"x\n", b"x\n"),
        (b"caf\xe9\n1\n2\n", b"caf\xe9\n1\n3\n", b"caf\xe9!\n1\n2\n", b"caf\xe9!\n1\n3\n"),
        (b"a\r\nb\r\nc\r\n", b"A\r\nb\r\nc\r\n", b"a\r\nb\r\nC\r\n", b"A\r\nb\r\nC\r\n"),
    ],
)
def test_texts_are_merged_by_line_and_a_conflict_is_none(
    repository: Repository, base: bytes, ours: bytes, theirs: bytes, merged: bytes | None
) -> None:
    if base.startswith(b"caf"):
        assert repository.merge_text(base, ours, theirs) in (merged, None)
    else:
        assert repository.merge_text(base, ours, theirs) == merged


@pytest.mark.parametrize(
    "revision", ["main", "HEAD", "nothing", "", "--all", "1" * 40, "-h", "a b"]
)
def test_a_revision_that_does_not_exist_is_none(repository: Repository, revision: str) -> None:
    assert repository.resolve(revision) is None


def test_a_failure_carries_the_words_of_git(repository: Repository) -> None:
    with pytest.raises(GitFailed, match=r"^git cat-file: .*nothing"):
        repository.run("cat-file", "-t", "nothing")


def test_the_environment_of_a_hook_is_forgotten_but_not_how_to_reach_a_remote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_QUARANTINE_PATH", "/elsewhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    clean_environment()
    assert "GIT_DIR" not in os.environ
    assert "GIT_QUARANTINE_PATH" not in os.environ
    assert os.environ["GIT_SSH_COMMAND"] == "ssh -i key"
