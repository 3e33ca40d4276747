"""Who may do what: signatures and rights, held against real pushes, and against an upstream."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git.keys import Gpg, allowed, sign_with_ssh, ssh_key
from tests.git.people import Person
from tests.git.test_hub_pushes import at
from tests.git.test_intake import Pair
from tests.pure.fleets import running, server_id
from tests.remotes import git as plain_git
from zedops.errors import GitFailed
from zedops.fleet.access import OPENPGP_KEYS, SSH_KEYS
from zedops.hub.hub import Hub
from zedops.hub.upstream import BranchContent
from zedops.spec import state_block
from zedops.spec.state import Status
from zedops.spec.state_block import GOES_ON

MINE, YOURS, NEW = "servers.d/mc-one.yaml", "servers.d/pz.yaml", "servers.d/mc-new.yaml"
RULES = """name: fleet
people:
  ada@example.org: {may: [change, delete, purge, settings]}
  ben@example.org: {paths: ["servers.d/mc-*"]}
"""
MORE = RULES.replace('{paths: ["servers.d/mc-*"]}', "{may: [change, settings]}")
ALL_FILES = RULES.replace('{paths: ["servers.d/mc-*"]}', "{may: [change]}")
PRESET = "image: x\n"


@pytest.fixture
def ada(hub: Hub, tmp_path: Path) -> Person:
    """Give Ada a fleet of two servers where she may do everything, and Ben a little."""
    ada = Person(hub, tmp_path / "ada", "Ada")
    keys = {name: ssh_key(tmp_path, name) for name in ("ada", "ben")}
    sign_with_ssh(ada, keys["ada"])
    ada.commit({"zedops.yaml": RULES, SSH_KEYS: allowed(**keys),
                MINE: "image: a\n", YOURS: "image: b\n"}, "begin")
    ada.push()
    report(hub)
    ada.git("pull", "-q", "origin", "main")
    ada.git("branch", "-q", "--set-upstream-to=origin/main")
    return ada


@pytest.fixture
def ben(hub: Hub, ada: Person, tmp_path: Path) -> Person:
    """Give Ben a clone and his key."""
    ben = Person(hub, tmp_path / "ben", "Ben")
    sign_with_ssh(ben, tmp_path / "ben.key.pub")
    return ben


@pytest.fixture
def gpg(tmp_path: Path) -> Iterator[Gpg]:
    """Make a keyring of a person's own."""
    gpg = Gpg(tmp_path / "gnupg")
    yield gpg
    gpg.close()


def report(hub: Hub) -> None:
    """Commit states as a manager does."""
    head = hub.head()
    assert head is not None
    files: dict[str, bytes | None] = {
        path: state_block.render(state_block.split(at(hub, path) or "")[0], running(number))
        for number, path in enumerate((MINE, YOURS), 1)
    }
    hub.refs.commit(head, files, "states\n")


def test_whoever_may_does(hub: Hub, ada: Person, ben: Person) -> None:
    ben.commit({MINE: ben.read(MINE).replace("image: a", "image: c"), NEW: "image: n\n"})
    ben.push()
    assert "image: c" in (at(hub, MINE) or "")
    assert at(hub, NEW) == "image: n\n"
    ada.commit({YOURS: None, "presets.d/own.yaml": PRESET})  # while the hub moved on
    ada.push()
    assert at(hub, YOURS) is None


def test_an_unsigned_commit_is_refused_with_the_way_to_sign_it(hub: Hub, ben: Person) -> None:
    before = hub.head()
    ben.git("config", "commit.gpgsign", "false")
    commit = ben.commit({MINE: "image: z\n"})
    said = ben.push(fails=True)
    assert f"commit {commit[:7]} is not signed; sign it: `git commit --amend --no-edit -S`" in said
    assert hub.head() == before
    ben.git("commit", "--amend", "--no-edit", "-q", "-S")
    ben.push()


def test_a_key_that_the_fleet_does_not_know_is_nobodys(ben: Person, tmp_path: Path) -> None:
    sign_with_ssh(ben, ssh_key(tmp_path, "eve"))
    ben.commit({MINE: "image: z\n"})
    assert f"is signed with a key that is not in {SSH_KEYS}" in ben.push(fails=True)
    # bringing one's own key along does not help
    ben.commit({SSH_KEYS: allowed(ben=tmp_path / "eve.key.pub")})
    assert f"is signed with a key that is not in {SSH_KEYS}" in ben.push(fails=True)


def test_what_somebody_may_not_do_is_refused_with_whom_to_ask(hub: Hub, ben: Person) -> None:
    before = hub.head()
    whole = "change the fleet's settings"
    files: dict[str, tuple[str | None, str]] = {
        YOURS: ("image: z\n", "change it"),
        MINE: (None, "delete it"),
        "servers.d/pz-new.yaml": ("image: z\n", "change it"),
        "zedops.yaml": (RULES.replace("{paths", "{may: [settings], paths"), whole),
        "presets.d/own.yaml": (PRESET, whole),
        SSH_KEYS: ("", whole),
        "README.md": ("mine\n", "change it"),
    }
    commit = ben.commit({path: text for path, (text, _) in files.items()})
    told = ben.push(fails=True)
    for path, (_, verb) in files.items():
        line = f"{path}: ben@example.org may not {verb} (commit {commit[:7]}); ask ada@example.org"
        assert line in told
    assert hub.head() == before


def test_the_id_of_another_server_takes_nothing_from_it(hub: Hub, ben: Person) -> None:
    theirs = at(hub, YOURS)
    ben.commit({MINE: state_block.render("image: mine\n", running(2)).decode()})
    ben.push()
    assert at(hub, YOURS) == theirs
    ben.commit({MINE: state_block.render("image: mine\n", running(2)).decode(), YOURS: None})
    assert "ben@example.org may not" in ben.push(fails=True)
    assert at(hub, YOURS) == theirs


def test_a_rename_is_a_change_of_both_names(hub: Hub, ben: Person) -> None:
    text = ben.read(MINE)
    ben.commit({MINE: None, "servers.d/mc-two.yaml": text})
    ben.push()
    assert at(hub, MINE) is None
    ben.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    text = ben.read("servers.d/mc-two.yaml")
    ben.commit({"servers.d/mc-two.yaml": None, "servers.d/other.yaml": text})
    assert "servers.d/other.yaml: ben@example.org may not change it" in ben.push(fails=True)


def test_who_merges_answers_for_what_they_merge(hub: Hub, ada: Person, ben: Person) -> None:
    ben.git("config", "commit.gpgsign", "false")
    ben.commit({YOURS: ben.read(YOURS).replace("image: b", "image: bens")})
    ada.git("fetch", "-q", str(ben.folder), "HEAD")
    ada.git("merge", "-q", "--no-ff", "-S", "-m", "take Ben's", "FETCH_HEAD")
    ada.push()
    assert "image: bens" in (at(hub, YOURS) or "")


def test_a_merge_that_drops_what_others_did_is_refused(hub: Hub, ada: Person, ben: Person) -> None:
    ada.commit({YOURS: ada.read(YOURS).replace("image: b", "image: hers")})
    ada.push()
    ben.commit({MINE: ben.read(MINE).replace("image: a", "image: his")})
    ben.git("fetch", "-q", "origin")
    ben.git("merge", "-q", "-s", "ours", "-m", "mine only", "origin/main")
    told = ben.push(fails=True)
    assert f"{YOURS}: ben@example.org may not change it" in told
    assert "image: hers" in (at(hub, YOURS) or "")


def test_openpgp_signatures_count_by_address_or_fingerprint(
    hub: Hub, ada: Person, ben: Person, gpg: Gpg
) -> None:
    keyring = gpg.make("gus")
    ada.commit({OPENPGP_KEYS: keyring, "zedops.yaml": RULES + "  gus@example.org: {}\n"})
    ada.push()
    gpg.sign(ben, "gus")
    ben.commit({YOURS: ben.read(YOURS).replace("image: b", "image: gus")})
    ben.push()
    assert "image: gus" in (at(hub, YOURS) or "")
    ben.commit({"presets.d/own.yaml": PRESET})
    assert "gus@example.org may not change the fleet's settings" in ben.push(fails=True)


@pytest.mark.parametrize(("text", "said"), [
    ("name: fleet\nrequire_signatures: true\n",
     "require_signatures: the fleet has no key to verify signatures with"),
    ("name: fleet\npeople: {a@b: {may: [change]}}\n",
     "no person may change the settings; give one `may: [settings]`"),
])  # fmt: skip
def test_rules_that_would_shut_everybody_out_are_refused(
    hub: Hub, tmp_path: Path, text: str, said: str
) -> None:
    ada = Person(hub, tmp_path / "a", "Ada")
    ada.commit({"zedops.yaml": "name: fleet\n"})
    ada.push()
    ada.commit({"zedops.yaml": text})
    assert said in ada.push(fails=True)


def test_keys_that_are_taken_away_while_they_are_needed_are_refused(ada: Person) -> None:
    ada.commit({SSH_KEYS: None})
    assert "the fleet has no key to verify signatures with" in ada.push(fails=True)


def test_a_keyring_that_is_none_lets_nobody_in(hub: Hub, ada: Person) -> None:
    ada.commit({OPENPGP_KEYS: "nonsense\n"})
    ada.push()  # hers is another kind of key; from now on the keyring is in the way
    ada.commit({YOURS: "image: z\n"})
    assert OPENPGP_KEYS in ada.push(fails=True)


# --- ways round


def test_no_object_is_put_in_another_ones_place(hub: Hub, ben: Person) -> None:
    blob = ben.git("rev-parse", f"origin/main:{YOURS}").strip()
    ben.write("mine", "image: mine\n")
    mine = ben.git("hash-object", "-w", "mine").strip()
    said = ben.push("origin", f"{mine}:refs/replace/{blob}", fails=True)
    assert "is neither a branch nor a tag" in said
    # nor by one that was there before
    plain_git(hub.path, "fetch", "-q", str(ben.folder), "HEAD")
    other = plain_git(hub.path, "hash-object", "-w", str(ben.folder / "mine")).strip()
    plain_git(hub.path, "update-ref", f"refs/replace/{blob}", other)
    assert (at(hub, YOURS) or "").startswith("image: b\n")


def test_a_signature_written_differently_does_nothing_anew(
    hub: Hub, ada: Person, ben: Person
) -> None:
    ada.commit({"zedops.yaml": MORE})
    ada.push()
    ben.git("fetch", "-q", "origin")
    signed = ben.git("cat-file", "commit", "origin/main")
    ada.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    ada.commit({"zedops.yaml": RULES})
    ada.push()
    end = "-----END SSH SIGNATURE-----\n"
    ben.write("copy", signed.replace(end, f"{end} \n"))
    copy = ben.git("hash-object", "-t", "commit", "-w", "copy").strip()
    said = ben.push("origin", f"{copy}:refs/for/main", fails=True)
    assert f"commit {copy[:7]} is a copy of one that main has" in said
    assert at(hub, "zedops.yaml") == RULES


def test_a_key_that_has_expired_signs_nothing_that_says_it_is_older(
    ada: Person, ben: Person
) -> None:
    for bound in ('valid-before="20260101"', 'valid-before="20260101Z"', 'valid-after="20900101"'):
        keys = ada.read(SSH_KEYS).splitlines(keepends=True)
        keys[1] = f'ben@example.org namespaces="git",{bound} {keys[1].partition(" ")[2][17:]}'
        ada.commit({SSH_KEYS: "".join(keys)})
        ada.push()
        ben.git("pull", "-q", "--rebase", "origin", "main")
        ben.write(MINE, f"image: z\n# {bound}\n")
        date = "2095-06-01" if "after" in bound else "2025-06-01"
        env = {**os.environ, "GIT_COMMITTER_DATE": f"{date}T00:00:00Z"}
        subprocess.run(["git", "commit", "-qam", "x"], cwd=ben.folder, env=env, check=True)
        assert f"is signed with a key that is not in {SSH_KEYS}" in ben.push(fails=True)
        ben.git("reset", "-q", "--hard", "origin/main")
        ada.git("pull", "-q", "--rebase", "origin", "main")


def test_a_folder_never_takes_a_files_place(hub: Hub, ada: Person, ben: Person) -> None:
    ada.commit({NEW: "image: n\n"})
    ada.push()
    ben.commit({f"{NEW}/mc-x.yaml": "image: y\n"})  # main has a file there by now
    assert f"{NEW}/mc-x.yaml: conflicts with {NEW}, which main has" in ben.push(fails=True)
    assert at(hub, NEW) == "image: n\n"


def test_a_folder_in_the_place_of_keys_is_a_change_of_them(ada: Person, ben: Person) -> None:
    ada.commit({"zedops.yaml": ALL_FILES})
    ada.push()
    ben.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    ben.commit({f"{OPENPGP_KEYS}/x": "x\n"})
    assert "may not change the fleet's settings" in ben.push(fails=True)
    ada.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    ada.commit({f"{OPENPGP_KEYS}/x": "x\n"})
    ada.push()
    ada.commit({"README.md": "and everything goes on\n"})
    ada.push()


def test_a_deleted_server_is_restored_by_who_may_change_it(
    hub: Hub, ada: Person, ben: Person
) -> None:
    text, head = ada.read(YOURS), hub.head()
    assert head is not None
    deleted = running(2, status=Status.DELETED, deleted_at=running(2).since)
    grave = "tombstones.d/pz.yaml"
    kept = state_block.render("image: b\n", deleted)
    hub.refs.commit(head, {YOURS: None, grave: kept}, "deleted\n")
    ben.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    ben.commit({NEW: text})
    said = ben.push(fails=True)
    assert f"{NEW}: ben@example.org may not take over {grave}" in said
    ben.commit({grave: None})
    assert f"{NEW}: ben@example.org may not take over {grave}" in ben.push(fails=True)
    ben.git("reset", "-q", "--hard", "origin/main")
    ben.commit({"tombstones.d/pz-2.yaml": state_block.render("image: b\n", running(7)).decode()})
    assert "tombstones.d/pz-2.yaml: ben@example.org may not delete it" in ben.push(fails=True)


def test_no_states_are_edited_to_make_other_servers_of_them(hub: Hub, ben: Person) -> None:
    text = ben.read(YOURS)
    for other in (state_block.split(text)[0], text.replace(running(2).id, running(99).id)):
        ben.commit({YOURS: other})
        assert f"{YOURS}: ben@example.org may not change it" in ben.push(fails=True)
    ben.git("reset", "-q", "--hard", "origin/main")
    # without its state a server is the same one, also before a manager has put it back
    ben.commit({MINE: state_block.split(ben.read(MINE))[0]})
    ben.push()
    ben.commit({MINE: None})
    assert f"{MINE}: ben@example.org may not delete it" in ben.push(fails=True)
    assert at(hub, MINE)


def test_more_commits_than_can_be_checked_in_time_are_refused(ben: Person) -> None:
    begin = "".join(
        f"commit refs/heads/many\ncommitter B <b@b> {at_s} +0000\ndata 1\nx\n"
        + ("from refs/heads/main^0\n" if at_s == 1 else "") for at_s in range(1, 502)
    )  # fmt: skip
    subprocess.run(["git", "fast-import", "--quiet"], cwd=ben.folder, input=begin, text=True,
                   check=True)
    said = ben.push("origin", "many:refs/for/main", fails=True)
    assert "501 commits, more than the 500 that are checked" in said


# --- an upstream


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Begin the same fleet on an upstream; what follows is signed by Ben unless said otherwise."""
    pair = Pair(tmp_path)
    keys = {name: ssh_key(tmp_path, name) for name in ("ada", "ben")}
    pair.push({"zedops.yaml": RULES, SSH_KEYS: allowed(**keys),
               MINE: "image: a\n", YOURS: "image: b\n"}, "begin")
    pair.take()
    pair.report(MINE, YOURS)
    pair.send()
    plain_git(pair.person, "pull", "-q", "origin", "main")
    for key, value in (("gpg.format", "ssh"), ("commit.gpgsign", "true"),
                       ("user.signingkey", str(tmp_path / "ben.key.pub"))):
        plain_git(pair.person, "config", key, value)
    return pair


def test_of_an_upstream_only_what_is_allowed_is_followed(pair: Pair, tmp_path: Path) -> None:
    pair.push({MINE: "image: z\n", YOURS: "image: z\n", "servers.d/pz-2.yaml": "image: z\n",
               "zedops.yaml": "name: fleet\n"})
    said = pair.take()
    assert pair.at(MINE).startswith("image: z\n")
    assert pair.at(YOURS).startswith("image: b\n")
    assert "ben@example.org may not change it" in pair.at(YOURS)
    assert GOES_ON in pair.at(YOURS)
    assert pair.at("servers.d/pz-2.yaml") == ""
    assert pair.at("zedops.yaml") == RULES
    assert said.count("ben@example.org may not") == 3
    pair.send()
    plain_git(pair.person, "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    plain_git(pair.person, "config", "user.signingkey", str(tmp_path / "ada.key.pub"))
    pair.push({YOURS: "image: y\n"})
    assert pair.take() == ""
    assert pair.at(YOURS).startswith("image: y\n")


def test_of_a_protected_upstream_a_deletion_that_is_not_allowed_stays_held(pair: Pair) -> None:
    pair.push({YOURS: None})
    assert "ben@example.org may not delete it" in pair.take(BranchContent.DEFINITIONS)
    pair.push({"notes": ""}, "nothing")
    pair.take(BranchContent.DEFINITIONS)
    assert pair.at(YOURS).startswith("image: b\n")


def test_a_forced_push_is_one_step_of_whoever_signed_it(pair: Pair) -> None:
    plain_git(pair.person, "reset", "-q", "--hard", "HEAD~1")
    pair.push({YOURS: "image: z\n"}, "anew", "--force")
    assert "ben@example.org may not change it" in pair.take()
    assert pair.at(YOURS).startswith("image: b\n")


def sign_as(pair: Pair, tmp_path: Path, name: str) -> None:
    """Sign what follows with somebody's key."""
    plain_git(pair.person, "config", "user.signingkey", str(tmp_path / f"{name}.key.pub"))


def test_what_somebody_signed_long_ago_is_not_put_back_by_force(
    pair: Pair, tmp_path: Path
) -> None:
    sign_as(pair, tmp_path, "ada")
    old = pair.push({"zedops.yaml": MORE})
    pair.take()
    pair.push({"zedops.yaml": RULES})
    pair.take()
    plain_git(pair.person, "push", "-q", "--force", "origin", f"{old}:main")  # anybody can
    assert "is older than the commits that it undoes" in pair.take()
    assert pair.at("zedops.yaml") == RULES


def test_what_a_forced_push_brings_is_answered_for_commit_by_commit(
    pair: Pair, tmp_path: Path
) -> None:
    plain_git(pair.person, "reset", "-q", "--hard", "HEAD~1")
    pair.push({YOURS: "image: z\n"}, "Ben's", "--force")
    sign_as(pair, tmp_path, "ada")  # she helps him out, and does not merge it
    pair.push({MINE: "image: y\n"})
    said = pair.take()
    assert f"{YOURS}: a change of it is not followed: ben@example.org may not change it" in said
    assert pair.at(YOURS).startswith("image: b\n")
    assert pair.at(MINE).startswith("image: y\n")


def test_by_force_neither_does_a_signature_written_differently(
    pair: Pair, tmp_path: Path
) -> None:
    sign_as(pair, tmp_path, "ada")
    signed = plain_git(pair.person, "cat-file", "commit", pair.push({"zedops.yaml": MORE}))
    pair.take()
    pair.push({"zedops.yaml": RULES})
    pair.take()
    end = "-----END SSH SIGNATURE-----\n"
    (tmp_path / "copy").write_text(signed.replace(end, f"{end} \n"))
    copy = plain_git(pair.person, "hash-object", "-t", "commit", "-w", str(tmp_path / "copy"))
    plain_git(pair.person, "reset", "-q", "--hard", copy.strip())
    sign_as(pair, tmp_path, "ben")
    pair.push({MINE: "image: y\n"}, "on top of it", "--force")
    assert "is a copy of one that main has" in pair.take()
    assert pair.at("zedops.yaml") == RULES


def test_a_server_does_not_get_lost_on_its_way_to_where_it_may_not_be(pair: Pair) -> None:
    text = (pair.person / MINE).read_text()
    pair.push({MINE: None, "servers.d/other.yaml": text})
    assert "ben@example.org may not change it" in pair.take()
    assert pair.at(MINE).startswith("image: a\n")
    assert running(1).id in pair.at(MINE)
    assert pair.at("servers.d/other.yaml") == ""


def test_a_folder_does_not_take_the_place_of_what_was_put_back(
    pair: Pair, tmp_path: Path
) -> None:
    sign_as(pair, tmp_path, "ada")
    pair.push({"zedops.yaml": ALL_FILES})
    pair.take()
    sign_as(pair, tmp_path, "ben")
    for path in ("zedops.yaml", MINE):
        (pair.person / path).unlink()
    pair.push({"zedops.yaml/x": "x\n", f"{MINE}/mc-y.yaml": "image: y\n"})
    assert f"{MINE} is in its place" in pair.take()
    assert pair.at("zedops.yaml") == ALL_FILES
    assert pair.at(MINE).startswith("image: a\n")


@pytest.mark.parametrize("below", ["", "hidden: true\n"])
def test_a_server_is_not_purged_by_way_of_its_definition(
    pair: Pair, tmp_path: Path, below: str
) -> None:
    sign_as(pair, tmp_path, "ada")
    pair.push({"zedops.yaml": RULES.replace("{paths", "{may: [change, delete], paths")})
    pair.take()
    sign_as(pair, tmp_path, "ben")
    text = (pair.person / MINE).read_text()
    pair.push({MINE: f"purge: data\n{text}{below}"})
    assert "ben@example.org may not purge it" in pair.take()
    assert pair.at(MINE).startswith("image: a\n")


def test_settings_that_cannot_be_read_let_nobody_in(pair: Pair, tmp_path: Path) -> None:
    sign_as(pair, tmp_path, "ada")
    pair.push({"zedops.yaml": f"{RULES}typo: 1\n"})
    assert "unknown key" in pair.take()
    assert pair.at("zedops.yaml") == RULES
    sign_as(pair, tmp_path, "ben")
    pair.push({YOURS: "image: z\n"})
    assert "ben@example.org may not change it" in pair.take()
    sign_as(pair, tmp_path, "ada")
    pair.push({"zedops.yaml": f"{RULES}retention: 2d\n"})
    assert pair.take() == ""
    assert "retention" in pair.at("zedops.yaml")


def test_without_the_program_that_checks_nothing_is_taken_in(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tip = pair.push({MINE: "image: z\n"})
    pair.upstream.fetch("main")
    git = plain_git(pair.person, "--exec-path").strip()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(Path(git) / "git")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(GitFailed, match="ssh-keygen is not installed"):
        pair.intake.take(tip, "refs/zedops/upstream/main")
    assert pair.hub.head() != tip


def test_a_server_in_a_folder_has_a_name_that_belongs_to_somebody(
    hub: Hub, ada: Person, ben: Person
) -> None:
    """`paths: ["servers.d/mc-*"]` fits `servers.d/mc-dir/pz.yaml`, whose server is called `pz`."""
    theirs = "servers.d/mc-dir/pz-two.yaml"
    ben.commit({theirs: "image: x\n"})
    said = ben.push(fails=True)
    assert f"{theirs}: ben@example.org may not take over servers.d/pz-two.yaml" in said
    ben.git("reset", "-q", "--hard", "origin/main")
    ben.commit({"servers.d/mc-dir/mc-two.yaml": "image: x\n"})
    ben.push()
    ada.commit({theirs: "image: x\n"})
    ada.push()
    ben.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    for text in (None, "image: y\n"):
        ben.commit({theirs: text})
        assert "ben@example.org may not" in ben.push(fails=True)
        ben.git("reset", "-q", "--hard", "origin/main")
    assert at(hub, theirs) == "image: x\n"


def test_what_hosts_keep_of_a_server_that_main_does_not_know_is_for_those_who_may_everything(
    hub: Hub, ada: Person, ben: Person
) -> None:
    adopts = f"image: x\nadopt: {server_id(9)}\n"
    for path, text in ((NEW, adopts), ("tombstones.d/mc-new.yaml", adopts + "purge: data\n")):
        ben.commit({path: text})
        said = ben.push(fails=True)
        assert "ben@example.org may not" in said
        ben.git("reset", "-q", "--hard", "origin/main")
    ben.commit({NEW: adopts})
    said = ben.push(fails=True)
    assert "may not adopt a server that main does not know" in said
    ada.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    ada.commit({NEW: adopts})
    assert "plan: mc-new: create" in ada.push()


def test_a_forged_id_is_void_and_told(hub: Hub, ben: Person) -> None:
    ben.commit({NEW: state_block.render("image: x\n", running(9)).decode()})
    assert f"warning: {NEW}: main has no server {server_id(9)}, so that id is void" in ben.push()
