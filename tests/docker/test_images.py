"""Images from a real registry: pulled with progress, rebuilt, missing."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest

from tests.docker.host import Host
from tests.registry import changed, publish

pytestmark = pytest.mark.docker


def test_an_image_is_pulled_before_anything_else_happens(published: str, host: Host) -> None:
    server = host.want("rosewood", f"image: {published}\n")
    host.wait_running(server)
    host.until(lambda: any(each.startswith(f"pulling {published}") for each in host.progressed))


def test_a_missing_tag_is_a_failure_in_the_registrys_words(published: str, host: Host) -> None:
    name = published.removesuffix(":1")
    server = host.want("rosewood", f"image: {name}:nope\n")
    report = host.wait(server, lambda each: each.failure)
    assert "not found" in str(report.failure) or "manifest unknown" in str(report.failure)


def test_a_pull_that_fails_leaves_the_running_server_alone(published: str, host: Host) -> None:
    server = host.want("rosewood", f"image: {published}\n")
    before = host.container("rosewood") if host.wait_running(server) else {}
    seen = len(host.reports)
    host.want("rosewood", f"image: {published.removesuffix(':1')}:nope\n")
    host.wait(server, lambda each: each.failure, seen)
    after = host.container("rosewood")
    assert after["Id"] == before["Id"]
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]


def test_an_image_removed_by_hand_is_pulled_again_when_it_is_needed(
    published: str, host: Host, docker_api: docker.APIClient
) -> None:
    server = host.want("rosewood", f"image: {published}\nvolumes: {{world: /data}}\n")
    host.wait_running(server)
    host.wait(server, lambda each: each.data_exists)
    before = host.container("rosewood")
    docker_api.remove_image(published, force=True, noprune=True)
    assert host.container("rosewood")["State"] == before["State"]  # no reason to touch it
    seen = len(host.reports)
    docker_api.remove_container(before["Id"], force=True)
    report = host.wait(server, lambda each: each.container and each.container.running
                       and each.container.id != before["Id"] and not each.activity, seen)
    assert "recovered" in str(report.note)


def test_a_rebuild_pulls_the_newest_image_once_and_keeps_the_data(
    published: str, host: Host, docker_api: docker.APIClient
) -> None:
    name = published.removesuffix(":1")
    text = f"image: {published}\nvolumes: {{world: /data}}\nstop: {{grace: 5s}}\n"
    server = host.want("rosewood", text)
    first = host.wait_running(server)
    newer = changed(docker_api, published, "LABEL v=2")
    publish(docker_api, newer, name)
    docker_api.remove_image(published, force=True, noprune=True)
    docker_api.tag(first.container.image if first.container else "", name, "1")
    host.want("rosewood", f"{text}restart: not-a-rebuild\n")
    seen = len(host.reports)
    host.want("rosewood", f"{text}rebuild: monday\n")
    report = host.wait(server, lambda each: each.container and each.container.running
                       and each.container.image == newer and each.activity is None, seen)
    assert report.data_exists is not False
    made = host.container("rosewood")["Created"]
    host.stop()
    seen = len(host.reports)
    host.start()
    host.wait_running(server, seen)
    assert host.container("rosewood")["Created"] == made
    assert (host.world(server) / "world.txt").read_text().count("started") >= 2


def test_a_heal_and_an_edit_keep_the_image_that_ran_though_its_tag_moved(
    image: str, host: Host, docker_api: docker.APIClient
) -> None:
    name = f"zedops-moves-{host.fleet}"
    docker_api.tag(image, name, "1")
    server = host.want("rosewood", f"image: {name}:1\n")
    first = host.wait_running(server).container
    assert first is not None
    newer = changed(docker_api, image, "LABEL v=2")
    docker_api.tag(newer, name, "1")
    try:
        seen = len(host.reports)
        docker_api.remove_container(first.id, force=True)
        healed = host.wait_running(server, seen)
        assert healed.container is not None
        assert (healed.container.image, healed.container.id != first.id) == (first.image, True)
        assert "means another one by now" in str(healed.note)
        seen = len(host.reports)
        host.want("rosewood", f"image: {name}:1\nenv: {{A: b}}\n")
        edited = host.wait(server, lambda each: each.applied and each.about == "c3", seen)
        assert edited.container is not None
        assert edited.container.image == first.image
        seen = len(host.reports)
        host.want("rosewood", f"image: {name}:1\nenv: {{A: b}}\nrebuild: now\n")
        rebuilt = host.wait(server, lambda each: each.applied and each.about == "c4", seen)
        assert rebuilt.container is not None
        assert rebuilt.container.image == newer
        assert "no registry has" in str(rebuilt.note)
    finally:
        host.tear_down()
        docker_api.remove_image(f"{name}:1", force=True, noprune=True)


@pytest.mark.filterwarnings("ignore:docker-credential:UserWarning")
def test_a_login_helper_that_is_not_installed_keeps_no_image_away(
    published: str, host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host.stop()
    (tmp_path / "config.json").write_text('{"credsStore": "not-installed"}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    host.start()
    host.wait_running(host.want("rosewood", f"image: {published}\n"))


def test_what_the_client_refuses_is_a_failure_with_its_words(host: Host) -> None:
    host.policy.write_text("host_network: true\n")
    server = host.want("rosewood", "networks: [host]\nports: {game: 20030/tcp}\n")
    report = host.wait(server, lambda each: each.failure)
    assert "incompatible" in str(report.failure)
