"""Which refs a push may move, to which objects, in words that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.git.people import Person
from zedops.hub.configuration import CONFIG
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN

A = "servers.d/a.yaml"


@pytest.fixture
def eve(hub: Hub, tmp_path: Path) -> Person:
    eve = Person(hub, tmp_path / "eve", "Eve")
    eve.begin({"zedops.yaml": "name: fleet\n", A: "image: a\n"})
    return eve


def test_a_tag_is_no_commit_and_what_comes_in_cannot_be_deleted(hub: Hub, eve: Person) -> None:
    head = hub.head()
    eve.commit({A: "image: b\n"})
    eve.git("tag", "-a", "-m", "one", "v1")
    said = eve.push("origin", "v1:refs/for/main", fails=True)
    assert "refs/for/main: a tag cannot be merged into main; it takes a commit" in said
    assert "damaged" not in said
    said = eve.push("origin", "HEAD^{tree}:refs/for/main", fails=True)
    assert "damaged" not in said
    said = eve.push("origin", ":refs/for/main", fails=True)
    assert "damaged" not in said
    assert hub.head() == head
    eve.push("origin", "v1")
    eve.push("origin", "v1^{commit}:refs/for/main")


@pytest.mark.parametrize("ref", [
    "refs/tags/main", "refs/heads/HEAD", "refs/tags/refs/heads/x", "refs/heads/refs/heads/x",
])  # fmt: skip
def test_what_git_could_take_for_another_ref_is_refused(hub: Hub, eve: Person, ref: str) -> None:
    assert "choose another name" in eve.push("origin", f"HEAD:{ref}", fails=True)
    assert hub.repository.run("for-each-ref", "--format=%(refname)", ref) == ""


def test_a_tag_is_not_called_like_a_branch_nor_a_branch_like_a_tag(hub: Hub, eve: Person) -> None:
    eve.push("origin", "HEAD:refs/heads/one", "HEAD:refs/tags/two")
    hub.repository.run("pack-refs", "--all")
    for ref, other in (("refs/tags/one", "refs/heads/one"), ("refs/heads/two", "refs/tags/two")):
        said = eve.push("origin", f"HEAD:{ref}", fails=True)
        assert f"{ref}: has the same name as {other}" in said
    eve.push("origin", "HEAD:refs/heads/three", "HEAD:refs/tags/three", fails=True)
    assert hub.repository.run("for-each-ref", "--format=%(refname)", "refs/*/three") == ""


def raw_tree(eve: Person, *entries: tuple[str, str, str]) -> str:
    """Write a tree as it is, and a commit of it on top of main."""
    raw = b"".join(f"{mode} {name}\0".encode() + bytes.fromhex(each)
                   for mode, name, each in entries)
    run = eve.clone.repository.run
    tree = run("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    return run("commit-tree", "-p", "origin/main", "-m", "evil", "--end-of-options", tree)


@pytest.mark.parametrize(
    "name", ["evil/x", ".git", "..", ".", "", ".GIT", "git~1", "twice"]
)
def test_a_malformed_tree_is_refused_and_main_stays(hub: Hub, eve: Person, name: str) -> None:
    head = hub.head()
    blob = eve.clone.repository.run("hash-object", "-w", "--stdin", stdin=b"x")
    one = ("100644", name, blob)
    entries = [one, one] if name == "twice" else [one]
    commit = raw_tree(eve, *entries, ("100644", "zedops.yaml", blob))
    eve.push("origin", f"{commit}:refs/for/main", fails=True)
    assert hub.head() == head
    eve.commit({A: "image: b\n"})  # what others push goes on
    eve.push()


def test_a_users_configuration_switches_nothing_of_a_hub_off(
    hub: Hub, eve: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[core]\nhooksPath = {tmp_path}\n[receive]\nfsckObjects = false\n"
        "[log]\nshowSignature = true\n[user]\nname = Eve\nemail = eve@example.org\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    head = hub.head()
    eve.commit({A: "nonsense: ["})
    for to in ("refs/for/main", MAIN):
        assert "refused" in eve.push("origin", f"HEAD:{to}", fails=True)
    assert hub.head() == head


def test_a_hub_that_lacks_a_setting_is_mended_at_the_start_and_told_before(hub: Hub) -> None:
    hub.repository.run("config", "--unset", "core.hooksPath")
    hub.repository.run("config", "receive.fsckObjects", "false")
    assert sorted(hub.configuration.unset()) == ["core.hooksPath", "receive.fsckObjects"]
    hub.equip()
    assert hub.configuration.unset() == []
    assert {key.lower() for key in CONFIG} <= hub.configuration.held().keys()


def test_a_malformed_tree_from_before_stops_neither_reads_nor_pushes(
    hub: Hub, eve: Person
) -> None:
    for key in ("receive.fsckObjects", "transfer.fsckObjects"):
        hub.repository.run("config", key, "false")
    seen = hub.head()
    assert seen is not None
    eve.git("fetch", "-q")
    blob = eve.clone.repository.run("hash-object", "-w", "--stdin", stdin=b"x")
    kept = eve.clone.repository.run("rev-parse", "origin/main:zedops.yaml")
    servers = eve.clone.repository.run("rev-parse", "origin/main:servers.d")
    commit = raw_tree(eve, ("100644", "evil/x", blob), ("40000", "servers.d", servers),
                      ("100644", "zedops.yaml", kept))
    eve.commit({"README.md": "main moves on\n"})
    eve.push()
    eve.push("origin", f"{commit}:refs/for/main")
    hub.equip()  # as the next start does

    hub.repository.objects.keep_open()
    try:
        known = hub.read_fleet(seen)[0]
        fleet, changes = hub.read_fleet(str(hub.head()), known)
        assert {each.path for each in changes} == {"README.md", "evil/x"}
        assert set(fleet.documents) == {A}
        assert "README.md" in hub.history.authors(seen, str(hub.head()))
    finally:
        hub.repository.objects.close()
    eve.commit({A: "image: b\n"})
    eve.push()
    eve.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
