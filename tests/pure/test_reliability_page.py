"""The page that says what was tried names tests, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs/reliability.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", page))
    defined = set(re.findall(r"^def (test_\w+)\(", code, re.MULTILINE))
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    assert named
    assert named - defined - modules == set()
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert {each for each in files if not (ROOT / each).is_file()} == set()


def test_every_row_of_the_page_names_a_test() -> None:
    page = (ROOT / "docs/reliability.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [line for line in rows if not line.startswith("| tried")]
    assert len(rows) > 20
    assert [line for line in rows if "`test" not in line.rpartition(" | ")[2]] == []
