"""The table of attacks names tests, and each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _rows() -> list[list[str]]:
    page = (ROOT / "docs/security.md").read_text()
    table = page.partition("## Attacks, defences and tests")[2]
    lines = [line for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    return [line.strip("| ").split(" | ") for line in lines if not line.startswith("| attack")]


def test_every_attack_of_the_table_has_what_holds_it_and_a_test_that_is_there() -> None:
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"^def (test_\w+)\(", code, re.MULTILINE))
    rows = _rows()
    assert len(rows) >= 90
    for row in rows:
        assert len(row) == 3, row
        named = re.fullmatch(r"`(test_\w+)`", row[2])
        assert named is not None, row
        assert named[1] in defined, row


def test_no_attack_is_told_twice() -> None:
    attacks = [row[0] for row in _rows()]
    assert sorted(set(attacks)) == sorted(attacks)


def test_the_table_is_linked_from_where_people_look() -> None:
    assert "docs/security.md" in (ROOT / "SECURITY.md").read_text()
    assert "security.md" in (ROOT / "mkdocs.yml").read_text()
