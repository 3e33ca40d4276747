"""Reads the code for calls of git: what is data there cannot become one of git's options.

A commit, a path or a URL may begin with a dash, whoever wrote it. So in every list of arguments
data stands behind `--end-of-options` or `--`, is the value of an option that names it, or begins
with the option it belongs to (`--format=…`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Methods and functions that run git with their arguments.
_RUNNERS = {"run", "pipe", "_git", "_run", "Batch", "_stream"}
#: git's commands that the project uses; a new one belongs here.
_COMMANDS = {
    "add", "branch", "cat-file", "clone", "commit", "commit-graph", "commit-tree", "config", "diff",
    "diff-tree", "fast-import", "fetch", "for-each-ref", "fsck", "hash-object", "init", "log",
    "ls-files", "ls-remote", "ls-tree", "merge", "merge-base", "merge-file", "mktree", "push",
    "remote", "repack", "rev-list", "rev-parse", "show", "status", "symbolic-ref", "update-ref",
    "var",
}  # fmt: skip
_ENDS = {"--end-of-options", "--"}
#: Options whose value is the next argument.
_WITH_VALUE = {"-p", "-m", "-c"}
#: Lists that hold options only, each with a literal beginning; and those handed on as they are.
_OPTIONS_ONLY = {"sign", "flags", "count"}
_HANDED_ON = {"arguments", "self._arguments", "_MODEST", "politely"}


def files() -> list[Path]:
    """List the project's own code."""
    return sorted([*(ROOT / "zedops").rglob("*.py"), *(ROOT / "agent").rglob("*.py")])


def arguments_of(call: ast.Call) -> list[ast.expr]:
    """Find the arguments that a call gives to git; empty if it is none of git."""
    named = call.func.attr if isinstance(call.func, ast.Attribute) else (
        call.func.id if isinstance(call.func, ast.Name) else "")
    given = list(call.args)
    if given and isinstance(given[0], ast.List):
        given = list(given[0].elts)
        texts = [each.value for each in given if isinstance(each, ast.Constant)]
        return given[1:] if texts[:1] == ["git"] or "git" in texts else []
    if named not in _RUNNERS:
        return []
    if named == "Batch":
        given = given[1:]
    if given and isinstance(given[0], ast.Starred):  # `run(*_identity(clone), "commit", …)`
        given = given[1:]
    first = given[0] if given else None
    is_git = isinstance(first, ast.Constant) and first.value in _COMMANDS
    return given if is_git else []


def faults(given: list[ast.expr]) -> Iterator[ast.expr]:
    """Find arguments that could become options."""
    before = ""
    for each in given:
        text = each.value if isinstance(each, ast.Constant) else None
        if isinstance(text, str) and text in _ENDS:
            return
        if text is None and before not in _WITH_VALUE and not _is_fixed(each):
            yield each
        before = text if isinstance(text, str) else ""


def _is_fixed(each: ast.expr) -> bool:
    """Say whether an argument is what the code says it is, whatever the data."""
    match each:
        case ast.Name(id=name):
            return name.isupper()
        case ast.JoinedStr(values=[ast.Constant(value=str(begin)), *_]):
            return bool(begin) and (begin[:1] != "-" or "=" in begin or len(begin) >= 2)
        case ast.JoinedStr(values=[ast.FormattedValue(value=ast.Name(id=name)), *_]):
            return name.isupper()
        case ast.Starred(value=value):
            shown = ast.unparse(value)
            return shown in _OPTIONS_ONLY | _HANDED_ON or _is_choice(value)
        case ast.IfExp():
            return _is_choice(each)
    return False


def _is_choice(value: ast.expr) -> bool:
    return isinstance(value, ast.IfExp) and all(
        isinstance(one, ast.Constant) or (isinstance(one, ast.List) and all(
            isinstance(each, ast.Constant) for each in one.elts))
        for one in (value.body, value.orelse)
    )


def calls() -> Iterator[tuple[str, list[ast.expr]]]:
    """Find every call of git in the project."""
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (given := arguments_of(node)):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", given


def test_no_data_can_become_an_option_of_git() -> None:
    found = list(calls())
    assert len(found) > 60
    wrong = [(place, ast.unparse(each)) for place, given in found for each in faults(given)]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('r.run("log", commit)', "commit"),
        ('r.pipe("show", f"{commit}:{path}")', "f'{commit}:{path}'"),
        ('r.run("log", "--end-of-options", commit)', ""),
        ('r.run("log", f"--format={X}", "--", path)', ""),
        ('subprocess.run(["git", "push", url])', "url"),
        ('r.run("commit-tree", "-m", message, "--end-of-options", tree)', ""),
        ('r.run("log", *names)', "*names"),
    ],
)
def test_the_search_finds_what_it_looks_for(text: str, wrong: str) -> None:
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Call)
    assert [ast.unparse(each) for each in faults(arguments_of(node))] == ([wrong] if wrong else [])
