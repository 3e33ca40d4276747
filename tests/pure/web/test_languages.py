"""The page's languages: every text has its translation, and only text is translated."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from zedops.queries import offers
from zedops.spec.state import Status
from zedops.web import app, languages, pages
from zedops.web.languages import ENGLISH, LANGUAGES, catalog, choose, texts_of, translate

assert app.PAGES  # each page may add to the menu
TEMPLATES = {each.name: each.read_text("utf-8") for each in
             resources.files("zedops.web").joinpath("templates").iterdir()}
VERBS = {"Start", "Stop", "Restart", "Rebuild", "Retry", "Delete", "Restore", "Purge", "Edit",
         "New", "Import", "Backup restore", "Backup prove"}


def needed() -> dict[str, str]:
    """List every text of the page, and where it is."""
    found = {text: name for name, source in TEMPLATES.items() for text in texts_of(source)}
    found |= dict.fromkeys(languages.script_texts(), "static/*.js")
    found |= {title: "pages.MENU" for title, _ in pages.MENU}
    found |= {each.value: "Status" for each in Status}
    found |= dict.fromkeys(("starting", "nothing", "host", "folder", *VERBS), "act")
    found |= {each.label: "offers" for each in vars(offers).values()
              if isinstance(each, offers.Offer)}
    return found | dict.fromkeys(offers.TEXTS, "offers")


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != ENGLISH])
def test_a_catalog_has_every_text_and_no_other(language: str) -> None:
    wanted, known = needed(), catalog(language)
    missing = {text: place for text, place in wanted.items() if text not in known}
    assert missing == {}, f"add these to zedops/web/languages/{language}.json"
    assert set(known) - set(wanted) == set(), "no page has these any more"
    for text, said in known.items():
        assert said.count("{") == text.count("{"), said
        assert sorted(tag for tag in said.split("<")[1:]) or "<" not in text, said
        assert not any(each in said for each in ("{{", "{%", "<script", '"')), said


def test_no_template_changes_without_a_catalog() -> None:
    for name, source in TEMPLATES.items():
        assert translate(source, str) == source, name


def test_texts_within_expressions_are_marked() -> None:
    for name, source in TEMPLATES.items():
        for code in re.findall(r"\{[{%].*?[%}]\}", source, re.DOTALL):
            bare = re.sub(r"\b_\((?:'[^']*'|\"[^\"]*\")\)", "", code)
            said = [each for each in re.findall(r"'([^']*)'", bare)
                    if re.search(r"[A-Z][a-z]|[a-z] [a-z]", each)]
            verbs = {"backup restore", "backup prove"}
            assert set(said) <= verbs, f"{name}: write _('…')"


def test_text_is_translated_and_values_are_not() -> None:
    source = (
        '{% set stop = "Stop" %}<button name="verb" value="Stop" aria-label="Stop">\n Stop '
        '</button><p>Of {{ a if a > 1 else "Stop" }}, <code>Stop</code> {{ b }}</p>{# Stop #}'
    )
    texts = {"Stop": "Halt", "Of {}, <code>Stop</code> {}": "{1} von {0}"}
    assert translate(source, lambda text: texts.get(text, text)) == (
        '{% set stop = "Stop" %}<button name="verb" value="Stop" aria-label="Halt">\n Halt '
        '</button><p>{{ b }} von {{ a if a > 1 else "Stop" }}</p>{# Stop #}'
    )


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("", "en"), ("de", "de"), ("de-AT,de;q=0.9,en;q=0.8", "de"), ("en-GB,de;q=0.9", "en"),
        ("fr, de;q=0.5, en;q=0.4", "de"), ("fr", "en"), ("de;q=0, en;q=0.1", "en"),
        ("de;q=nonsense", "en"), ("*", "en"), ("DE", "de"), (",;q=,de" * 200, "de"),
        ("\x00" * 600, "en"),
    ],
)
def test_a_reader_gets_the_best_language_that_the_page_has(said: str, language: str) -> None:
    assert choose(said) == language
