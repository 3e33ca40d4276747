"""The lines that machines read, and those that people do."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

from zedops.system.logs import JsonLines

_SAYS = """
import logging, threading
from zedops.system.logs import announce, open_logbook
open_logbook(verbose={verbose}, wanted={wanted!r})
announce("fleet 'f': 1 server", "started", fleet="f")
announce("rosewood: running", "commit")
logging.getLogger("zedops.x").info("a step", extra={{"server": "rosewood"}})
logging.getLogger("zedops.x").warning("trouble, “quoted”\\nand more")
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start()
thread.join()
"""


def _say(wanted: str | None, *, verbose: bool) -> subprocess.CompletedProcess[str]:
    script = _SAYS.format(verbose=verbose, wanted=wanted)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )


def test_each_line_is_an_object_with_the_facts_beside_the_text() -> None:
    done = _say(None, verbose=True)
    news = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["text"], each["event"]) for each in news] == [
        ("fleet 'f': 1 server", "started"), ("rosewood: running", "commit"),
    ]
    assert news[0]["fleet"] == "f"
    step, trouble, death = [json.loads(line) for line in done.stderr.splitlines()]
    assert (step["level"], step["logger"], step["server"]) == ("info", "zedops.x", "rosewood")
    assert trouble["text"] == "trouble, “quoted”\nand more"
    assert death["text"] == "thread worker died"
    assert "ZeroDivisionError" in death["error"]


def test_text_is_what_people_know() -> None:
    done = _say("text", verbose=False)
    first, second = done.stdout.splitlines()
    assert first == "fleet 'f': 1 server"
    assert second[2] == second[5] == ":"
    assert second.endswith("  rosewood: running")
    assert "a step" not in done.stderr
    assert "WARNING zedops.x: trouble" in done.stderr


def test_a_fact_never_takes_the_place_of_what_every_line_has() -> None:
    record = logging.makeLogRecord({"msg": "said", "levelname": "INFO", "text": "forged", "at": 1})
    line = json.loads(JsonLines().format(record))
    assert line["text"] == "said"
    assert line["at"] != 1
