"""A row says how old the last backup is, and that it failed or is overdue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.pure.fleets import doc, fleet_of, running
from tests.pure.queries.test_overview import made
from zedops.protocol.remarks import BACKUP_FAILED
from zedops.queries import servers
from zedops.queries.conversion import written
from zedops.web.pages import fragment


def _in(**moved: float) -> str:
    return written(datetime.now(UTC) + timedelta(**moved))


@pytest.mark.parametrize(
    ("facts", "said", "unsaid"),
    [
        ({}, "", "overdue"),
        ({"backup_at": _in(hours=-3)}, "3 h", "overdue"),
        ({"backup_late_at": _in(hours=-3)}, '">overdue</span>', "hidden"),
        ({"backup_late_at": _in(hours=3)}, '" hidden>overdue</span>', "failed</span>"),
        ({"backup_at": _in(hours=-3), "message": f"{BACKUP_FAILED}no space",
          "backup_late_at": _in(hours=-1)}, '<span class="badge failed">failed</span>', "overdue"),
    ],
)
def test_a_backup_that_is_due_later_is_not_shown_as_overdue(
    facts: dict[str, str], said: str, unsaid: str
) -> None:
    text = fragment("_row.html", "en", row=made(**facts), silent=())
    assert said in text
    assert unsaid not in text


def test_a_row_in_german_keeps_the_values_of_its_acts() -> None:
    text = fragment("_row.html", "de", row=made("one", "stopped", message="<b>"), silent=())
    assert '<span class="badge stopped">angehalten</span>' in text
    assert "/act?verb=delete&amp;server=one" in text
    assert 'data-label="Warum" class="why" lang="en">&lt;b&gt;<' in text


def test_a_schedule_without_data_is_late_for_nothing() -> None:
    text = "image: a\nvolumes: {world: /data}\nbackup: {every: 6h}\n"
    states = (running(1, data_exists=False), running(2))
    rows = [servers.facts(fleet_of(each), each)
            for each in (doc("servers.d/a.yaml", text, state) for state in states)]
    assert [each.backup_late_at is None for each in rows] == [True, False]
