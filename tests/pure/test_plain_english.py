"""Words that make readers decode a sentence stay out of the code's prose and of the pages."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Folders and pages with prose of the project; `docs/reference` is generated from the first two.
ROOMS = ["zedops", "agent", "docs"]
PAGES = ["README.md", "SECURITY.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
TEXTS = {".py", ".md", ".json", ".yaml", ".svg", ".js", ".css", ".sh"}
#: A word → the better way.
WORDS = {
    "whoever": "name the person or component: 'a user who', 'the caller'",
    "nobody": "name the component and negate its verb: 'the hub never …', 'no other user'",
    "somebody": "name the person or component: 'a person', 'another process'",
    "anew": "write 'again', or 'new'",
    "of which": "begin another sentence, or use 'whose' or 'of them'",
    "to be had": "write 'available', or name the component that supplies it",
    "whatever is": "write 'every', 'any' or 'even if'",
}
BAD = re.compile(r"\b(" + "|".join(WORDS).replace(" ", r"\s+") + r")\b", re.IGNORECASE)
#: Code and quoted words: not the author's own prose.
CODE = re.compile(r"`[^`]*`")
QUOTED = re.compile(r'"[^"\n]*"|“[^”]*”')
DELIMITERS = re.compile(r"^[a-zA-Z]*('{3}|\"{3}|'|\")|('{3}|\"{3}|'|\")$")


def found(name: str, text: str) -> Iterator[str]:
    """List the bad words of a file outside code and quotes, with place and better way."""
    if not BAD.search(text):  # most files: tokens cost time
        return
    for start, part in _parts(name, text):
        for hit in BAD.finditer(part):
            line = start + part.count("\n", 0, hit.start())
            word = " ".join(hit[0].lower().split())
            yield f"{name}:{line}: '{word}': {WORDS[word]}"


def _parts(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Split a file into texts, each with its first line; code and quotes become dots."""
    if name.endswith(".py"):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            # the delimiters of a string are no quotes: its text is a docstring or a message
            comment = token.type == tokenize.COMMENT
            own = token.string if comment else DELIMITERS.sub("", token.string)
            yield token.start[0], _without(QUOTED, _without(CODE, own))
    elif name.endswith(".md"):
        yield 1, _without(QUOTED, _without(CODE, text.replace("```", "   ")))
    else:
        yield 1, _without(CODE, text)


def _without(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda hit: re.sub(r"[^\n]", "·", hit[0]), text)


def _files() -> Iterator[Path]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in TEXTS and "reference" not in path.parts:
                yield path
    yield from (ROOT / page for page in PAGES)


def test_no_page_or_module_makes_its_readers_decode_a_sentence() -> None:
    files = list(_files())
    assert len(files) > 200
    hits = [hit for path in files
            for hit in found(str(path.relative_to(ROOT)), path.read_text())]
    assert hits == []


@pytest.mark.parametrize(("name", "text", "lines"), [
    ("a.md", "Fine.\nWhoever pushes waits.\n", [2]),
    ("a.md", "Ten servers, of\nwhich one runs.\n", [1]),
    ("a.md", "`test_nobody_waits` and \"nobody\" are quotes.\n", []),
    ("a.md", "```yaml\n# made anew\n```\n`a`\n", [2]),
    ("a.py", '"""Do it.\n\n    Somebody waits.\n    """\n', [3]),
    ("a.py", 'x = f"nobody answers {x}"  # `nobody`\n', [1]),
    ("a.py", "x = 1\n# it is made anew\n", [2]),
    ("a.py", "anew = 1\n", [1]),
    ("a.py", '"""Say "nobody" and `whoever`; whatever the umask."""\n', []),
    ("a.json", '{"help": "For whoever asks."}\n', [1]),
])
def test_a_bad_word_is_named_with_its_line_outside_quotes(
    name: str, text: str, lines: list[int]
) -> None:
    assert [int(hit.split(":")[1]) for hit in found(name, text)] == lines
