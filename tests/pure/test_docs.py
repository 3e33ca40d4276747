"""The reference pages are what the program says of itself, and every page is in the menu."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from zedops.cli import command_index
from zedops.cli.commands import schema
from zedops.cli.main import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generate()
PAGES: dict[str, str] = GENERATE.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_up_to_date(name: str) -> None:
    written = (DOCS / "reference" / name).read_text()
    assert written == PAGES[name], "run: python docs/generate.py"


def test_what_completion_knows_of_the_commands_is_up_to_date() -> None:
    assert command_index.FILE.read_text() == command_index.write(cli), (
        "run: python docs/generate.py"
    )


def test_the_schemas_that_are_printed_are_those_of_the_models() -> None:
    written = {each.name: each.read_text() for each in schema.MADE.iterdir()}
    assert written == GENERATE.schemas(), "run: python docs/generate.py"


def test_every_page_is_in_the_menu_and_every_link_leads_somewhere() -> None:
    settings = yaml.safe_load((DOCS.parent / "mkdocs.yml").read_text())
    listed = set(re.findall(r"[\w/-]+\.md", str(settings["nav"])))
    pages = {str(each.relative_to(DOCS)) for each in DOCS.rglob("*.md")}
    assert listed == pages
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+\.md)", (DOCS / page).read_text()):
            assert (DOCS / page).parent.joinpath(link).resolve().exists(), (page, link)


def test_every_message_that_troubleshooting_quotes_is_said_somewhere() -> None:
    said = list(_said())
    page = (DOCS / "troubleshooting.md").read_text()
    quoted = [each for heading in re.findall(r"^\*\*.*?(?=: |$)", page, re.MULTILINE)
              for each in re.findall(r"`([^`]+)`", heading)]
    assert len(quoted) > 40
    for message in quoted:
        # what differs from case to case: names in quotes, numbers, paths, words in capitals
        parts = re.split(
            r"…|'[^']*'?|\d+(?:\.\d+)*(?: s\b)?|[\w/.]*/[\w/.:]+|\b[A-Z]{3,}\b|\battic\b|\bpush\b",
            message,
        )
        for part in (each.strip(" .:;,()`") for each in parts):
            assert len(part) < 6 or any(part in text for text in said), (message, part)


def _said() -> Iterator[str]:
    """Find every text in the source, those of one expression put together."""
    for path in [*(ROOT / "zedops").rglob("*.py"), *(ROOT / "agent").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(each.value) if isinstance(each, ast.Constant) else "\0"
                              for each in node.values).replace("`", "")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value.replace("`", "")


def test_every_command_in_the_docs_exists_with_its_options() -> None:
    known = command_index.read()
    options = {words: {"-h", "--help"} | {name for param in each["params"]
                                          for name in param.get("options", ())}
               for words, each in known.items()}
    options["backup"] |= options["backup make"]  # `make` may be left out
    options["web"] |= options["web open"]
    seen = 0
    for path in [ROOT / "README.md", *DOCS.glob("*.md")]:
        for line in _commands(path.read_text()):
            words = line.split()[1:]
            name = next(each for each in (" ".join(words[:2]), *words[:1], "") if each in known)
            assert name, (path.name, line)
            given = re.findall(r"(?<!\S)--?[a-z][a-z-]*", line.split(" -- ")[0])
            assert set(given) <= options[name], (path.name, line)
            seen += 1
    assert seen > 150


def _commands(page: str) -> Iterator[str]:
    """Find the calls of zedops in code, within a line and in blocks."""
    blocks = re.findall(r"^```.*?^```", page, re.MULTILINE | re.DOTALL)
    lines = [*"\n".join(blocks).splitlines(), *re.findall(r"`(zedops [^`\n]+)`", page)]
    for line in lines:
        plain = re.sub(r"\s#.*", "", line.strip().removeprefix("$ "))
        for part in re.split(r"&&|\|\|?|;", plain):
            call = part.strip().removeprefix("sudo ")
            if re.match(r"zedops [a-z]", call):
                yield call


def test_each_picture_of_the_page_is_shown_and_small() -> None:
    shown = set(re.findall(r"\(assets/(web-[a-z]+\.webp)\)", (ROOT / "docs/web.md").read_text()))
    there = {each.name: each.stat().st_size for each in (ROOT / "docs/assets").glob("*.webp")}
    assert shown == set(there)
    assert max(there.values()) <= 150_000
