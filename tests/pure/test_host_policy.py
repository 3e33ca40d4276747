"""What a host's owner allows: everything that is refused, and the line that would allow it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zedops import document
from zedops.errors import EngineFailed
from zedops.model import Definition
from zedops_agent.policy import Policy, PolicyFile, refusals, repository


def _definition(text: str) -> Definition:
    parsed = document.parse("servers.d/a.yaml", f"image: a\n{text}\n".encode())
    if "image:" in text:
        parsed = document.parse("servers.d/a.yaml", f"{text}\n".encode())
    assert parsed.definition is not None, parsed.problems
    return parsed.definition


def _policy(text: str) -> Policy:
    return Policy.model_validate(yaml.safe_load(text) or {})


def _lines(policy: str, text: str, **sources: str) -> list[str]:
    places = {key: Path(each).resolve() for key, each in sources.items()}
    return [each.line for each in refusals(_policy(policy), _definition(text), places)]


@pytest.mark.parametrize(("policy", "text", "lines"), [
    ("", "ports: {a: 80}", []),
    ("", "cap_add: [CHOWN, CAP_KILL]\nprofile: hardened", []),
    ("", "cap_add: [SYS_ADMIN]", ["cap_add: [SYS_ADMIN]"]),
    ("cap_add: [cap_sys_admin]", "cap_add: [SYS_ADMIN]", []),
    ("", "cap_add: [CAP_NET_ADMIN]", ["cap_add: [NET_ADMIN]"]),
    ("", "networks: [host]", ["host_network: true"]),
    ("", "networks: [games, 'container:db']", ["host_network: true"]),
    ("host_network: true", "networks: [host]", []),
    ("", "networks: [games]", []),
    ("images: ['ghcr.io/**']", "image: ghcr.io/a/b:1", []),
    ("images: ['ghcr.io/**']", "image: evil.io/ghcr.io/a:1", ['images: ["evil.io/ghcr.io/a"]']),
    ("images: ['docker.io/itzg/*']", "image: itzg/minecraft-server", []),
    ("images: ['docker.io/itzg/*']", "image: itzg/a/b", ['images: ["docker.io/itzg/a/b"]']),
    ("images: ['docker.io/library/nginx']", "image: nginx@sha256:aa", []),
    ("images: ['docker.io/library/nginx']", "image: nginx-evil",
     ['images: ["docker.io/library/nginx-evil"]']),
    ("ports: ['20000-20010']", "ports: {a: 20010/udp}", []),
    ("ports: ['20000-20010']", "ports: {a: 22/tcp}", ["ports: [22]"]),
    ("ports: ['20000-20010']", "ports: {a: {container: 22, publish: none}}", []),
    ("memory: 1GiB", "limits: {memory: 1GiB}", []),
    ("memory: 1GiB", "limits: {memory: 2GiB}", ["memory: 2048MiB"]),
    ("memory: 1GiB", "", ["memory: 1024MiB"]),
    ("cpus: 2", "limits: {cpus: 2}", []),
    ("cpus: 2", "limits: {cpus: 3}", ["cpus: 3"]),
])  # fmt: skip
def test_what_is_refused_and_which_line_would_allow_it(
    policy: str, text: str, lines: list[str]
) -> None:
    assert _lines(policy, text) == lines


def test_a_source_is_compared_by_its_parts_and_where_links_lead(tmp_path: Path) -> None:
    for each in ("data", "data-secret", "elsewhere"):
        (tmp_path / each).mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    root, text = f"bind_roots: [{tmp_path}/data]", "volumes: {w: {path: /w, source: /x}}"
    assert _lines(root, text, w=f"{tmp_path}/data") == []
    assert _lines(root, text, w=f"{tmp_path}/data/below") == []
    for outside in ("data-secret", "data/link", "data/../elsewhere"):
        assert _lines(root, text, w=f"{tmp_path}/{outside}"), outside


@pytest.mark.parametrize("place", ["/var/run/docker.sock", "/var/run", "/", "/run/docker.sock"])
def test_the_engines_socket_is_not_given_with_a_directory_around_it(place: str) -> None:
    text = "volumes: {s: {path: /s, source: /x, kind: cache}}"
    assert "docker_socket: true" in _lines("bind_roots: [/]", text, s=place)
    assert _lines("bind_roots: [/]\ndocker_socket: true", text, s=place) == []


@pytest.mark.parametrize(("image", "name"), [
    ("nginx", "docker.io/library/nginx"), ("nginx:1.27", "docker.io/library/nginx"),
    ("itzg/mc:java21", "docker.io/itzg/mc"), ("ghcr.io/a/b@sha256:00", "ghcr.io/a/b"),
    ("localhost/a", "localhost/a"), ("127.0.0.1:5000/a:1", "127.0.0.1:5000/a"),
])  # fmt: skip
def test_an_image_is_known_by_its_whole_name(image: str, name: str) -> None:
    assert repository(image) == name


def test_a_refusal_names_everything_and_the_file(tmp_path: Path) -> None:
    file = PolicyFile(tmp_path / "agent.yaml")
    with pytest.raises(EngineFailed) as caught:
        file.check(_definition("cap_add: [SYS_ADMIN]\nnetworks: [host]"), {})
    assert str(caught.value).endswith(
        f"its owner can add `cap_add: [SYS_ADMIN]`, `host_network: true` to {file.path}"
    )


@pytest.mark.parametrize("text", ["bind_root: [/]", "ports: [http]", "memory: lots", "- a", ":"])
def test_a_policy_that_makes_no_sense_allows_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.yaml").write_text(text)
    with pytest.raises(EngineFailed, match="cannot be used"):
        PolicyFile(tmp_path / "agent.yaml").check(_definition(""), {})
