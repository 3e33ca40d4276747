"""Logging, set up here only: text for people, JSON lines for machines.

Log lines go to stderr. News (a fleet's start, a commit of state) goes to stdout at every log level.
As JSON each line is one object: `at` (UTC), `level`, `logger`, `text`, the facts of the record
(`server`, `host`, `event`, …), and `error` with the traceback of an exception.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from enum import StrEnum

#: The logger of news, which every log level shows.
NEWS = "zedops.news"
#: Attributes that every record has; all others are facts.
_USUAL = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"})


class Format(StrEnum):
    """The format of log lines."""

    TEXT = "text"
    JSON = "json"


def open_logbook(*, verbose: bool, wanted: Format | None = None) -> None:
    """Set up logging; by default text on a terminal, else JSON lines."""
    chosen = wanted or (Format.TEXT if sys.stderr.isatty() else Format.JSON)
    handler = logging.StreamHandler(sys.stderr)
    news_handler = logging.StreamHandler(sys.stdout)
    if chosen is Format.JSON:
        handler.setFormatter(JsonLines())
        news_handler.setFormatter(JsonLines())
    else:
        style = "%(asctime)s %(levelname)s %(name)s: %(message)s"
        handler.setFormatter(logging.Formatter(style, "%H:%M:%S"))
        news_handler.setFormatter(_PlainNews())
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler], force=True)
    news = logging.getLogger(NEWS)
    news.handlers, news.propagate = [news_handler], False
    news.setLevel(logging.INFO)
    threading.excepthook = _log_death


def announce(text: str, event: str, **facts: object) -> None:
    """Write news for the person who runs zedops, at every log level; `event` names its kind."""
    logging.getLogger(NEWS).info(text, extra={"event": event, **facts})


class JsonLines(logging.Formatter):
    """Writes each record as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "at": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        facts = {key: each for key, each in record.__dict__.items() if key not in _USUAL}
        line |= {key: each for key, each in facts.items() if key not in line}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _PlainNews(logging.Formatter):
    """Writes news as people read it: commits with their time, the rest as it is."""

    def format(self, record: logging.LogRecord) -> str:
        match getattr(record, "event", ""):
            case "commit":
                before = f"{datetime.fromtimestamp(record.created).astimezone():%H:%M:%S}  "
            case "ending":
                before = "\n"  # below the ^C that the terminal shows
            case _:
                before = ""
        return f"{before}{record.getMessage()}"


def _log_death(death: threading.ExceptHookArgs) -> None:
    """Log the death of a thread in the chosen format."""
    if death.exc_value is None:
        return
    name = death.thread.name if death.thread else "a thread"
    known = (death.exc_type, death.exc_value, death.exc_traceback)
    logging.getLogger("zedops").critical("thread %s died", name, exc_info=known)
