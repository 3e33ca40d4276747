"""What is worth a message, and how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from pydantic import ValidationError

from tests.pure.fleets import NOW, server_id
from zedops.fleet import audit, notifications
from zedops.fleet.fleet import Fleet
from zedops.fleet.notifications import Notice, may_go
from zedops.spec import document
from zedops.spec.document import Document
from zedops.spec.settings import Event, Notify, Settings
from zedops.spec.state import State, Status


def _commit(*paths: tuple[str, Sequence[Status | None], str | None]) -> str:
    return audit.write_message([
        audit.transition(name, path, State(
            id=server_id(at), status=path[-1] or Status.PENDING, host="attic", message=why,
        ))
        for at, (name, path, why) in enumerate(paths)
    ])


def test_a_commit_tells_of_failures_and_losses_with_their_reasons() -> None:
    message = _commit(
        ("rosewood", [Status.CREATING, Status.FAILED], "no such image"),
        ("muldraugh", [Status.RUNNING, Status.MISSING], None),
        ("west-point", [Status.PENDING, Status.CREATING], None),
    )
    assert notifications.of_commit(message) == [
        Notice(Event.MISSING, "muldraugh is missing"),
        Notice(Event.FAILED, "rosewood is failed: no such image"),
    ]


def test_a_server_that_runs_and_is_unhealthy_is_told() -> None:
    found = notifications.of_commit(_commit(("rosewood", [Status.RUNNING], "unhealthy: it runs")))
    assert found == [Notice(Event.FAILED, "rosewood is unhealthy: it runs")]


def test_one_that_was_missing_and_runs_again_tells_both_in_order() -> None:
    path = [Status.RUNNING, Status.MISSING, Status.CREATING, Status.RUNNING]
    found = notifications.of_commit(
        _commit(("rosewood", path, "recovered: its container was removed"))
    )
    assert found == [
        Notice(Event.MISSING, "rosewood is missing"),
        Notice(Event.RUNNING, "rosewood is running: recovered: its container was removed"),
        Notice(Event.RECOVERED, "rosewood is running: recovered: its container was removed"),
    ]


def test_the_end_of_what_was_told_is_told_in_the_commit_that_comes_later() -> None:
    path = [Status.MISSING, Status.CREATING, Status.RUNNING]
    again = "rosewood is running: recovered: its container was removed"
    found = notifications.of_commit(
        _commit(("rosewood", path, "recovered: its container was removed"))
    )
    assert Notice(Event.RECOVERED, again) in found
    assert notifications.compose("f", found) == (f"f: {again}", again)
    begun = notifications.of_commit(_commit(("rosewood", [Status.PENDING, Status.RUNNING], None)))
    assert [each.event for each in begun] == [Event.RUNNING]
    assert Event.RECOVERED in Notify(url="${X}").on


@pytest.mark.parametrize("message", ["zedops: state restored\n", "", "rosewood: begin\n\nby hand"])
def test_a_commit_without_transitions_tells_nothing(message: str) -> None:
    assert notifications.of_commit(message) == []


def test_the_same_status_again_is_no_news() -> None:
    again: list[Status | None] = [Status.FAILED, Status.FAILED]
    assert notifications.of_commit(_commit(("rosewood", again, "another reason"))) == []


def _buried(hours: float, **settings: object) -> Fleet:
    state = State(
        id=server_id(1), status=Status.DELETED, deleted_at=NOW - timedelta(hours=hours),
    )
    parsed = document.parse("tombstones.d/rosewood.yaml", b"image: x\n")
    grave = Document(parsed.path, parsed.head, parsed.definition, state)
    made = Settings.model_validate({"name": "f", **settings})
    return Fleet("c", made, {grave.path: grave})


@pytest.mark.parametrize(("hours", "told"), [(17, False), (18.5, True), (23.9, True), (24, False)])
def test_a_purge_is_told_of_ahead_and_not_when_it_is_late(hours: float, told: bool) -> None:
    found = list(notifications.purges_ahead(_buried(hours), NOW, 6 * 3600))
    assert bool(found) is told


def test_a_purge_says_what_becomes_of_the_data_and_how_to_keep_it() -> None:
    [(key, notice)] = notifications.purges_ahead(_buried(23), NOW, 7200)
    assert notice.text == (
        "rosewood is purged in 60 min, its data stays on its host; "
        "`zedops restore rosewood` keeps it"
    )
    [(same, loud)] = notifications.purges_ahead(_buried(23, purge_data=True), NOW, 7200)
    assert "its data is removed" in loud.text
    assert key == same


def test_a_short_retention_is_told_of_at_half_its_time() -> None:
    assert not list(notifications.purges_ahead(_buried(0.4, retention="1h"), NOW, 6 * 3600))
    assert list(notifications.purges_ahead(_buried(0.6, retention="1h"), NOW, 6 * 3600))


def test_many_things_are_one_message_that_a_phone_can_show() -> None:
    one = Notice(Event.FAILED, "rosewood is failed")
    assert notifications.compose("f", [one, one]) == ("f: rosewood is failed", "rosewood is failed")
    many = [Notice(Event.FAILED, f"s{each} is failed") for each in range(40)]
    title, body = notifications.compose("f", many, dropped=5)
    assert title == "f: 45 things happened"
    assert body.splitlines()[-1] == "and 30 more"
    assert len(body.splitlines()) == 16


@pytest.mark.parametrize("url", ["${NTFY_URL}", "ntfy://ntfy.sh/topic", "mailto://a@b.example"])
def test_an_url_may_be_written_or_be_the_whole_of_a_variable(url: str) -> None:
    made = Notify.model_validate({"url": url, "on": ["failed"]})
    assert url not in repr(made)


@pytest.mark.parametrize("url", ["json://evil.example/${AWS_SECRET}", "${A}${B}", "topic", "${1}"])
def test_no_part_of_an_url_can_be_filled_from_the_manager_s_environment(url: str) -> None:
    with pytest.raises(ValidationError, match="is no Apprise URL"):
        Notify.model_validate({"url": url})


@pytest.mark.parametrize(("url", "allowed", "may"), [
    ("json://10.0.0.1/x", None, True), ("json://10.0.0.1/x", "*", True),
    ("json://10.0.0.1/x", "", False), ("ntfy://ntfy.sh/topic", "ntfy.sh", True),
    ("ntfy://ann:secret@ntfy.sh/topic", "a.b ntfy.sh", True),
    ("ntfys://NTFY.sh:8443/topic", "ntfy.sh", True),
    ("ntfy://evil.sh/ntfy.sh", "ntfy.sh", False), ("ntfy://ntfy.sh.evil/t", "ntfy.sh", False),
    ("ntfy://ntfy.sh@evil/t", "ntfy.sh", False), ("ntfy://evil@x@ntfy.sh/t", "ntfy.sh", False),
    ("ntfy://evil#@ntfy.sh/t", "ntfy.sh", False), ("ntfy://evil\\@ntfy.sh/t", "ntfy.sh", False),
    ("mailto://ann:x@ntfy.sh?smtp=evil", "ntfy.sh", False),
    ("ntfy://evil ntfy.sh", "ntfy.sh", False),
    ("discord://1234/token", "discord://*", True), ("json://1234/token", "discord://*", False),
    ("json://10.0.0.5:8080/x", "json://10.0.0.5:8080", True),
    ("json://10.0.0.5:22/x", "json://10.0.0.5:8080", False),
    ("json://a.example.org", "*.example.org", True), ("json://[::1]/x", "[::1]", False),
])  # fmt: skip
def test_messages_go_only_where_the_managers_owner_allows(
    url: str, allowed: str | None, may: bool
) -> None:
    assert may_go(url, allowed) == may
