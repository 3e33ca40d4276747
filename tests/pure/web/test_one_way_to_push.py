"""The page pushes in one place, so that no page forgets the person's signature."""

from __future__ import annotations

import re
from pathlib import Path

import zedops.web

PAGES = Path(zedops.web.__file__).parent
PUSHES = re.compile(r"\bdesk\.(push|push_raw|prepare)\(")


def test_every_page_pushes_by_way_of_signing() -> None:
    pushes = [each.name for each in PAGES.glob("*.py") if PUSHES.search(each.read_text())]
    assert pushes == ["signing.py"]
