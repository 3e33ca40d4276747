"""Who may do what: signatures and rights, held against real pushes, and against an upstream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git.keys import Gpg, allowed, sign_with_ssh, ssh_key
from tests.git.people import Person
from tests.git.test_hub_pushes import at
from tests.git.test_intake import Pair
from tests.pure.fleets import running
from tests.remotes import git as plain_git
from zedops import document
from zedops.access import OPENPGP_KEYS, SSH_KEYS
from zedops.document import GOES_ON
from zedops.errors import GitFailed
from zedops.hub import Hub
from zedops.intake import Source

MINE, YOURS, NEW = "servers.d/mc-one.yaml", "servers.d/pz.yaml", "servers.d/mc-new.yaml"
RULES = """name: fleet
people:
  ada@example.org: {may: [change, delete, purge, settings]}
  ben@example.org: {paths: ["servers.d/mc-*"]}
"""
PRESET = "image: x\n"


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    """Make an empty hub."""
    return Hub.create(tmp_path / "fleet.git")


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
        path: document.render(document.split(at(hub, path) or "")[0], running(number))
        for number, path in enumerate((MINE, YOURS), 1)
    }
    hub.commit(head, files, "states\n")


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
    whole = "change what holds for the whole fleet"
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
    ben.commit({MINE: document.render("image: mine\n", running(2)).decode()})
    ben.push()
    assert at(hub, YOURS) == theirs
    ben.commit({MINE: document.render("image: mine\n", running(2)).decode(), YOURS: None})
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
    assert "gus@example.org may not change what holds" in ben.push(fails=True)


@pytest.mark.parametrize(("text", "said"), [
    ("name: fleet\nrequire_signatures: true\n",
     "require_signatures: there is no key that anybody could sign with"),
    ("name: fleet\npeople: {a@b: {may: [change]}}\n",
     "nobody could change them again; give somebody `may: [settings]`"),
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
    assert "there is no key that anybody could sign with" in ada.push(fails=True)


def test_a_keyring_that_is_none_lets_nobody_in(hub: Hub, ada: Person) -> None:
    ada.commit({OPENPGP_KEYS: "nonsense\n"})
    ada.push()  # hers is another kind of key; from now on the keyring is in the way
    ada.commit({YOURS: "image: z\n"})
    assert OPENPGP_KEYS in ada.push(fails=True)


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
    assert "ben@example.org may not delete it" in pair.take(Source.DEFINITIONS)
    pair.push({"notes": ""}, "nothing")
    pair.take(Source.DEFINITIONS)
    assert pair.at(YOURS).startswith("image: b\n")


def test_a_forced_push_is_one_step_of_whoever_signed_it(pair: Pair) -> None:
    plain_git(pair.person, "reset", "-q", "--hard", "HEAD~1")
    pair.push({YOURS: "image: z\n"}, "anew", "--force")
    assert "ben@example.org may not change it" in pair.take()
    assert pair.at(YOURS).startswith("image: b\n")


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
