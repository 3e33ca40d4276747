"""An act is one commit on top of what the hub has, whatever the working copy looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.git.people import Person
from tests.pure.fleets import running
from tests.remotes import Remote, bare, git
from zedops.clone import edits
from zedops.clone.clone import Clone
from zedops.clone.edits import Edits
from zedops.control import protocol
from zedops.errors import GitFailed, InvalidInput, UsageError
from zedops.hub import snapshot
from zedops.hub.hub import Hub
from zedops.hub.refs import FOR_MAIN, MAIN
from zedops.spec import state_block
from zedops.spec.state import Status

A, B, C = "servers.d/a.yaml", "servers.d/b.yaml", "servers.d/c.yaml"


@pytest.fixture
def ada(hub: Hub, tmp_path: Path) -> Person:
    """Give Ada a clone, with a fleet of two servers pushed."""
    ada = Person(hub, tmp_path / "ada", "Ada")
    ada.begin({"zedops.yaml": "name: fleet\n", A: "image: a\n", B: "image: b\n"})
    return ada


@pytest.fixture
def ben(hub: Hub, ada: Person, tmp_path: Path) -> Person:
    """Give Ben a clone of the same fleet."""
    return Person(hub, tmp_path / "ben", "Ben")


def at(hub: Hub, path: str) -> str | None:
    """Read a file on main."""
    entry = hub.repository.tree(MAIN).get(path)
    return hub.repository.objects.blobs([entry.blob])[entry.blob].decode() if entry else None


def test_a_clone_is_set_up_so_that_a_plain_push_is_never_refused_for_being_behind(
    ben: Person,
) -> None:
    assert ben.git("config", "remote.origin.push").strip() == f"HEAD:{FOR_MAIN}"
    assert ben.clone.origin.is_hub()


def test_a_clone_of_any_other_repository_pushes_as_git_does(tmp_path: Path, ada: Person) -> None:
    other = Clone.make(str(ada.folder), tmp_path / "other")
    assert not other.origin.is_hub()
    assert "for/main" not in (tmp_path / "other/.git/config").read_text()


def test_a_clone_is_never_made_over_something_else(hub: Hub, ada: Person) -> None:
    with pytest.raises(UsageError, match="exists already and is not empty"):
        Clone.make(str(hub.path), ada.folder)


def test_a_clone_is_found_from_anywhere_within(ada: Person, tmp_path: Path) -> None:
    assert Clone.find(ada.folder / "servers.d").root == ada.folder
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match="make one with `zedops clone`"):
            Clone.find(place)


def test_an_act_is_a_commit_in_the_name_of_the_person(hub: Hub, ada: Person) -> None:
    made = ada.clone.act({C: b"image: c\n"}, "c: new")
    assert hub.head() == made
    shown = hub.repository.run("log", "-1", "--format=%an|%ae|%cn|%s", made)
    assert shown == "Ada|ada@example.org|Ada|c: new"
    assert hub.repository.run("diff", "--stat", "--name-only", f"{made}~", made) == C


def test_an_act_brings_a_clean_clone_up_to_what_the_hub_has(hub: Hub, ada: Person) -> None:
    ada.clone.act({C: b"image: c\n", B: None}, "two things")
    assert ada.read(C) == "image: c\n"
    assert not (ada.folder / B).exists()
    assert ada.git("status", "--porcelain") == ""
    assert ada.git("rev-parse", "HEAD").strip() == hub.head()


def test_an_act_from_a_clone_that_is_behind_just_works(
    hub: Hub, ada: Person, ben: Person
) -> None:
    ada.clone.act({B: b"image: newer\n"}, "b: newer")
    ben.clone.act({A: b"image: other\n"}, "a: other")
    assert (at(hub, A), at(hub, B)) == ("image: other\n", "image: newer\n")
    assert ben.read(B) == "image: newer\n"


def test_an_act_leaves_a_dirty_working_copy_and_its_index_as_they_are(
    hub: Hub, ada: Person, ben: Person
) -> None:
    ada.clone.act({A: b"image: newer\n"}, "a: newer")
    ben.write(A, "image: half an edit\n")
    ben.write(B, "image: staged\n")
    ben.git("add", B)
    ben.write(B, "image: and edited on\n")
    ben.write("notes.txt", "not in git\n")
    before = ben.git("status", "--porcelain=v2"), ben.git("diff"), ben.git("diff", "--cached")
    ben.clone.act({C: b"image: c\n"}, "c: new")
    after = ben.git("status", "--porcelain=v2"), ben.git("diff"), ben.git("diff", "--cached")
    assert after == before
    assert ben.read(A) == "image: half an edit\n"
    assert ben.read(B) == "image: and edited on\n"
    assert (at(hub, A), at(hub, B), at(hub, C)) == ("image: newer\n", "image: b\n", "image: c\n")


def test_an_act_leaves_commits_that_are_not_pushed_yet_out_of_it(hub: Hub, ada: Person) -> None:
    mine = ada.commit({A: "image: mine\n"})
    ada.clone.act({B: b"image: other\n"}, "b: other")
    assert (at(hub, A), at(hub, B)) == ("image: a\n", "image: other\n")
    assert ada.git("rev-parse", "HEAD").strip() == mine
    ada.git("branch", "-q", "--set-upstream-to=origin/main")
    ada.git("pull", "-q", "--rebase")
    ada.push()
    assert (at(hub, A), at(hub, B)) == ("image: mine\n", "image: other\n")


def test_an_act_on_another_branch_leaves_it_there(hub: Hub, ada: Person) -> None:
    ada.git("checkout", "-q", "-b", "idea")
    head = ada.git("rev-parse", "HEAD")
    ada.clone.act({C: b"image: c\n"}, "c: new")
    assert ada.git("rev-parse", "HEAD") == head
    assert ada.git("symbolic-ref", "HEAD").strip() == "refs/heads/idea"
    assert at(hub, C) == "image: c\n"


def test_an_act_keeps_the_state_that_the_hub_wrote_meanwhile(hub: Hub, ada: Person) -> None:
    parent = hub.head()
    assert parent is not None
    hub.refs.commit(parent, {A: state_block.render("image: a\n", running(1))}, "zedops: a\n")
    ada.clone.act({A: b"image: b\n"}, "a: b")
    assert at(hub, A) == state_block.render("image: b\n", running(1)).decode()


def test_an_act_that_is_refused_changes_nothing_anywhere(
    hub: Hub, ada: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    head, here = hub.head(), ada.git("rev-parse", "HEAD")
    with pytest.raises(GitFailed, match="nothing was changed"):
        ada.clone.act({C: b"imge: c\n"}, "c: new")
    said = capfd.readouterr().err
    assert "servers.d/c.yaml:1:1: imge: unknown key; did you mean 'image'?" in said
    assert (hub.head(), ada.git("rev-parse", "HEAD")) == (head, here)
    assert not (ada.folder / C).exists()
    assert ada.git("for-each-ref", "refs/zedops") == ""


def test_an_act_before_the_first_push_says_what_to_do(hub: Hub, tmp_path: Path) -> None:
    person = Person(hub, tmp_path / "x", "Xe")
    with pytest.raises(UsageError, match="push a first commit"):
        person.clone.act({A: b"image: a\n"}, "a: new")


def test_a_fleet_is_read_as_the_hub_had_it_and_as_the_working_copy_has_it(ada: Person) -> None:
    ada.write(A, "image: edited\n")
    ada.write(C, "image: c\n")
    ada.write(".gitignore", "*.swp\n")
    ada.write("servers.d/x.swp", "junk")
    (ada.folder / B).unlink()
    pushed, working = ada.clone.fleet(), ada.clone.working_fleet()
    assert pushed.documents.keys() == {A, B}
    assert working.documents.keys() == {A, C}
    assert working.documents[A].head == "image: edited\n"


def _mess(ada: Person) -> None:
    """Edit a working copy in every way that git tells apart."""
    ada.commit({f"servers.d/{each}.yaml": f"image: {each}\n" for each in "defghijk"}, "more")
    ada.push()
    ada.git("fetch", "-q")
    ada.write(A, "image: edited\n")
    ada.commit({B: "image: committed\n"}, "mine")
    folder = ada.folder / "servers.d"
    (folder / "d.yaml").unlink()
    ada.git("rm", "-q", "servers.d/e.yaml")
    ada.git("rm", "-q", "--cached", "servers.d/f.yaml")  # there still, and new to git
    ada.write(".gitignore", "g.yaml\nignored.yaml\n")
    ada.git("rm", "-q", "--cached", "servers.d/g.yaml")  # there still, and passed over
    ada.write("servers.d/ignored.yaml", "image: a\n")
    ada.git("mv", "servers.d/h.yaml", "servers.d/moved.yaml")
    (folder / "i.yaml").unlink()
    (folder / "i.yaml").symlink_to("/etc/passwd")
    (folder / "j.yaml").unlink()
    (folder / "j.yaml").mkdir()
    ada.write("servers.d/j.yaml/inner.yaml", "image: inner\n")
    ada.write("servers.d/staged.yaml", "image: staged\n")
    ada.git("add", "servers.d/staged.yaml")
    ada.write("servers.d/staged.yaml", "image: staged and edited\n")
    (folder / "latin.yaml").write_bytes(b"image: a\nhostname: caf\xe9\n")
    (folder / "link.yaml").symlink_to("a.yaml")
    ada.write("servers.d/long.yaml", "# " + "x" * (300 << 10))
    ada.write("servers.d/ä 'x'.yaml", "image: a\n")
    ada.write("tombstones.d/deep/t.yaml", "image: t\n")
    ada.write("presets.d/mine.yaml", "about: mine\nimage: m\n")
    ada.write("zedops.yaml", "name: fleet\nretention: 7d\n")
    ada.write("notes.txt", "no part of the fleet\n")


def test_what_git_says_is_edited_is_all_that_differs(ada: Person) -> None:
    _mess(ada)
    repository, name = ada.clone.repository, ada.clone.default_name
    found = edits.edits(repository)
    said = json.dumps({"do": "validate", **found.as_json()}).encode()
    assert Edits.from_json(protocol.read(said)) == found  # the way through the manager's door
    assert {A, B, "servers.d/latin.yaml", "servers.d/link.yaml"} < found.files.keys()
    assert not {"servers.d/k.yaml", "notes.txt", "servers.d/ignored.yaml"} & found.files.keys()
    base, mine = snapshot.edited(repository, name, ada.clone.fleet(), found.base, found.files)
    whole = ada.clone.working_fleet()
    assert base == ada.clone.fleet(ada.git("merge-base", "HEAD", "origin/main").strip())
    assert dict(mine.documents) == dict(whole.documents)
    assert (mine.settings, mine.problems) == (whole.settings, whole.problems)
    assert mine.presets == whole.presets


def test_edits_before_the_first_commit_of_a_clone_are_told_from_the_hubs_main(
    ada: Person, ben: Person
) -> None:
    ben.git("checkout", "-q", "--orphan", "fresh")
    ben.git("rm", "-q", "--cached", B)
    (ben.folder / B).unlink()
    found = edits.edits(ben.clone.repository)
    assert (found.base, found.files) == (ada.git("rev-parse", "origin/main").strip(), {B: None})


def test_a_fleet_is_read_as_of_any_commit(ada: Person) -> None:
    first = ada.git("rev-parse", "HEAD").strip()
    ada.clone.act({A: None}, "a: delete")
    assert ada.clone.fleet(first).documents.keys() == {A, B}
    assert A not in ada.clone.fleet().documents
    with pytest.raises(UsageError, match="knows no 1234567"):
        ada.clone.fleet("1234567")


# --- a clone of any other remote

MORE = "env: {A: b}\nlabels: {c: d}\nhostname: e\n"

@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[Remote, Clone, Path]:
    """Make a fleet on a remote that knows nothing of zedops, a clone, and somebody else's."""
    path = bare(tmp_path)
    git(tmp_path, "clone", "--quiet", str(path), "other")
    other = tmp_path / "other"
    (other / "servers.d").mkdir()
    (other / "zedops.yaml").write_text("name: fleet\n")
    for name in ("a", "b"):
        text = state_block.render(f"image: {name}\n{MORE}user: x\n", running(ord(name)))
        (other / f"servers.d/{name}.yaml").write_bytes(text)
    push_all(other)
    return Remote(path, str(path)), Clone.make(str(path), tmp_path / "mine"), other


def push_all(folder: Path) -> None:
    """Commit and push all that is there."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "others")
    git(folder, "push", "--quiet", "origin", "HEAD:main")


def test_an_act_that_is_behind_is_made_anew_on_what_others_pushed(
    elsewhere: tuple[Remote, Clone, Path],
) -> None:
    remote, mine, other = elsewhere
    mine.fetch()
    stopped = running(ord("a"), status=Status.STOPPED)
    newer = state_block.render(f"image: a\n{MORE}user: y\n", stopped)
    (other / A).write_bytes(newer)
    push_all(other)
    edit = state_block.render(f"image: new\n{MORE}user: x\n", running(ord("a")))
    made = mine.act({A: edit}, "a: new image", ("allow-delete=a",))
    assert remote.git("rev-parse", "main").strip() == made
    assert remote.show(A).encode() == newer.replace(b"image: a", b"image: new")
    message = remote.git("log", "-1", "--format=%an: %B", "main")
    assert message.strip() == "Ada: a: new image\n\nZedops-Allow-Delete: a"
    assert remote.is_never_forced()


def test_an_act_on_what_somebody_else_changed_is_refused_with_its_place(
    elsewhere: tuple[Remote, Clone, Path],
) -> None:
    remote, mine, other = elsewhere
    mine.fetch()
    (other / A).write_text("image: theirs\nuser: x\n")
    push_all(other)
    with pytest.raises(InvalidInput, match=r"servers.d/a.yaml: another push changed"):
        mine.act({A: b"image: mine\nuser: x\n"}, "a: mine")
    assert remote.show(A) == "image: theirs\nuser: x\n"


def test_where_states_have_a_branch_acts_leave_no_state_on_main(
    elsewhere: tuple[Remote, Clone, Path],
) -> None:
    remote, mine, other = elsewhere
    (other / "zedops.yaml").write_text("name: fleet\nstate_branch: states\n")
    push_all(other)
    grave = "tombstones.d/c.yaml"
    (other / "tombstones.d").mkdir()
    (other / grave).write_bytes(state_block.render("image: c\n", running(3)))
    git(other, "add", "--all")
    git(other, "commit", "--quiet", "-m", "states")
    git(other, "push", "--quiet", "origin", "HEAD:states")
    mine.fetch()
    assert {A, B, grave} == mine.fleet().documents.keys()
    mine.act({A: state_block.render("image: new\n", running(ord("a")))}, "a: new image")
    assert remote.show(A) == "image: new\n"
    main = remote.git("rev-parse", "main")
    mine.act({grave: None}, "c: purge")
    assert remote.git("rev-parse", "main") == main
    assert remote.show(grave, "states") == ""
    assert mine.fleet().documents.keys() == {A, B}


def test_a_push_that_the_remote_forbids_says_so_and_changes_nothing(
    elsewhere: tuple[Remote, Clone, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    remote, mine, _ = elsewhere
    hook = remote.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'main is protected: open a pull request'; exit 1\n")
    hook.chmod(0o755)
    mine.fetch()
    before = remote.git("rev-parse", "main")
    with pytest.raises(GitFailed, match="git push"):
        mine.act({C: b"image: c\n"}, "c: new")
    assert "main is protected: open a pull request" in capfd.readouterr().err
    assert remote.git("rev-parse", "main") == before


def test_a_server_in_a_folder_is_found_by_its_name_alone(hub: Hub, ada: Person) -> None:
    ada.commit({"servers.d/eu/deep/d.yaml": "image: d\n", "servers.d/us/b2.yaml": "image: e\n"})
    ada.push()
    ada.clone.fetch()
    assert set(ada.clone.read_server("d").documents) == {"servers.d/eu/deep/d.yaml"}
    assert set(ada.clone.read_server("b").documents) == {B}
    assert not ada.clone.read_server("deep").documents


def test_a_deleted_server_is_known_to_come_from_its_folder(hub: Hub, ada: Person) -> None:
    path = "servers.d/eu/deep/d.yaml"
    ada.commit({path: "image: d\n"})
    ada.push()
    ada.commit({path: None})
    ada.push()
    ada.clone.fetch()
    assert ada.clone.last_place("d") == path
    assert ada.clone.last_place("never") == "servers.d/never.yaml"


def test_a_push_and_a_look_before_it_warn_of_what_only_looks_like_a_definition(
    hub: Hub, ada: Person
) -> None:
    ada.write("servers.d/x.yaml.txt", "image: x\n")
    ada.write("y.yaml", "image: y\n")
    assert set(ada.clone.suspects()) == {"servers.d/x.yaml.txt", "y.yaml"}
    assert set(edits.edits(ada.clone.repository).files) == {"servers.d/x.yaml.txt", "y.yaml"}
    ada.git("add", "--all")
    ada.git("commit", "-qm", "two that are none")
    said = ada.push()
    assert "warning: servers.d/x.yaml.txt: looks like a definition, but" in said
    assert "git mv y.yaml servers.d/y.yaml" in said
