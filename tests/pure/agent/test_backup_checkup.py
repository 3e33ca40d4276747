"""What `zedops doctor` finds about the backups of a host, without asking a repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pure.agent.test_backup_rules import asks
from zedops.protocol.findings import Verdict
from zedops.protocol.sync import DesiredServer
from zedops.spec.backup import Repository
from zedops_agent.backup import checkup
from zedops_agent.backup.repositories import Repositories
from zedops_agent.policy_file import PolicyFile

NAS = Repository.model_validate("/srv/nas")


def findings(root: Path, *servers: DesiredServer) -> list[str]:
    """Look at a host; list what is wrong, or else what is well, apart from restic itself."""
    policy = root / "policy.yaml"
    policy.write_text("backups: ['/srv/**', '/**/nas']\n")
    found = list(checkup.check(Repositories(root, "f", PolicyFile(policy)), servers))
    return [f"{each.verdict}: {each.fact}; {each.remedy}" for each in found
            if "restic" not in each.fact]


def own(root: Path) -> Path:
    """Have a repository that was used before."""
    home = root / "backups" / "f"
    (home / "repository").mkdir(parents=True)
    (home / "repository" / "config").touch()
    (home / "host.json").write_text("{}")
    (home / "password").write_text("word\n")
    return home


def test_a_host_that_made_no_backup_yet_is_well(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


def test_a_repository_with_its_password_is_well(tmp_path: Path) -> None:
    home = own(tmp_path)
    [said] = findings(tmp_path)
    assert said.startswith(f"{Verdict.GOOD}: ")
    assert str(home / "password") in said


@pytest.mark.parametrize(
    ("gone", "says"),
    [("password", "without it no snapshot can be read"),
     ("repository/config", "was there before, and cannot be seen")],
)
def test_what_is_gone_is_wrong(tmp_path: Path, gone: str, says: str) -> None:
    (own(tmp_path) / gone).unlink()
    [said] = findings(tmp_path)
    assert said.startswith(f"{Verdict.WRONG}: ")
    assert says in said


def test_a_password_that_cannot_be_read_is_wrong(tmp_path: Path) -> None:
    word = own(tmp_path) / "password"
    word.unlink()
    word.mkdir()
    [said] = findings(tmp_path)
    assert said.startswith(f"{Verdict.WRONG}: ")
    assert "see to its disk and mode" in said


def test_a_named_repository_needs_its_password_on_each_host_that_uses_it(tmp_path: Path) -> None:
    want = asks(None, {"repository": "nas"}, repository=NAS)
    [said] = findings(tmp_path, want)
    assert said.startswith(f"{Verdict.WRONG}: PASSWORD of repository 'nas' is not set on this host")
    place = tmp_path / "secrets" / "f" / "backups.nas" / "PASSWORD"
    place.parent.mkdir(parents=True)
    place.write_text("word")
    [said] = findings(tmp_path, want)
    assert said.startswith(f"{Verdict.GOOD}: ")
    (tmp_path / "policy.yaml").write_text("")
