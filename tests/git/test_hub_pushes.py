"""Pushes to a real hub without a running manager: the hooks check and merge on their own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.git.people import Person
from tests.pure.fleets import running
from zedops.errors import RaceLost, UsageError
from zedops.hub import hook
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN, SEEN
from zedops.spec import state_block
from zedops.spec.state import State, Status

A, B = "servers.d/a.yaml", "servers.d/b.yaml"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """Make an empty hub."""
    return Hub.create(tmp_path / "my fleet.git")


@pytest.fixture
def ada(hub: Hub, tmp_path: Path) -> Person:
    """Give Ada a clone, with a fleet of one server pushed."""
    ada = Person(hub, tmp_path / "ada", "Ada")
    ada.begin({"zedops.yaml": "name: fleet\n", A: "image: a\n"})
    ada.git("branch", "-q", "--set-upstream-to=origin/main")
    return ada


@pytest.fixture
def ben(hub: Hub, ada: Person, tmp_path: Path) -> Person:
    """Give Ben a clone of the same fleet."""
    return Person(hub, tmp_path / "ben", "Ben")


def at(hub: Hub, path: str) -> str | None:
    """Read a file on main."""
    entry = hub.repository.tree(MAIN).get(path)
    return hub.repository.objects.blobs([entry.blob])[entry.blob].decode() if entry else None


def report(hub: Hub, path: str, head: str, state: State) -> None:
    """Commit a state as a manager does."""
    parent = hub.head()
    assert parent is not None
    hub.refs.commit(parent, {path: state_block.render(head, state)}, "zedops: state\n")


# --- the hub itself


def test_a_definition_that_no_state_answers_is_found_with_the_commit_that_asks_for_it(
    hub: Hub, ada: Person
) -> None:
    first = ada.git("rev-parse", "--short", "HEAD").strip()
    state = running(1, commit=first)
    report(hub, A, "image: a\n", state)
    ada.git("pull", "-q")
    ada.commit({A: "# a comment\n" + ada.read(A)})
    ada.push()
    ada.git("pull", "-q")

    def unanswered() -> dict[str, str]:
        head = hub.head()
        assert head is not None
        return hub.history.unanswered(head, hub.read_fleet(head)[0].servers())

    assert unanswered() == {}
    ada.commit({A: ada.read(A).replace("image: a", "image: new")})
    ada.push()
    report(hub, A, "# a comment\nimage: new\n", state)  # of something else, as it happens
    asked = ada.git("rev-parse", "--short", "HEAD").strip()
    assert unanswered() == {A: asked}
    report(hub, A, "# a comment\nimage: new\n", running(1, commit=asked))
    assert unanswered() == {}


def test_a_hub_is_a_bare_repository_with_its_hooks(hub: Hub) -> None:
    assert Hub.is_hub(hub.path)
    assert hub.head() is None
    assert hub.repository.run("config", "core.bare") == "true"
    assert hub.repository.run("config", "receive.denyNonFastForwards") == "true"
    assert all((hub.path / "hooks" / name).stat().st_mode & 0o111 for name in hook.NAMES)


def test_a_hub_is_never_made_over_something_else(hub: Hub) -> None:
    with pytest.raises(UsageError, match="exists already; choose another name"):
        Hub.create(hub.path)


def test_another_repository_is_no_hub(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "x")], check=True)
    assert not Hub.is_hub(tmp_path / "x")
    assert not Hub.is_hub(tmp_path / "nothing")


def test_equipping_a_hub_again_changes_nothing(hub: Hub) -> None:
    def everything() -> dict[str, str]:
        files = [hub.path / "config", *(hub.path / "hooks").iterdir()]
        return {each.name: each.read_text() for each in files if each.is_file()}

    before = everything()
    hub.equip()
    assert everything() == before


def test_equipping_a_hub_brings_its_hooks_up_to_date(hub: Hub) -> None:
    pre_receive = hub.path / "hooks" / "pre-receive"
    for name in ("zedops-hook.py", "zedops_hook.py", "pre-receive"):
        (hub.path / "hooks" / name).write_text("# zedops 0.0.1\n")
    pre_receive.chmod(0o644)
    hub.equip()
    assert not (hub.path / "hooks" / "zedops-hook.py").exists()
    assert "def main(" in (hub.path / "hooks" / "zedops_hook.py").read_text()
    assert sys.executable in pre_receive.read_text()
    assert pre_receive.stat().st_mode & 0o111
    assert not list((hub.path / "hooks").glob("*.new"))


def test_each_start_of_a_manager_counts_one_up(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # an epoch is not behind the clock either
    first = hub.refs.begin_epoch()
    assert hub.refs.is_current_epoch()
    assert hub.refs.begin_epoch() == first + 1
    hub.repository.run("pack-refs", "--all")
    assert hub.refs.is_current_epoch()


def test_a_manager_whose_time_is_over_cannot_commit(hub: Hub, ada: Person) -> None:
    head = hub.head()
    assert head is not None
    hub.refs.begin_epoch()
    other = Hub(hub.path)
    other.refs.begin_epoch()
    assert not hub.refs.is_current_epoch()
    with pytest.raises(RaceLost):
        hub.refs.commit(head, {A: b"image: b\n"}, "zedops: from the grave\n")
    assert hub.head() == head
    assert other.refs.commit(head, {A: b"image: b\n"}, "zedops: alive\n") == hub.head()


def test_a_manager_whose_time_is_over_cannot_move_what_was_seen(hub: Hub, ada: Person) -> None:
    old = hub.head()
    assert old is not None
    hub.refs.see(old)  # before the first epoch
    assert hub.refs.seen() == old
    hub.refs.begin_epoch()
    other = Hub(hub.path)
    other.refs.begin_epoch()
    new = other.refs.commit(old, {A: b"image: b\n"}, "zedops: alive\n")
    with pytest.raises(RaceLost):
        hub.refs.see(old)
    assert hub.refs.seen() == new
    other.refs.see(old)
    hub.repository.run("pack-refs", "--all")
    other.refs.see(new)
    assert hub.refs.seen() == new


def test_the_head_is_found_also_after_refs_were_packed(hub: Hub, ada: Person) -> None:
    head = hub.head()
    hub.repository.run("pack-refs", "--all")
    assert hub.head() == head is not None


def test_a_state_is_committed_with_what_was_seen_or_not_at_all(hub: Hub, ada: Person) -> None:
    parent = hub.head()
    assert parent is not None
    new = hub.refs.commit(parent, {A: b"image: a\n\n"}, "zedops: x\n")
    assert (hub.head(), hub.refs.seen()) == (new, new)
    with pytest.raises(RaceLost):
        hub.refs.commit(parent, {A: b"image: b\n"}, "zedops: late\n")
    assert (hub.head(), hub.refs.seen()) == (new, new)
    assert hub.repository.run("log", "-1", "--format=%an %ae") == "zedops zedops@localhost"


def test_the_commit_behind_a_change_is_the_newest_by_a_person(hub: Hub, ada: Person) -> None:
    before = hub.head()
    first = ada.commit({A: "image: b\n", B: "image: b\n"})
    second = ada.commit({A: "image: c\n"})
    ada.push()
    report(hub, A, "image: c\n", running(1))
    head = hub.head()
    assert before is not None
    assert head is not None
    found = hub.history.authors(before, head)
    assert second.startswith(found[A])
    assert first.startswith(found[B])


# --- pushes that pass


def test_a_first_push_fills_an_empty_hub(hub: Hub, tmp_path: Path) -> None:
    person = Person(hub, tmp_path / "x", "Xe")
    made = person.commit({"zedops.yaml": "name: fleet\n", A: "image: a\n"})
    said = person.push()
    assert hub.head() == made
    assert "no manager is running, so no host gets it: run `zedops up`" in said


def test_a_first_push_to_main_itself_fills_an_empty_hub_too(hub: Hub, tmp_path: Path) -> None:
    person = Person(hub, tmp_path / "x", "Xe")
    made = person.commit({A: "image: a\n"})
    person.push("origin", "HEAD:main")
    assert hub.head() == made


def test_a_plain_push_goes_to_main_as_it_is_where_nobody_was_faster(hub: Hub, ada: Person) -> None:
    made = ada.commit({A: "image: b\n"})
    ada.push()
    assert hub.head() == made


def test_a_push_to_main_itself_works(hub: Hub, ada: Person) -> None:
    made = ada.commit({A: "image: b\n"})
    ada.push("origin", "HEAD:main")
    assert hub.head() == made


def test_a_push_that_is_behind_is_merged_with_what_happened_meanwhile(
    hub: Hub, ada: Person
) -> None:
    report(hub, A, "image: a\n", running(1))
    mine = ada.commit({A: "image: b\n", "README.md": "hello\n"}, "better")
    ada.push()
    assert at(hub, A) == state_block.render("image: b\n", running(1)).decode()
    assert at(hub, "README.md") == "hello\n"
    shown = hub.repository.run("log", "-1", "--format=%an|%cn|%s|%P", MAIN)
    assert shown.startswith("Ada|zedops|Merge: better|")
    assert shown.endswith(mine)


def test_a_pull_after_such_a_push_is_a_fast_forward_that_keeps_the_commit(
    hub: Hub, ada: Person
) -> None:
    report(hub, A, "image: a\n", running(1))
    mine = ada.commit({A: "image: b\n"})
    ada.push()
    ada.git("pull", "-q", "--ff-only")
    assert ada.git("rev-parse", "HEAD").strip() == hub.head()
    assert mine in ada.git("rev-list", "HEAD")
    assert ada.git("status", "--porcelain") == ""


def test_two_people_at_once_are_both_taken_in(hub: Hub, ada: Person, ben: Person) -> None:
    ada.commit({A: "image: b\n"})
    ben.commit({B: "image: b\n"})
    ada.push()
    ben.push()
    assert (at(hub, A), at(hub, B)) == ("image: b\n", "image: b\n")


def test_two_people_on_different_lines_of_one_file_are_both_taken_in(
    hub: Hub, ada: Person, ben: Person
) -> None:
    text = "image: a\n\nenv:\n  A: one\n\nlabels: {}\n"
    ada.commit({A: text})
    ada.push()
    ben.git("pull", "-q")
    ada.commit({A: text.replace("image: a", "image: b")})
    ben.commit({A: text.replace("labels: {}", "labels: {a: b}")})
    ada.push()
    ben.push()
    assert at(hub, A) == text.replace("image: a", "image: b").replace("{}", "{a: b}")


def test_a_deletion_is_taken_in_although_the_state_moved_on(hub: Hub, ada: Person) -> None:
    report(hub, A, "image: a\n", running(1))
    ada.commit({A: None})
    ada.push()
    assert at(hub, A) is None


def test_a_rename_is_taken_in_although_the_state_moved_on(hub: Hub, ada: Person) -> None:
    report(hub, A, "image: a\n", running(1))
    ada.git("pull", "-q")
    report(hub, A, "image: a\n", running(1, status=Status.STOPPED))
    ada.git("mv", A, B)
    ada.commit({}, "rename")
    ada.push()
    assert at(hub, A) is None
    assert at(hub, B) == state_block.render("image: a\n", running(1)).decode()


def test_pushing_again_what_is_there_already_changes_nothing(hub: Hub, ada: Person) -> None:
    ada.commit({A: "image: b\n"})
    ada.push()
    report(hub, A, "image: b\n", running(1))
    head = hub.head()
    ada.push()
    assert hub.head() == head


def test_paths_that_git_would_quote_are_merged_too(hub: Hub, ada: Person) -> None:
    report(hub, A, "image: a\n", running(1))
    ada.commit({'docs/ü "x" \\ y.md': "hello\n"})
    ada.push()
    assert at(hub, 'docs/ü "x" \\ y.md') == "hello\n"


# --- pushes that do not


def test_a_bad_definition_is_refused_with_every_problem_and_nothing_is_changed(
    hub: Hub, ada: Person
) -> None:
    head = hub.head()
    ada.commit({A: "imge: a\nstop: {grace: 5}\n", B: "image: b\nhost: nowhere\n", "x.md": "x"})
    said = ada.push(fails=True)
    for line in (
        "servers.d/a.yaml:1:1: image: is required; add it",
        "servers.d/a.yaml:1:1: imge: unknown key; did you mean 'image'?",
        "servers.d/a.yaml:2:8: stop.grace: 5 is not a duration; write a number with a unit",
        "servers.d/b.yaml:2:1: host: 'nowhere' is not a host of this fleet",
        "refused: 4 problems, nothing was changed",
    ):
        assert f"remote: {line}" in said
    assert hub.head() == head
    assert "! [remote rejected]" in said


def test_a_bad_definition_is_refused_on_main_itself_too(hub: Hub, ada: Person) -> None:
    head = hub.head()
    ada.commit({A: "image: [\n"})
    assert "refused: 1 problem, nothing was changed" in ada.push("origin", "HEAD:main", fails=True)
    assert hub.head() == head


def test_a_bad_first_push_leaves_the_hub_empty(hub: Hub, tmp_path: Path) -> None:
    person = Person(hub, tmp_path / "x", "Xe")
    person.commit({A: "nonsense\n"})
    assert "not a mapping" in person.push(fails=True)
    assert hub.head() is None


def test_a_port_that_somebody_took_meanwhile_is_refused_by_name(
    hub: Hub, ada: Person, ben: Person
) -> None:
    ada.commit({A: "image: a\nports: {x: 2000}\n"})
    ben.commit({B: "image: b\nports: {x: 2000}\n"})
    ada.push()
    said = ben.push(fails=True)
    assert "host port 2000/tcp is also used by 'a' (servers.d/a.yaml:2); choose another" in said
    assert at(hub, B) is None


def test_the_same_lines_changed_by_two_people_are_a_conflict_by_name(
    hub: Hub, ada: Person, ben: Person
) -> None:
    ada.commit({A: "image: b\n"})
    ben.commit({A: "image: c\n", "notes.md": "x\n"})
    ada.push()
    said = ben.push(fails=True)
    assert (
        "servers.d/a.yaml: another push changed the same lines;"
        " run `git pull`, resolve the conflict and push again"
    ) in said
    assert (at(hub, A), at(hub, "notes.md")) == ("image: b\n", None)


def test_a_server_that_was_changed_meanwhile_is_not_deleted(
    hub: Hub, ada: Person, ben: Person
) -> None:
    ada.commit({A: "image: b\n"})
    ben.commit({A: None})
    ada.push()
    assert "deleted here, but another push changed it" in ben.push(fails=True)
    assert at(hub, A) == "image: b\n"


def test_every_bad_file_of_an_odd_name_is_refused(hub: Hub, ada: Person) -> None:
    head = hub.head()
    ada.commit({"servers.d/Big Name.yaml": "image: a\n", "servers.d/x.yml": "image: a\n"})
    said = ada.push(fails=True)
    assert "'Big Name' cannot be a server's name" in said
    assert "definitions end in .yaml; rename it to x.yaml" in said
    assert hub.head() == head


def test_a_link_is_refused(hub: Hub, ada: Person) -> None:
    (ada.folder / B).symlink_to("/etc/passwd")
    ada.commit({})
    assert "servers.d/b.yaml: a symbolic link; commit a plain file" in ada.push(fails=True)


def test_broken_settings_are_refused(hub: Hub, ada: Person) -> None:
    ada.commit({"zedops.yaml": "hosts: []\n"})
    assert "zedops.yaml:1:1: hosts: " in ada.push(fails=True)


@pytest.mark.parametrize("ref", [SEEN, "refs/zedops/import/x"])
def test_the_refs_of_zedops_are_its_own(hub: Hub, ada: Person, ref: str) -> None:
    said = ada.push("origin", f"HEAD:{ref}", fails=True)
    assert f"{ref}: belongs to zedops itself; push to main" in said
    assert hub.repository.resolve(ref) is None


def test_another_branch_for_review_is_refused(ada: Person) -> None:
    said = ada.push("origin", "HEAD:refs/for/release", fails=True)
    assert "refs/for/release: is no branch of a fleet; push to refs/for/main" in said


@pytest.mark.parametrize("arguments", [[], ["--force"]])
def test_history_is_never_rewritten(hub: Hub, ada: Person, arguments: list[str]) -> None:
    ada.commit({A: "image: b\n"})
    ada.push("origin", "HEAD:main")
    head = hub.head()
    ada.git("reset", "-q", "--hard", "HEAD~1")
    ada.commit({A: "image: a\n# other\n"}) if arguments else ada.commit({B: "image: c\n"})
    ada.push(*arguments, "origin", "HEAD:main", fails=True)
    assert hub.head() == head


def test_main_cannot_be_deleted(hub: Hub, ada: Person) -> None:
    head = hub.head()
    ada.push("origin", ":main", fails=True)
    assert hub.head() == head


def test_a_history_of_another_repository_is_refused(hub: Hub, ada: Person) -> None:
    head = hub.head()
    ada.git("checkout", "-q", "--orphan", "other")
    ada.commit({A: "image: b\n"})
    assert "nothing in common with the fleet's; clone the fleet" in ada.push(fails=True)
    assert hub.head() == head


def test_a_manager_that_hangs_up_fails_the_push_closed(hub: Hub, ada: Person) -> None:
    import socket
    import threading

    # the path of a socket has at most 107 bytes: reach it from within the hub, as the hook does
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link = Path("/tmp") / f"zedops-{hub.path.stat().st_ino}.sock"  # noqa: S108
    server.bind(str(link))
    (hub.runtime / "manager.sock").symlink_to(link)
    server.listen()

    def hang_up() -> None:  # first on what a hook lends, then on what it says
        for _ in range(2):
            connection, _ = server.accept()
            connection.recv(1)
            connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    head = hub.head()
    ada.commit({A: "image: b\n"})
    try:
        said = ada.push(fails=True)
    finally:
        thread.join()
        server.close()
        link.unlink()
    assert "the manager went away while checking; push again" in said
    assert "Traceback" not in said
    assert hub.head() == head
