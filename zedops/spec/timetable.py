"""The times at which something happens by itself: cron lines in the fleet's timezone. Pure.

`next_run` is the one rule. Its caller names the end of the last run, so each of these is one run: a
run that is late, several that passed while the host was off, and those that passed during a longer
one. A time that a clock change skips comes right after it; one that comes twice counts once, unless
the line names every hour. cronsim knows these rules of Debian's cron.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

#: Runs that are compared for the shortest time between two.
_LOOKED_AT = 50
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_FIELDS = 5


def is_line(text: object) -> bool:
    """Say whether a text is meant as a cron line."""
    return isinstance(text, str) and (len(text.split()) > 1 or text.startswith("@"))


def checked(line: str, least_s: float) -> str:
    """Check a cron line, and that its runs are `least_s` apart. ValueError says what is wrong."""
    from cronsim import CronSim, CronSimError

    hint = 'write five fields, e.g. "30 4 * * *" for each day at 04:30'
    if len(line.split()) != _FIELDS:
        raise ValueError(f"{line!r} is no cron line; {hint}")
    try:
        found = CronSim(line, _BEGIN)
        runs = [at for at, _ in zip(found, range(_LOOKED_AT), strict=False)]
    except CronSimError as error:
        raise ValueError(f"{line!r} is no cron line: {error}; {hint}") from error
    if not runs:
        raise ValueError(f"{line!r} never comes; {hint}")
    least = min((two - one for one, two in pairwise(runs)), default=timedelta.max)
    if least < timedelta(seconds=least_s):
        fact = f"{line!r} comes every {least.total_seconds() / 60:.0f} minutes"
        raise ValueError(f"{fact}; leave at least {least_s / 60:.0f} minutes between two runs")
    return " ".join(line.split())


def daily(time_of_day: str) -> str:
    """Write `04:30` as a cron line."""
    hour, minute = time_of_day.split(":")
    return f"{int(minute)} {int(hour)} * * *"


def next_run(lines: Iterable[str], after: datetime, zone: str) -> datetime | None:
    """Compute the first run after a time, in UTC; None without lines, or if none comes."""
    from cronsim import CronSim

    here = after.astimezone(zone_of(zone))
    times = [next(CronSim(each, here), None) for each in lines]
    return min((each.astimezone(UTC) for each in times if each is not None), default=None)


def zone_of(name: str) -> tzinfo:
    """Find a timezone. One that this machine does not know counts as UTC."""
    found = find_zone(name)
    return UTC if found is None else found


def find_zone(name: str) -> tzinfo | None:
    """Find a timezone by its name in the tz database; None if there is none."""
    from zoneinfo import ZoneInfo

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
