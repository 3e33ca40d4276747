"""Blobs in files of their own are read as git reads them, and never past what was asked for."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from zedops.git import loose_objects
from zedops.git.objects import NO_OBJECT, Signature
from zedops.hub.hub import Hub

ADA = Signature("Ada", "ada@example.org", 1_700_000_000)
MOST = 1000


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub.create(tmp_path / "fleet.git")


@pytest.mark.parametrize("content", [b"", b"x", b"\0\n", b"y" * MOST])
def test_a_blob_is_what_git_says(hub: Hub, content: bytes) -> None:
    name = hub.repository.run("hash-object", "-w", "--stdin", stdin=content)
    assert loose_objects.blob(hub.path / "objects", name, MOST) == content
    seen = hub.repository.with_env({"GIT_OBJECT_DIRECTORY": str(hub.path / "objects")})
    assert seen.objects.blobs([name], most=MOST) == hub.repository.objects.blobs([name], most=MOST)


def test_of_a_large_blob_nothing_is_held(hub: Hub) -> None:
    name = hub.repository.run("hash-object", "-w", "--stdin", stdin=b"0" * 50_000_000)
    assert loose_objects.blob(hub.path / "objects", name, MOST) == bytes(MOST + 1)


def test_what_is_no_whole_blob_is_left_to_git(hub: Hub, tmp_path: Path) -> None:
    files = {"servers.d/a.yaml": b"image: x\n"}
    commit = hub.repository.write_commit([], files, "begin\n", ADA, ADA)
    objects = hub.path / "objects"
    assert loose_objects.blob(objects, commit, MOST) is None
    assert loose_objects.blob(objects, NO_OBJECT, MOST) is None
    place = tmp_path / "ab" / ("c" * 38)
    place.parent.mkdir()
    for raw in (b"", b"nonsense", zlib.compress(b"blob 9\0short"), zlib.compress(b"blob x\0y"),
                zlib.compress(b"blob 3\0abc")[:-6]):
        place.write_bytes(raw)
        assert loose_objects.blob(tmp_path, "ab" + "c" * 38, MOST) is None


def test_a_commit_leaves_no_ref_and_is_there(hub: Hub) -> None:
    commit = hub.repository.write_commit([], {"a": b"1"}, "begin\n", ADA, ADA)
    assert hub.repository.run("for-each-ref") == ""
    assert hub.repository.tree(commit).keys() == {"a"}
