"""What a definition means, and what of it shapes the container."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pure.fleets import server_id
from zedops.protocol.sync import DesiredDocument, DesiredServer, Goal
from zedops.spec.document import parse
from zedops.spec.model import LABEL_PREFIX, Definition, Drift, definition_hash
from zedops.spec.settings import Settings
from zedops.spec.state import State

FULL = """\
host: attic
game: project-zomboid
desired: stopped
image: registry.example:5000/a/b:1@sha256:abc
command: run --name "Rose Wood"
ports:
  game: 16261/udp
  rcon: {container: 27015/tcp, publish: none}
  web: "8080:80/tcp"
  admin: {container: 9000, host: 9001, publish: loopback}
env: {SERVER_NAME: Rosewood, DEFAULT_PORT: "${ports.game}"}
secrets: [ADMIN_PASSWORD]
volumes:
  world: /config
  install: {path: /game, kind: cache}
limits: {memory: 6GiB, cpus: 2, pids: 100}
stop: {signal: SIGINT, grace: 120s, commands: [save, [rcon, quit]]}
health: {test: curl -f localhost, interval: 1m, timeout: 250ms, retries: 5, start_period: 5m}
restart: 2026-11-23T10:00:00Z
rebuild: 2026-11-23T10:00:00Z
drift: report
labels: {a: b}
user: "1000:1000"
networks: [games]
hostname: rosewood.local
cap_add: [SYS_NICE]
profile: hardened
"""


def definition(text: str) -> Definition:
    """Read a definition that has nothing wrong with it."""
    document = parse("servers.d/rosewood.yaml", text.encode())
    assert document.problems == ()
    assert document.definition is not None
    return document.definition


def fingerprint(text: str) -> str:
    """Fingerprint a definition as written."""
    return definition_hash(definition(text))


BASE = "image: a\nports: {game: 16261/udp}\nenv: {A: x, B: y}\nvolumes: {world: /d}\n"


@pytest.mark.parametrize(
    "same",
    [
        "# why\n" + BASE,
        "volumes:\n  world: /d/\nenv:\n  B: 'y'\n  A: x\nports:\n  game: \"16261/udp\"\nimage: a\n",
        BASE + "limits: {pids: 512}\nhealth: image\nprofile: default\nsecrets: []\n",
        ("image: a\nports: {game: {container: 16261/udp, host: 16261, publish: public}}\n"
        "env: {A: x, B: y}\nvolumes: {world: {path: /d, kind: data}}\n"),
        BASE + "desired: stopped\n",
        BASE + "restart: now\n",
        BASE + "rebuild: now\n",
        BASE + "stop: {grace: 5m, signal: SIGINT}\n",
        BASE + "host: attic\n",
        BASE + "game: project-zomboid\n",
        BASE + "drift: report\n",
    ],
)  # fmt: skip
def test_what_does_not_shape_the_container_recreates_nothing(same: str) -> None:
    assert fingerprint(same) == fingerprint(BASE)


@pytest.mark.parametrize(
    "more",
    [
        "command: [x]\n", "secrets: [S]\n", "limits: {memory: 1g}\n", "limits: {pids: 5}\n",
        "limits: {cpus: 1}\n", "labels: {a: b}\n", "user: root\n", "networks: [n]\n",
        "hostname: h\n", "cap_add: [SYS_NICE]\n", "profile: hardened\n", "health: {test: x}\n",
    ],
)  # fmt: skip
def test_what_shapes_the_container_changes_its_fingerprint(more: str) -> None:
    assert fingerprint(BASE + more) != fingerprint(BASE)


@pytest.mark.parametrize(
    ("before", "after"),
    [("image: a", "image: b"), ("A: x", "A: z"), ("16261/udp", "16262/udp"),
     ("16261/udp", "16261/tcp"), ("/d", "/e"), ("B: y", "C: y")],
)  # fmt: skip
def test_another_value_changes_the_fingerprint(before: str, after: str) -> None:
    assert fingerprint(BASE.replace(before, after)) != fingerprint(BASE)


def test_the_fingerprint_of_a_definition_stays_the_same_over_versions() -> None:
    assert fingerprint(BASE) == "1:200b67edebb818b3c42c"
    assert fingerprint("image: a\n").startswith("1:")


def test_what_is_dumped_for_the_host_is_read_back_the_same() -> None:
    full = definition(FULL)
    again = Definition.model_validate_json(full.model_dump_json())
    assert again == full
    assert definition_hash(again) == definition_hash(full)


def test_a_document_for_a_host_survives_the_wire() -> None:
    full = definition(FULL)
    server = DesiredServer(
        id=server_id(7), name="rosewood", goal=Goal.RUNNING, definition=full,
        hash=definition_hash(full), commit="3f2a1c9", created=True, data_expected=True,
        drift=Drift.HEAL,
    )
    document = DesiredDocument(fleet="f", host="attic", epoch=1, rev=2, servers={server.id: server})
    assert DesiredDocument.model_validate_json(document.model_dump_json()) == document


_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_KEYS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,5}", fullmatch=True)
_DURATIONS = st.one_of(
    st.integers(0, 10**6).map(lambda n: f"{n}s"), st.integers(0, 10**6).map(lambda n: f"{n}ms"),
    st.integers(0, 1000).map(lambda n: f"{n}h{n}m"),
)  # fmt: skip
_PORTS = st.one_of(
    st.integers(1, 65535), st.integers(1, 65535).map(lambda n: f"{n}/udp"),
    st.fixed_dictionaries(
        {"container": st.integers(1, 65535)},
        optional={"host": st.integers(1, 65535), "publish": st.sampled_from(["none", "loopback"])},
    ),
)  # fmt: skip
_PLAIN = {
    "image": st.just("a"),
}
_OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "command": st.lists(_WORDS, max_size=3),
    "ports": st.dictionaries(_KEYS, _PORTS, max_size=3),
    "env": st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), _WORDS),
    "volumes": st.sets(_KEYS, max_size=3).map(lambda keys: {key: f"/{key}" for key in keys}),
    "limits": st.fixed_dictionaries({}, optional={
        "memory": st.integers(1, 10**12).map(lambda n: f"{n}b"),
        "cpus": st.floats(0.01, 1024), "pids": st.integers(1, 10**6),
    }),
    "stop": st.fixed_dictionaries({}, optional={
        "grace": _DURATIONS,
        "commands": st.lists(st.one_of(_WORDS, st.lists(_WORDS, max_size=2)), max_size=2),
    }),
    "health": st.one_of(st.just("image"), st.fixed_dictionaries(
        {"test": st.one_of(_WORDS, st.lists(_WORDS, min_size=1, max_size=3))},
        optional={"interval": _DURATIONS, "timeout": _DURATIONS},
    )),
    "labels": st.dictionaries(
        _WORDS.filter(lambda key: not key.startswith(LABEL_PREFIX)), _WORDS, max_size=3
    ),
    "restart": _WORDS,
    "desired": st.sampled_from(["running", "stopped"]),
    "profile": st.sampled_from(["default", "hardened"]),
}  # fmt: skip


@given(st.fixed_dictionaries(_PLAIN, optional=_OPTIONAL))
def test_any_definition_is_read_back_as_it_was_dumped(data: dict[str, Any]) -> None:
    one = Definition.model_validate(data)
    again = Definition.model_validate_json(one.model_dump_json())
    assert again == one
    assert definition_hash(again) == definition_hash(one)


def test_a_command_on_one_line_is_split_as_a_shell_does() -> None:
    assert definition('image: a\ncommand: run "a b" c\n').command == ("run", "a b", "c")


def test_a_stop_command_is_one_line_for_a_shell_or_a_list_of_words() -> None:
    commands = definition("image: a\nstop: {commands: [save all, [rcon, quit]]}\n").stop.commands
    assert commands == (("/bin/sh", "-c", "save all"), ("rcon", "quit"))


def test_a_health_test_is_put_in_the_form_of_the_engine() -> None:
    def probe(written: str) -> tuple[str, ...]:
        health = definition(f"image: a\nhealth: {{test: {written}}}\n").health
        assert health is not None
        return health.test

    assert probe("curl -f x") == ("CMD-SHELL", "curl -f x")
    assert probe("[curl, -f]") == ("CMD", "curl", "-f")
    assert probe("[CMD-SHELL, curl -f]") == ("CMD-SHELL", "curl -f")
    assert probe("[NONE]") == ("NONE",)


def test_settings_have_a_default_for_everything_but_the_name() -> None:
    settings = Settings(name="fleet")
    assert (settings.hosts, settings.retention, settings.drift, settings.purge_data) == (
        ("local",), 86_400, Drift.HEAL, False
    )  # fmt: skip


def test_a_state_is_frozen() -> None:
    state = State(id="0" * 26, since=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="frozen"):
        state.host = "attic"  # type: ignore[misc]
