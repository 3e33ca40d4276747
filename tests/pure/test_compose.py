"""Compose files in the terms of definitions."""

from __future__ import annotations

import re

import pytest

from zedops.calls import Mounted
from zedops.compose import Project, Service, read_env_file, read_services
from zedops.errors import InvalidInput

PROJECT = Project("/srv/mc", "mc", {"TAG": "latest", "EMPTY": "", "HOME": "/home/ada"},
                  {"secret.env": "TOKEN=x\nMODE='survival' # easy\n"}.get)  # fmt: skip


def read(service: str, rest: str = "") -> Service:
    """Read a file with one service."""
    (found,) = read_services("c.yml", f"services:\n  mc: {service}\n{rest}", PROJECT)
    return found


@pytest.mark.parametrize(("written", "expected"), [
    ("25565", [("", 0, 25565, "tcp")]),
    ("25565:25565", [("", 25565, 25565, "tcp")]),
    ("22:22", [("", 22, 22, "tcp")]),
    ("2456-2457:2456-2457/udp", [("", 2456, 2456, "udp"), ("", 2457, 2457, "udp")]),
    ("'127.0.0.1:8080:80'", [("127.0.0.1", 8080, 80, "tcp")]),
    ("{target: 80, published: '8080', protocol: udp}", [("", 8080, 80, "udp")]),
])  # fmt: skip
def test_ports_in_every_form(written: str, expected: list[tuple[str, int, int, str]]) -> None:
    assert list(read(f"{{image: a, ports: [{written}]}}").shape.ports) == expected


@pytest.mark.parametrize(("written", "expected"), [
    ("./data:/data", Mounted(source="/srv/mc/data", target="/data")),
    ("../x:/x:ro", Mounted(source="/srv/x", target="/x", read_only=True)),
    ("~/w:/w", Mounted(source="/home/ada/w", target="/w")),
    ("world:/w", Mounted(source="mc_world", target="/w")),
    ("named:/w", Mounted(source="other", target="/w")),
    ("mine:/w", Mounted(source="mine", target="/w")),
    ("{type: bind, source: /o, target: /w}", Mounted(source="/o", target="/w")),
])  # fmt: skip
def test_volumes_in_every_form(written: str, expected: Mounted) -> None:
    rest = "volumes: {world: , named: {name: other}, mine: {external: true}}\n"
    assert read(f"{{image: a, volumes: [{written}]}}", rest).shape.mounts == (expected,)


def test_variables_are_filled_in_as_compose_does() -> None:
    text = ("{image: 'a:${TAG}', command: 'x ${NO:-${TAG}} ${EMPTY-kept} ${TAG:+there} $$1',"
            " env_file: secret.env, environment: [A=1, HOME]}")
    shape = read(text).shape
    assert shape.image == "a:latest"
    assert shape.command == ("x", "latest", "there", "$1")
    assert shape.env == {"A": "1", "HOME": "/home/ada", "MODE": "survival", "TOKEN": None}


def test_limits_stop_and_health_are_taken_over() -> None:
    shape = read(
        "{image: a, deploy: {resources: {limits: {memory: 2G, cpus: '1.5'}}}, stop_signal: SIGINT,"
        " stop_grace_period: 1m30s, healthcheck: {test: [CMD, ok], interval: 7s, retries: 2}}"
    ).shape
    assert (shape.memory_bytes, shape.nano_cpus) == (2 << 30, 1_500_000_000)
    assert (shape.stop_signal, shape.grace_s) == ("SIGINT", 90.0)
    assert shape.health is not None
    assert (shape.health.test, shape.health.interval, shape.health.retries) == (("CMD", "ok"), 7, 2)


def test_what_is_not_understood_is_named_and_merge_keys_work() -> None:
    rest = "x-base: &base {image: b, privileged: true}\n"
    (found,) = read_services("c.yml", rest + "services:\n  mc:\n    <<: *base\n    volumes: [/v]\n",
                             PROJECT)
    assert found.shape.image == "b"
    assert found.shape.unsaid == ("privileged", "a volume without a name")
    assert found.containers == ("mc-mc-1", "mc_mc_1")


@pytest.mark.parametrize(("text", "said"), [
    ("services: {mc: {build: .}}", "services.mc: has no image"),
    ("services: {mc: {image: a, ports: ['x:y']}}", "services.mc: ports: 'x:y' is not understood"),
    ("services: {mc: {image: '${NO:?set it}'}}", "needs the variable NO: set it"),
    ("version: '3'", "services: is missing"),
    ("a: [", "not valid YAML"),
])  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_service(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(said)):
        read_services("c.yml", text, PROJECT)


def test_an_env_file_has_comments_quotes_and_exports() -> None:
    text = "# no\nexport A=1\nB='x # y'\nC = z # w\nnothing\n"
    assert read_env_file(text) == {"A": "1", "B": "x # y", "C": "z"}
