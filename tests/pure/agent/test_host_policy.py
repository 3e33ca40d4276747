"""What a host's owner allows: everything that is refused, and the line that would allow it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zedops.errors import EngineFailed
from zedops.spec import document, references
from zedops.spec.model import Definition
from zedops_agent.container_spec import ceilings
from zedops_agent.engine.parse import is_called
from zedops_agent.observed import Network
from zedops_agent.policy import Policy
from zedops_agent.policy_file import PolicyFile, look_at_source
from zedops_agent.refusals import Asked, refusals

#: What the Engine finds by these names, ids and beginnings of ids.
NETWORKS = {each.name: each for each in (
    Network("own", "bridge", "fleet", frozenset({("c", "")})), Network("bridge", "bridge"),
    Network("others", "bridge", "other"), Network("none", "null"), Network("empty", "bridge"),
    Network("games", "bridge", "", frozenset({("a", "fleet"), ("b", "")})),
    Network("alone", "bridge", "", frozenset({("a", "fleet"), ("taken", "")})),
    Network("lan", "macvlan"), Network("project", "bridge", "project"),
)} | {"7f3a": Network("host", "host")}  # fmt: skip


def _definition(text: str) -> Definition:
    parsed = document.parse("servers.d/a.yaml", f"image: a\n{text}\n".encode())
    if "image:" in text:
        parsed = document.parse("servers.d/a.yaml", f"{text}\n".encode())
    assert parsed.definition is not None, parsed.problems
    return parsed.definition


def _policy(text: str) -> Policy:
    return Policy.model_validate(yaml.safe_load(text) or {})


def _lines(policy: str, text: str, **sources: str) -> list[str]:
    allowed = _policy(policy)
    places = {key: look_at_source(allowed, Path(each).resolve()) for key, each in sources.items()}
    asked = Asked("fleet", _definition(text), places, NETWORKS, {"taken"})
    return [each.line for each in refusals(allowed, asked)]


@pytest.mark.parametrize(("policy", "text", "lines"), [
    ("", "ports: {a: 80}", []),
    ("", "cap_add: [CHOWN, CAP_KILL]\nprofile: hardened", []),
    ("", "cap_add: [SYS_ADMIN]", ["cap_add: [SYS_ADMIN]"]),
    ("cap_add: [cap_sys_admin]", "cap_add: [SYS_ADMIN]", []),
    ("", "cap_add: [CAP_NET_ADMIN]", ["cap_add: [NET_ADMIN]"]),
    ("", "networks: [host]", ["host_network: true"]),
    ("", "networks: [own, 'container:db']", ["host_network: true"]),
    ("host_network: true", "networks: [host]", []),
    ("host_network: true", "networks: [games]", ['networks: ["games"]']),
    ("", "networks: [own, empty, alone]", []),
    ("", "networks: [lan]", ['networks: ["lan"]']),
    ("", "networks: [project]", ['networks: ["project"]']),
    ("", "networks: [bridge, none]", []),
    ("", "networks: [games]", ['networks: ["games"]']),
    ("", "networks: [others]", ['networks: ["others"]']),
    ("", "networks: [not-there]", []),
    ("networks: [games]", "networks: [games, own]", []),
    ("networks: ['g*']", "networks: [games]", []),
    ("networks: ['*']", "networks: [games, others]", []),
    ("networks: ['*']", "networks: [7f3a]", ["host_network: true"]),
    ("", "labels: {team: red, org.opencontainers.image.title: t}", []),
    ("", "labels: {traefik.enable: 'true'}", ['labels: ["traefik.enable"]']),
    ("", "labels: {autoheal: 'true'}", ['labels: ["autoheal"]']),
    ("", "labels: {caddy_1.reverse_proxy: x, caddy: y}",
     ['labels: ["caddy_1.reverse_proxy"]', 'labels: ["caddy"]']),
    ("labels: ['traefik.*']", "labels: {traefik.http.routers.a: b}", []),
    ("labels: ['traefik.*']", "labels: {ofelia.job-exec.a: b}", ['labels: ["ofelia.job-exec.a"]']),
    ("images: ['ghcr.io/**']", "image: ghcr.io/a/b:1", []),
    ("images: ['ghcr.io/**']", "image: evil.io/ghcr.io/a:1", ['images: ["evil.io/ghcr.io/a"]']),
    ("images: ['docker.io/itzg/*']", "image: itzg/minecraft-server", []),
    ("images: ['docker.io/itzg/*']", "image: itzg/a/b", ['images: ["docker.io/itzg/a/b"]']),
    ("images: ['docker.io/library/nginx']", f"image: nginx@sha256:{'a' * 64}", []),
    ("images: ['docker.io/library/nginx']", f"image: nginx:1@sha256:{'a' * 64}", []),
    ("images: ['docker.io/library/*']", "image: docker.io/nginx", []),
    ("images: ['docker.io/library/*']", "image: index.docker.io/library/nginx", []),
    ("images: ['docker.io/**']", f"image: sha256:{'a' * 64}", ['images: ["**"]']),
    ("images: ['docker.io/**']", "image: sha256:aaaa", ['images: ["**"]']),
    ("images: ['docker.io/**']", f"image: {'a' * 64}", ['images: ["**"]']),
    ("", f"image: sha256:{'a' * 64}", []),
    ("images: ['docker.io/**']", "image: EVIL/nginx", ['images: ["EVIL/nginx"]']),
    ("images: ['docker.io/**']", "image: localhost/nginx", ['images: ["localhost/nginx"]']),
    ("images: ['docker.io/**']", "image: localhost:5000/a", ['images: ["localhost:5000/a"]']),
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
    ("pids: 600", "", []),
    ("pids: 600", "limits: {pids: 601}", ["pids: 601"]),
    ("pids: 100", "", ["pids: 512"]),
    ("cap_add: [ALL]", "cap_add: [SYS_ADMIN]", []),
    ("cap_add: [SYS_ADMIN]", "cap_add: [ALL]", ["cap_add: [ALL]"]),
    ("ports: ['0-65535']", "ports: {a: 65535}", []),
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
    ("nginx", "docker.io/library/nginx:latest"), ("nginx:1.27", "docker.io/library/nginx:1.27"),
    ("itzg/mc:java21", "docker.io/itzg/mc:java21"), ("localhost/a", "localhost/a:latest"),
    ("docker.io/nginx", "docker.io/library/nginx:latest"),
    ("index.docker.io/itzg/mc", "docker.io/itzg/mc:latest"),
    ("127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1"),
    ("localhost:5000", "docker.io/library/localhost:5000"),
    (f"ghcr.io/a/b@sha256:{'0' * 64}", f"ghcr.io/a/b:sha256:{'0' * 64}"),
    (f"ghcr.io/a/b:1@sha256:{'0' * 64}", f"ghcr.io/a/b:sha256:{'0' * 64}"),
    (f"docker.io@sha256:{'0' * 64}", f"docker.io/library/docker.io:sha256:{'0' * 64}"),
])  # fmt: skip
def test_an_image_is_known_by_its_whole_name(image: str, name: str) -> None:
    read = references.parse(image)
    assert read is not None
    assert ":".join(read.key) == name


@pytest.mark.parametrize("image", [
    "", "a/", "/a", "a//b", "a/../b", "a@b", "a@sha256:aa", "A", "a:", "a b", "ghcr.io/A/b",
    "a:b:c", "ghcr.io:x/a", "-a/b", "sha256:00", "0" * 64,
])  # fmt: skip
def test_what_is_an_id_or_no_reference_has_no_name(image: str) -> None:
    assert references.parse(image) is None


@pytest.mark.parametrize(("asked", "names", "is_it"), [
    ("a", ["a:latest"], True), ("docker.io/library/a:latest", ["a:latest"], True),
    ("cafe", ["other:1"], False), ("cafe", [], False), ("a:1", ["a:2", "b:1"], False),
    (f"a@sha256:{'0' * 64}", [f"a@sha256:{'0' * 64}"], True),
    (f"a@sha256:{'0' * 64}", [f"b@sha256:{'0' * 64}"], False),
    ("a", ["<none>:<none>"], False),
])  # fmt: skip
def test_an_image_that_only_begins_with_the_same_digits_is_another_one(
    asked: str, names: list[str], is_it: bool
) -> None:
    facts = {"Id": "sha256:cafe", "RepoTags": names, "RepoDigests": None}
    assert is_called(facts, asked) == is_it


def test_a_container_is_taken_over_only_where_its_own_name_is_allowed() -> None:
    asked = Asked("fleet", _definition("adopt: 4af7e4"), adopting="db")
    assert [each.line for each in refusals(_policy(""), asked)] == ['adopt: ["db"]']
    assert [each.line for each in refusals(_policy("adopt: [4af7e4]"), asked)] == ['adopt: ["db"]']
    for allowed in ("adopt: [db]", "adopt: ['*']", "adopt: ['d*']"):
        assert list(refusals(_policy(allowed), asked)) == []


@pytest.mark.parametrize(
    "cpus", ["1e-10", "0.0000000001", "0.009", "0", "-1", ".nan", ".inf", "1025"]
)
def test_a_share_of_a_cpu_that_means_no_limit_is_no_share(cpus: str) -> None:
    parsed = document.parse("servers.d/a.yaml", f"image: a\nlimits: {{cpus: {cpus}}}\n".encode())
    assert parsed.definition is None
    assert ceilings(_definition("limits: {cpus: 0.01}")).nano_cpus == 10_000_000


def test_a_refusal_names_everything_and_the_file(tmp_path: Path) -> None:
    file = PolicyFile(tmp_path / "agent.yaml")
    asked = _definition("cap_add: [SYS_ADMIN]\nnetworks: [host]")
    with pytest.raises(EngineFailed) as caught:
        file.check("fleet", asked, {}, NETWORKS.get)
    assert str(caught.value).endswith(
        f"its owner can add `cap_add: [SYS_ADMIN]`, `host_network: true` to {file.path}"
    )


@pytest.mark.parametrize("text", [
    "bind_root: [/]", "bind_roots: ['']", "bind_roots: [srv]", "ports: [http]",
    "ports: [90-80]", "cpus: .nan", "pids: 0", "adopt: true",
    "memory: lots", "- a", ":",
])  # fmt: skip
def test_a_policy_that_makes_no_sense_allows_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.yaml").write_text(text)
    with pytest.raises(EngineFailed, match="cannot be used"):
        PolicyFile(tmp_path / "agent.yaml").check("fleet", _definition(""), {}, NETWORKS.get)
