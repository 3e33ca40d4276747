"""The languages of the page: English, as its templates are written, and one catalog for each other.

A catalog (`languages/de.json`) maps English texts to another language. Templates need no marks: a
run of text between two tags, and the text of an attribute that people read, is one text, in which
`{}` stands for each expression. Texts within expressions and in scripts are marked: `_('…')` and
`t("…")`. A missing text stays English. Values of buttons and fields are never translated.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any

from jinja2.ext import Extension

ENGLISH = "en"
#: The languages, the first one for readers of all others.
LANGUAGES = (ENGLISH, "de")

#: Jinja's comments and statements, expressions, tags (whose attributes may hold both), plain text.
_TOKEN = re.compile(
    r"(?P<other>\{#.*?#\}|\{%.*?%\})|(?P<fact>\{\{.*?\}\})"
    r"|(?P<tag><(?:\{\{.*?\}\}|\{%.*?%\}|\"(?:\{\{.*?\}\}|\{%.*?%\}|[^\"])*\"|'[^']*'|[^>\"'])*>)"
    r"|(?P<text>[^<{]+|.)", re.DOTALL,
)
#: Tags within a sentence; they have no attributes.
_INLINE = re.compile(r"</?(?:code|em|strong|kbd)>")
_READ = re.compile(
    r'( (?:aria-label|data-label|placeholder|title|alt)=")((?:\{\{.*?\}\}|[^"{])*)(")'
)
_FACT = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_LITERAL = re.compile(r"""\b_\((?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\)""")
_OF_SCRIPT = re.compile(r'"((?:[^"\\]|\\.)*)"')
#: A call of `t`, up to its first text; a choice between texts has several.
_CALL = re.compile(r"\bt\(([^()]*)")
_IN_CODE = re.compile(r"<(code|kbd)>.*?</\1>", re.DOTALL)

#: The end of every title.
_OF_TITLES = " · zedops"

Say = Callable[[str], str]


def choose(accepted: str) -> str:
    """Choose a language by a header Accept-Language (RFC 9110, section 12.5.4)."""
    found: list[tuple[float, int, str]] = []
    for each in accepted[:500].split(","):
        name, _, weight = each.strip().partition(";")
        known = name.strip().lower().partition("-")[0]
        quality = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight)
        worth = float(quality[1]) if quality else 0.0 if weight else 1.0
        if known in LANGUAGES and worth > 0:
            found.append((-worth, len(found), known))
    return min(found)[2] if found else ENGLISH


@functools.cache
def catalog(language: str) -> Mapping[str, str]:
    """Read the texts of a language; English has none."""
    if language == ENGLISH:
        return {}
    place = resources.files("zedops.web").joinpath("languages", f"{language}.json")
    read: dict[str, str] = json.loads(place.read_text("utf-8"))
    return read


def sayer(language: str) -> Say:
    """Make the function that translates one text."""
    texts = catalog(language)
    return lambda text: texts.get(text, text)


def of_scripts(language: str) -> dict[str, str]:
    """Choose the texts that scripts show."""
    texts = catalog(language)
    return {each: texts[each] for each in script_texts() if each in texts}


class Translate(Extension):
    """Translates the text of a template before it is compiled; its environment has `language`."""

    def preprocess(
        self, source: str, name: str | None, filename: str | None = None  # noqa: ARG002
    ) -> str:
        """Replace each text that the catalog has."""
        language: str = getattr(self.environment, "language", ENGLISH)
        return source if language == ENGLISH else translate(source, sayer(language))


def translate(source: str, say: Say) -> str:
    """Translate a template's source."""
    return "".join(_said(each, say) if is_text else _attributes(each, say)
                   for is_text, each in _runs(source))


def texts_of(source: str) -> Iterator[str]:
    """List the texts of a template's source, as catalogs have them."""
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    translate(source, note)
    yield from found
    yield from (one or other for one, other in _LITERAL.findall(source))


@functools.cache
def script_texts() -> tuple[str, ...]:
    """List the texts of the page's own scripts."""
    folder = resources.files("zedops.web").joinpath("static")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".js"))
    sources = (folder.joinpath(each).read_text("utf-8") for each in names)
    # ours begin with what they are for; others are minified
    found = (each for source in sources if source.startswith("// ")
             for call in _CALL.findall(source) for each in _OF_SCRIPT.findall(call))
    return tuple(each for each in dict.fromkeys(found) if len(each) > 1)


def _runs(source: str) -> Iterator[tuple[bool, str]]:
    """Cut a source into runs of text, and everything else."""
    run = ""
    for token in _TOKEN.finditer(source):
        text = token[0]
        is_text = token.lastgroup in ("text", "fact") or bool(_INLINE.fullmatch(text))
        if is_text:
            run += text
            continue
        if run:
            yield True, run
            run = ""
        yield False, text
    if run:
        yield True, run


def _said(run: str, say: Say) -> str:
    """Translate one run, with the blanks around it as they are."""
    facts = _FACT.findall(run)
    text = " ".join(_FACT.sub("{}", run).split())
    end = _OF_TITLES if text.endswith(_OF_TITLES) else ""
    text = text.removesuffix(end)
    if not any(each.isalpha() for each in _INLINE.sub("", _IN_CODE.sub("", text))):
        return run
    said = say(text)
    if said == text:
        return run
    inner = _filled(said, facts) + end
    before = run[: len(run) - len(run.lstrip())]
    return f"{before}{inner}{run[len(run.rstrip()):]}"


def _attributes(tag: str, say: Say) -> str:
    def one(match: re.Match[str]) -> str:
        return f"{match[1]}{_said(match[2], say)}{match[3]}"

    return _READ.sub(one, tag) if tag.startswith("<") else tag


def _filled(text: str, facts: list[str]) -> str:
    """Put expressions back: in their order for `{}`, by number for `{1}`."""
    rest = iter(facts)
    return re.sub(r"\{(\d*)\}", lambda at: facts[int(at[1])] if at[1] else next(rest), text)


def number(language: str) -> Callable[[Any], str]:
    """Make the function that writes whole numbers as a language does."""
    return lambda value: f"{value:,}".replace(",", "." if language == "de" else ",")
