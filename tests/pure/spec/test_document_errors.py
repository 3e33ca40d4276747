"""What is wrong with a file: every problem at once, each with its place, the fact and a remedy."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zedops.spec.document import parse
from zedops.spec.model import Definition
from zedops.spec.state_block import MARKER

PATH = "servers.d/rosewood.yaml"
_KNOWN = ", ".join(sorted(Definition.model_fields))
_IMAGE = "write e.g. ghcr.io/owner/name:tag, in lower case and without https://"
_PORT = (
    'is not a port; write e.g. 16261/udp, "8080:80/tcp" or {container: 27015/tcp, publish: none}'
)
_STATE = f"image: a\n\n{MARKER}\nstate:\n  id: 01JD0000000000000000000000\n"


def said(content: str | bytes, path: str = PATH, mode: int = 0o100644) -> list[str]:
    """Say what is wrong with a file, without its own path where it starts with that."""
    raw = content.encode() if isinstance(content, str) else content
    return [str(each).removeprefix(f"{PATH}:") for each in parse(path, raw, mode).problems]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "image: a\nports:\n  game: [1, 2\nenv: {}\n",
            ("4:4: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence;"
            " check indentation, quotes and colons here"),
        ),
        (
            "image: a: b\n",
            ("1:9: not valid YAML: mapping values are not allowed in this context;"
            " check indentation, quotes and colons here"),
        ),
        (
            "image: a\nenv:\n\tA: b\n",
            ("3:1: not valid YAML: found character that cannot start any token while scanning for"
            " the next token; check indentation, quotes and colons here"),
        ),
        (
            "image: *lost\n",
            ("1:8: not valid YAML: found undefined alias;"
            " check indentation, quotes and colons here"),
        ),
    ],
)
def test_broken_yaml_is_shown_with_its_line_and_column(content: str, problem: str) -> None:
    assert said(content) == [problem]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("image: a\nprots: {}\n", "2:1: prots: unknown key; did you mean 'ports'?"),
        ("image: a\nxyzzyq: 1\n", f"2:1: xyzzyq: unknown key; known: {_KNOWN}"),
        (
            "image: a\nlimits:\n  memroy: 6GiB\n",
            "3:3: limits.memroy: unknown key; did you mean 'memory'?",
        ),
        (
            "image: a\nports:\n  rcon: {container: 27015/tcp, publsh: none}\n",
            "3:32: ports.rcon.publsh: unknown key; did you mean 'publish'?",
        ),
        (
            "image: a\nhealth: {test: [x], intervall: 5s}\n",
            "2:21: health.intervall: unknown key; did you mean 'interval'?",
        ),
    ],
)
def test_an_unknown_key_is_met_with_the_nearest_known_one(content: str, problem: str) -> None:
    assert said(content) == [problem]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("image: 5", "1:1: image: 5: must be text; put it in quotes"),
        *((f"image: {each}", f"1:1: image: {each!r} is not an image reference; {_IMAGE}")
          for each in ("a b", "a//b", "http://ghcr.io/a/b", "Nginx", "a:b:c", "a/", "a@x")),
        ("image: a\nenvironment: {A: b}", "2:1: environment: unknown key; did you mean 'env'?"),
        ("image: a\ncpus: 2", "2:1: cpus: unknown key; write `limits: {cpus: 2}`"),
        ("image: a\nlimits: {cpus: many}", '2:10: limits.cpus: "many": must be a number'),
        ("image: a\nports: [1]", ("2:1: ports: [1]: must be a mapping of keys to values; write e.g."
                                  " `ports: {game: 16261/udp, web: 8080:80}`")),
        ("image: a\nports: {a: 1/upd}", f"2:9: ports.a: '1/upd' {_PORT}"),
        ("image: a\nports: {a: true}", f"2:9: ports.a: True {_PORT}"),
        ("image: a\nports: {a: }", f"2:9: ports.a: None {_PORT}"),
        ("image: a\nports: {a: {host: 5}}", "2:9: ports.a.container: is required; add it"),
        ("image: a\nports: {a: 99999}",
         "2:9: ports.a: 99999: must be less than or equal to 65535"),
        ("image: a\nenv: text", ('2:1: env: "text": must be a mapping of keys to values;'
                                 " write e.g. `env: {KEY: value}`")),
        ("image: a\nenv: {A: }", "2:7: env.A: null: must be text; put it in quotes"),
        ("image: a\nenv: {A: [x]}", '2:7: env.A: ["x"]: must be text; put it in quotes'),
        ('image: a\nenv: {"A=B": x}', ("2:7: env.A=B: 'A=B' is not a variable name;"
                                       " it may hold all but '=' and control characters")),
        ('image: a\nenv: {A: "x\\0"}',
         "2:7: env.A: holds a NUL character, which no environment or argument can; remove it"),
        ("image: a\nsecrets: X",
         "2:1: secrets: must be a list; write e.g. `secrets: [ADMIN_PASSWORD]`"),
        ("image: a\nsecrets: [A, 1]", "2:14: secrets[1]: must be text; put it in quotes"),
        ("image: a\nlimits: 3", ("2:1: limits: 3: must be a mapping of keys to values;"
                                   " write e.g. `limits: {memory: 4GiB, cpus: 2}`")),
        ("image: a\nlimits: {memory: 6}", ("2:10: limits.memory: 6 is not a size;"
                                          " write a number with a unit, e.g. 512MiB, 6GiB")),
        ("image: a\nlimits: {pids: many}", '2:10: limits.pids: "many": must be a whole number'),
        ("image: a\nstop: {grace: 90}", ("2:8: stop.grace: 90 is not a duration;"
                                        " write a number with a unit, e.g. 90s, 5m, 24h")),
        ("image: a\nstop: {signal: TERM}",
         '2:8: stop.signal: "TERM": has characters that are not allowed here'),
        ("image: a\nhealth: {test: [x], retries: 0}",
         "2:21: health.retries: 0: must be greater than or equal to 1"),
        ("image: a\nhost: Attic", ("2:1: host: 'Attic' is not a name; use lower-case letters,"
                                  " digits and '-', at most 63, no '-' first")),
        ("image: a\ndesired: up", ("2:1: desired: 'up' is not one of running, stopped;"
                                  " choose one of them")),
        ("image: a\ndrift: off", ("2:1: drift: 'off' is not one of heal, report;"
                                 " choose one of them")),
        ("image: a\nlabels: {zedops.x: y}",
         "2:1: labels: 'zedops.x' is one of zedops' own labels; choose another name"),
        ("image: a\nvolumes: {w: data}",
         "2:11: volumes.w: 'data' is not a path inside the container; write e.g. /data"),
        ("image: a\nvolumes: {w: /a/../b}",
         "2:11: volumes.w: '/a/../b' is not a path inside the container; write e.g. /data"),
        ("image: a\nvolumes: {w: /d, v: /d/}",
         "2:1: volumes: 'v' and 'w' share the path /d; give each its own"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_shown_with_what_is_right(lines: str, problem: str) -> None:
    assert said(lines + "\n") == [problem]


def test_only_the_image_is_required() -> None:
    required = ["1:1: image: is required; add it"]
    assert said("host: attic\n") == required
    assert said("") == required
    assert said("# only a comment\n") == required
    assert said("image: a\n") == []


def test_what_is_written_twice_is_shown_with_both_places() -> None:
    assert said("image: a\nenv:\n  A: 1\n  A: 2\nimage: b\n") == [
        "4:3: env.A: written twice, first in line 3; keep one",
        "5:1: image: written twice, first in line 1; keep one",
    ]


def test_anchors_that_explode_are_cut_off() -> None:
    lines = ["image: a", "command:", "  - &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    problems = said("\n".join(lines) + "\n")
    assert any("grows beyond 20000 values or 524288 characters" in p for p in problems)


def test_an_alias_of_itself_is_refused() -> None:
    assert said("image: a\nenv: &e\n  A: *e\n") == [
        "2:6: env.A: refers to itself; remove the alias"
    ]


def test_a_file_beyond_256_kib_is_refused() -> None:
    assert said("image: a\n" + "#" * (256 * 1024 - 9)) == []
    assert said("image: a\n" + "#" * (256 * 1024 - 8)) == [
        " 262145 bytes, more than the 262144 a definition may have; shorten it"
    ]


def test_links_and_submodules_are_never_followed() -> None:
    assert said("../secret", mode=0o120000) == [" a symbolic link; commit a plain file"]
    assert said("", mode=0o160000) == [" not a file; commit a plain file"]


def test_an_executable_file_is_a_plain_file() -> None:
    assert said("image: a\n", mode=0o100755) == []


def test_text_that_is_not_utf_8_is_shown_with_its_line() -> None:
    assert said(b"image: a\n# caf\xe9\n") == ["2:1: not UTF-8 text; save it as UTF-8"]


def test_a_character_that_yaml_forbids_is_shown_with_its_line_whatever_stands_before_it() -> None:
    problems = said("# ééééééééééééé\nimage: a\x07\n# b\n# c\n")
    assert len(problems) == 1
    assert problems[0].startswith("2:")
    assert "holds a character that YAML does not allow" in problems[0]


def test_one_file_holds_one_document() -> None:
    assert said("image: a\n---\nimage: b\n") == ["2:1: a second YAML document; one server per file"]
    assert said("image: a\n...\n") == ["2:1: the end marker '...'; remove the line"]
    assert said("---\nimage: a\n") == []


def test_a_definition_is_written_as_lines() -> None:
    assert said("{image: a}\n") == ["1:1: one {…} mapping; write each key on a line of its own"]
    assert said("- image: a\n") == ["1:1: not a mapping; write `image: …` and other keys"]
    assert said("hello\n") == ["1:1: not a mapping; write `image: …` and other keys"]


def test_keys_below_the_marker_are_told_where_to_go() -> None:
    assert said(_STATE + "env: {A: b}\nports: {}\n") == [
        ("6:1: env: is below the state marker, where zedops would overwrite it;"
        " move it above line 3"),
        ("7:1: ports: is below the state marker, where zedops would overwrite it;"
        " move it above line 3"),
    ]


def test_a_state_block_that_cannot_be_read_says_how_to_get_rid_of_it() -> None:
    remedy = "delete everything from line 3 on; zedops writes it again"
    broken = _STATE + "  message: [\n"
    assert said(broken)[0].endswith(f"state: the state block cannot be read; {remedy}")
    assert said(f"image: a\n\n{MARKER}\n- a\n") == [
        f"3:1: state: the state block cannot be read; {remedy}"
    ]


@pytest.mark.parametrize("depth", [40, 1_000, 100_000])
def test_deep_nesting_is_refused_before_it_costs_anything(depth: int) -> None:
    text = "image: a\nlabels: " + "[" * depth + "]" * depth + "\n"
    (problem,) = said(text)  # how far libyaml reads ahead is its own affair, and its versions'
    assert re.fullmatch(r"2:\d+: nested deeper than 30 levels; flatten it", problem)


def test_tags_are_refused_and_nothing_is_ever_run() -> None:
    assert said("image: !!python/object/apply:os.system [ls]\n") == [
        ("1:8: image: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not supported;"
        " write plain YAML")
    ]
    assert said("image: a\nenv: {A: !secret x}\n") == [
        "2:10: env.A: the tag '!secret' is not supported; write plain YAML"
    ]


def test_a_name_that_cannot_be_a_container_is_refused() -> None:
    path = "servers.d/Rose Wood.yaml"
    assert said("image: a\n", path) == [
        (f"{path}: 'Rose Wood' cannot be a server's name;"
        " rename it: lower-case letters, digits and '-', at most 63, no '-' first")
    ]


def test_everything_wrong_with_a_file_is_said_at_once_in_the_order_of_its_lines() -> None:
    text = """\
imge: a
host: Attic
ports: {a: x, b: 1}
stop: {grace: 5}
env: {A: }
env: {}
"""
    assert said(text + _STATE.removeprefix("image: a\n") + "limits: {}\n") == [
        "1:1: image: is required; add it",
        "1:1: imge: unknown key; did you mean 'image'?",
        ("2:1: host: 'Attic' is not a name; use lower-case letters, digits and '-', at most 63,"
        " no '-' first"),
        f"3:9: ports.a: 'x' {_PORT}",
        "4:8: stop.grace: 5 is not a duration; write a number with a unit, e.g. 90s, 5m, 24h",
        "5:7: env.A: null: must be text; put it in quotes",
        "6:1: env: written twice, first in line 5; keep one",
        ("11:1: limits: is below the state marker, where zedops would overwrite it;"
        " move it above line 8"),
    ]


def test_a_problem_is_one_line_of_printable_text_whatever_the_file_says() -> None:
    path = "servers.d/caf\udce9\n\x1b[31m.yaml"
    for line in said('image: a\n"x\\ny\\e[31m": 1\n') + said("image: a\n", path):
        assert line.isprintable(), line


# --- nothing raises

_FRAGMENTS = st.sampled_from([
    "image", "ports", "env", "state", "limits", "health", "volumes", ":", ": ", "- ", "? ", "| ",
    ">-\n", "{", "}", "[", "]", ",", "&a ", "*a", "<<", "!!int ", "!t ", "'", '"', "\\", "#", "\n",
    "\n  ", "\n\n", "\t", "~", "null", "0755", "on", "1e9", "22:22", "---\n", "...\n",
    "%YAML 1.1\n",
    "\r\n", "\ufeff", "\x85", "\u2028", "é", "🎮", "\x00", "\x07", MARKER + "\n", "state:\n",
    "image: a\n", "  id: 01JD0000000000000000000000\n", "=", "@", "`", "none", "/udp", "16261",
])  # fmt: skip


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_raising(content: bytes) -> None:
    document = parse(PATH, content)
    assert (document.definition is None) == bool(document.problems)


@given(st.lists(_FRAGMENTS, max_size=40).map("".join))
@example("image: a\nenv: &a {<<: *a}\n")
@example("? {a: b}\n: c\n")
@example("<<: [*a]\n")
@example("<<:\n")
@example("a: &x {}\n<<: *x\n<<: *x\n")
def test_any_text_like_yaml_is_read_without_raising(text: str) -> None:
    document = parse(PATH, text.encode())
    assert (document.definition is None) == bool(document.problems)
    for problem in document.problems:
        assert problem.line <= text.count("\n") + text.count("\r") + text.count("\x85") + (
            text.count("\u2028") + 2
        )
        assert str(problem).isprintable()


_KEYS = st.sampled_from([
    "image", "ports", "env", "limits", "health", "volumes", "stop", "command", "secrets", "user",
    "container", "host", "memory", "test", "path", "kind", "publish", "", "<<", "x",
])  # fmt: skip
_VALUES = st.recursive(
    st.sampled_from(["null", "1", "1.5", "true", "on", "a", "''", '"x"', "/d", "5s", "1GiB",
                     "16261/udp", "-1", "99999999999999999999"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
        st.dictionaries(_KEYS, inner, max_size=3).map(
            lambda each: "{" + ", ".join(f'"{k}": {v}' for k, v in each.items()) + "}"
        ),
    ),
    max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_any_data_in_any_field_is_read_without_raising(fields: dict[str, str]) -> None:
    text = "".join(f'"{key}": {value}\n' for key, value in fields.items())
    document = parse(PATH, text.encode())
    assert (document.definition is None) == bool(document.problems)


def test_anchors_that_nest_each_other_are_cut_off() -> None:
    """What is written is shallow; what it comes to is three hundred levels deep."""
    lines = ["k0: &a0 1"]
    lines += [f"k{at}: &a{at} {'[' * 28}*a{at - 1}{']' * 28}" for at in range(1, 12)]
    problems = said("\n".join(lines) + "\n")
    deep = "nested deeper than 30 levels through its anchors; flatten it"
    assert any(deep in problem for problem in problems)
