"""The reference pages are what the program says of itself, and every page is in the menu."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from zedops.cli import cli, grammar

DOCS = Path(__file__).parents[2] / "docs"


def _pages() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    return pages


@pytest.mark.parametrize("name", sorted(_pages()))
def test_a_reference_page_is_up_to_date(name: str) -> None:
    written = (DOCS / "reference" / name).read_text()
    assert written == _pages()[name], "run: python docs/generate.py"


def test_what_completion_knows_of_the_commands_is_up_to_date() -> None:
    assert grammar.FILE.read_text() == grammar.write(cli), "run: python docs/generate.py"


def test_every_page_is_in_the_menu_and_every_link_leads_somewhere() -> None:
    settings = yaml.safe_load((DOCS.parent / "mkdocs.yml").read_text())
    listed = set(re.findall(r"[\w/-]+\.md", str(settings["nav"])))
    pages = {str(each.relative_to(DOCS)) for each in DOCS.rglob("*.md")}
    assert listed == pages
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+\.md)", (DOCS / page).read_text()):
            assert (DOCS / page).parent.joinpath(link).resolve().exists(), (page, link)
