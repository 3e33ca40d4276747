"""Cron lines in a timezone: what comes next, also around a change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zedops.spec import timetable
from zedops.spec.backup import Backup
from zedops.spec.settings import Settings

BERLIN = "Europe/Berlin"
#: Zones with an hour, half an hour, none, and a whole day that was left out.
ZONES = (BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC", "Pacific/Apia", "Asia/Kolkata")
LINES = ("30 2 * * *", "0 * * * *", "*/30 1-3 * * *", "0 0 1 * *", "15 4 * * 1-5", "0 12 29 2 *")


def utc(text: str) -> datetime:
    """Read a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(line: str, after: str, count: int, zone: str = BERLIN) -> list[str]:
    """List the next runs, in UTC."""
    at, found = utc(after), []
    for _ in range(count):
        following = timetable.next_run([line], at, zone)
        assert following is not None
        at = following
        found.append(f"{at:%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("line", "after", "then"),
    [
        ("30 4 * * *", "2026-12-01T03:00", ["12-01 03:30", "12-02 03:30"]),
        ("30 4 * * *", "2026-12-01T03:30", ["12-02 03:30"]),  # its own time does not count again
        # clocks go from 02:00 to 03:00 on March 29: a skipped time comes right after the change
        ("30 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:30"]),
        ("0 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:00"]),
        # they go from 03:00 to 02:00 on October 25: a time that comes twice counts once
        ("30 2 * * *", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
        # each hour is each hour of the sun, too
        ("0 * * * *", "2026-10-24T23:30", ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("0 * * * *", "2026-03-29T00:30", ["03-29 01:00", "03-29 02:00"]),
        ("0 12 29 2 *", "2026-12-01T00:00", ["02-29 11:00", "02-29 11:00"]),
    ],
)
def test_the_next_runs_around_a_change_of_clocks(line: str, after: str, then: list[str]) -> None:
    assert runs(line, after, len(then)) == then


def test_what_passed_while_a_host_was_off_or_a_run_took_long_is_one_run() -> None:
    off_since, now = utc("2026-12-01T03:30"), utc("2026-12-05T10:00")
    due = timetable.next_run(["30 4 * * *"], off_since, BERLIN)
    assert due is not None
    assert due < now
    # the late run answers all of them
    assert timetable.next_run(["30 4 * * *"], now, BERLIN) == utc("2026-12-06T03:30")


@example(line="30 2 * * *", zone=BERLIN, minutes=14 * 365 * 24 * 60)
@given(
    st.sampled_from(LINES), st.sampled_from(ZONES), st.integers(0, 30 * 365 * 24 * 60)
)
def test_runs_of_many_years_go_on_and_none_comes_twice(line: str, zone: str, minutes: int) -> None:
    at = utc("2010-01-01") + timedelta(minutes=minutes)
    seen = []
    for _ in range(6):
        following = timetable.next_run([line], at, zone)
        assert following is not None
        assert following > at
        # nothing lies between: a look at any time in between says the same
        middle = at + (following - at) / 2
        assert timetable.next_run([line], middle, zone) == following
        seen.append(following)
        at = following
    if " * * " in line and line[0] == "3":  # once on each day
        days = [each.astimezone(ZoneInfo(zone)).date() for each in seen]
        assert len(set(days)) == len(days)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("* * * * *", "comes every 1 minutes"), ("*/4 * * * *", "leave at least 5 minutes"),
        ("0 5 * *", "five fields"), ("0 0 0 * * *", "five fields"), ("@daily", "five fields"),
        ("0 25 * * *", "Bad hour"), ("0 0 30 2 *", "Bad day-of-month"), ("a b c d e", "Bad minute"),
    ],
)
def test_a_wrong_line_is_named_with_the_remedy(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        timetable.checked(line, 300)
    with pytest.raises(ValueError, match=says):
        Backup.model_validate({"every": line})


def test_a_schedule_is_a_duration_or_a_line_and_is_read_back_as_it_was() -> None:
    for every in ("6h", "30 4 * * *", "*/15  * * * 1-5"):
        made = Backup.model_validate({"every": every})
        assert made.scheduled
        assert Backup.model_validate_json(made.model_dump_json()) == made
    with pytest.raises(ValueError, match="not a duration"):
        Backup.model_validate({"every": "often"})


def test_a_fleet_has_a_timezone_and_an_unknown_one_counts_as_utc_on_an_older_host() -> None:
    assert Settings.model_validate({"name": "f", "timezone": BERLIN}).timezone == BERLIN
    for wrong in ("Europe/Bärlin", "../etc/passwd", "", "/etc/localtime", "Europe"):
        with pytest.raises(ValueError, match="is no timezone"):
            Settings.model_validate({"name": "f", "timezone": wrong})
    assert runs("30 4 * * *", "2026-12-01T00:00", 1, "Mars/Olympus") == ["12-01 04:30"]
