"""What definitions and settings say about backups."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tests.pure.fleets import NOW, server_id
from zedops.fleet.fleet import read_settings
from zedops.spec import document, state_block
from zedops.spec.backup import Backup, LastBackup, Repository, next_at, read_last, wanted
from zedops.spec.model import Definition, definition_hash
from zedops.spec.state import State


def problems(text: str) -> list[str]:
    """Say what is wrong with a definition."""
    found = document.parse("servers.d/a.yaml", f"image: img\n{text}\n".encode())
    return [str(each) for each in found.problems]


def test_backups_do_not_change_the_hash_of_a_container() -> None:
    plain = Definition(image="img")
    asked = Definition.model_validate({
        "image": "img", "backup": {"every": "6h"}, "world": {"backup": "x", "restore": "latest"},
    })
    assert definition_hash(plain) == definition_hash(asked)
    assert Definition.model_validate_json(asked.model_dump_json()) == asked


@pytest.mark.parametrize(("text", "said"), [
    ("backup: {every: 1m}", "`every` is below 5 minutes"),
    ("backup: {every: 6h, at: '04:30'}", "has both `every` and `at`"),
    ("backup: {at: noon}", "'noon' is no time of day"),
    ("backup: {quiesce: pause}", "'pause' is neither stop nor none"),
    ("backup: {quiesce: {after: [x]}}", "`before` is empty"),
    ("backup: {keep: {last: 0}}", "greater than or equal to 1"),
    ("backup: {exclude: ['!all']}", "'!all' is no pattern of files"),
    ("backup: {evry: 6h}", "did you mean 'every'?"),
    ("world: {restore: yesterday}", "'yesterday' is no snapshot and no time"),
    ("world: {restore: 2026-11-30T20:00}", "is no snapshot and no time"),
    ("world: {of: rosewood}", "world.of"),
])
def test_a_bad_field_is_named_with_its_remedy(text: str, said: str) -> None:
    found, = problems(text)
    assert said in found


def test_what_a_restore_asks_for_is_a_snapshot_a_time_or_the_latest() -> None:
    assert wanted("latest (2026-12-01T12:00:00Z)") == "latest"
    assert wanted("4bba301e") == "4bba301e"
    assert wanted("2026-11-30T20:00:00Z (again)") == datetime(2026, 11, 30, 20, tzinfo=UTC)
    assert wanted("2026-11-30T20:00:00") is None


def test_quiesce_has_short_forms() -> None:
    shell = ("/bin/sh", "-c", "save")
    assert Backup.model_validate({"quiesce": "none"}).quiesce.how == "none"
    made = Backup.model_validate({"quiesce": {"before": ["save"], "after": [["go", "on"]]}}).quiesce
    assert (made.how, made.before, made.after) == ("commands", (shell,), (("go", "on"),))


@pytest.mark.parametrize("address", [
    "-o sftp.command=sh", "backups", "rest:https://ann:word@nas/", "/srv/../etc", "",
])
def test_an_address_that_git_must_not_hold_or_that_leads_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        Repository(address=address)


@pytest.mark.parametrize("address", [
    "/srv/backups", "sftp:ann@nas:/b", "rest:https://ann@nas:8000/", "s3:https://s3.example/b",
    "b2:bucket:path", "rclone:remote:path",
])
def test_the_addresses_of_restic_are_taken(address: str) -> None:
    assert Repository(address=address).address == address


def test_the_settings_name_repositories_but_not_the_hosts_own_one() -> None:
    settings, found = read_settings(b"backups: {nas: /srv/nas}\n", "fleet")
    assert not found
    assert settings.backups["nas"].address == "/srv/nas"
    assert "choose another name" in str(read_settings(b"backups: {host: /srv}\n", "f")[1][0])
    assert "'PATH' is set by zedops" in str(
        read_settings(b"backups: {nas: {address: /srv, secrets: [PATH]}}\n", "f")[1][0]
    )
    assert "belongs to a single server" in str(
        read_settings(b"defaults: {world: {backup: x}}\n", "f")[1][0]
    )


def test_a_state_holds_the_last_backup_in_one_line_and_older_states_have_none() -> None:
    last = LastBackup(at=NOW, snapshot="4bba301e", size_bytes=7, files=2)
    assert read_last(str(last)) == last
    proven = last.model_copy(update={"proven_at": NOW, "proven": "deadbeef"})
    assert read_last(str(proven)) == proven
    for bare in (State(id=server_id(1)),
                 State(id=server_id(1), kept_until=NOW, purge_data=True)):
        for state in (bare, bare.model_copy(update={"backup": str(last)})):
            text = state_block.render("image: img\n", state)
            read = document.parse("servers.d/a.yaml", text)
            assert read.state == state
            assert not read.problems
            assert ("backup:" in text.decode()) == (state.backup is not None)


def test_a_damaged_line_of_a_last_backup_loses_only_itself() -> None:
    state = State(id=server_id(1), data_exists=True)
    text = state_block.render("image: img\n", state).decode() + '  backup: "yesterday"\n'
    read = document.parse("servers.d/a.yaml", text.encode())
    assert read.state == state


def test_a_schedule_by_time_of_day_is_due_once_also_after_days_away() -> None:
    daily = Backup.model_validate({"at": ["04:30", "16:30"]})
    last = datetime(2026, 11, 23, 4, 30, 2, tzinfo=UTC)
    assert next_at(daily, last) == datetime(2026, 11, 23, 16, 30, tzinfo=UTC)
    assert next_at(daily, last, "Asia/Kolkata") == datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    assert next_at(daily, last.replace(hour=20)) == datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
    assert next_at(Backup.model_validate({"every": "6h"}), last) == last.replace(hour=10)
    assert next_at(Backup(), last) is None
