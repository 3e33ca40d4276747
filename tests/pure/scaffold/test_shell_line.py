"""Lines are split as a shell splits them, and `docker run` options read as Docker reads them."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from zedops.scaffold.compose.run_line import read_run
from zedops.scaffold.compose.services import translate
from zedops.scaffold.compose.shell_line import ShellLine

HERE, HOME = "/srv/here", "/home/ada"
VARIABLES = {"HOME": HOME, "A": "1", "TWO": "x y", "EMPTY": ""}


@pytest.mark.parametrize("line", [
    "a 'b c' \"d e\" f\\ g", "a$A ${A}b '$A' \"$A\" \"${TWO}\" $TWO z", "~/x a~/b \"~/c\" ~",
    "a'b'\"c\"d \"\" '' e", "\"a\\\"b\" \"a\\$A\" \"a\\nb\" a\\$b", "x=$EMPTY y $EMPTY z",
    "a\\\nb c \\\n  d", "5\\$ a", "\"it's\" 'say \"hi\"'", "$(pwd)/x \"$(pwd)\"",
])  # fmt: skip
def test_words_are_those_of_a_shell(line: str) -> None:
    script = f"cd {HERE} 2>/dev/null; pwd() {{ echo {HERE}; }}; PWD={HERE}; printf '%s\\0' {line}"
    done = subprocess.run(["sh", "-c", script], env=VARIABLES, capture_output=True, check=True)
    assert ShellLine(HERE, VARIABLES).words(line) == done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize(("line", "fact"), [
    ("a && b", "the line goes on behind '&'"), ("a; b", "goes on behind ';'"),
    ("a > f", "goes on behind '>'"), ("a $(id)", "has '$(id)' in it"), ("a `id`", "has '`id`'"),
    ("a ${B:-c}", "has '${B:-c}'"), ("a 'b", "no end"), ('a "b', "no end"),
])  # fmt: skip
def test_what_only_a_shell_can_do_is_refused(line: str, fact: str) -> None:
    with pytest.raises(ValueError, match=r"the line|no end") as refused:
        ShellLine(HERE, VARIABLES).words(line)
    assert fact in str(refused.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    shell = ShellLine(HERE, VARIABLES)
    assert shell.words("a=$NOPE b") == ["a=", "b"]
    assert shell.unset == {"NOPE"}


@pytest.mark.parametrize(("options", "fields"), [
    ("--gpus 2", {"gpus": 2}), ("--gpus all", {"gpus": "all"}),
    ("--gpus '\"device=0,3\"'", {"gpus": ["0", "3"]}), ("--gpus device=1", {"gpus": ["1"]}),
    ("-t=true -i=false -d", {"tty": True}), ("-it=false", {"stdin_open": True}),
    ("--network name=a,alias=b,alias=c,ip=192.0.2.7",
     {"networks": {"a": {"ipv4_address": "192.0.2.7", "aliases": ["b", "c"]}}}),
    ("--network a --network name=b,alias=c", {"networks": {"a": {}, "b": {"aliases": ["c"]}}}),
    ("-v $PWD/w:/w -v ~/h:/h", {"volumes": {
        "w": {"path": "/w", "source": f"{HERE}/w"}, "h": {"path": "/h", "source": f"{HOME}/h"},
    }}),
])  # fmt: skip
def test_options_are_read_as_docker_reads_them(options: str, fields: dict[str, Any]) -> None:
    project, source = read_run(f"$ sudo -E docker run {options} img", HERE, VARIABLES)
    found = translate(source, project, lambda _: None, lambda _: None)
    assert (found.refused, found.fields) == ([], {"image": "img", **fields})


@pytest.mark.parametrize("options", ["--gpus x", "--network ip=1.2.3.4", "--network name=a,x=y"])
def test_an_option_in_another_form_is_refused(options: str) -> None:
    with pytest.raises(ValueError, match=r"gpus|network"):
        read_run(f"docker run {options} img", HERE, VARIABLES)
