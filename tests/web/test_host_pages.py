"""Hosts, ports, orphans and doctor as pages; a host that is added shows its token once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import docker
import pytest
from playwright.sync_api import expect

from tests.machine import Machine, free_port
from tests.system.servers import LOOP, begin, command
from tests.web.advertised import advertised
from tests.web.visits import Visitor
from zedops.hub.hub import Hub

pytestmark = [pytest.mark.docker, pytest.mark.system]

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Machine]:
    """Run a fleet that other hosts may join."""
    with advertised(tmp_path_factory.mktemp("web"), docker_api, image) as made:
        yield made


def test_hosts_ports_orphans_and_the_doctor_have_pages(
    fleet: Machine, visit: Visit, docker_api: docker.APIClient
) -> None:
    port = free_port()
    begin(fleet, "quay", command(LOOP), f"ports: {{game: {port}/udp}}")
    stray = docker_api.create_container(fleet.image, labels={
        "zedops.fleet": fleet.fleet, "zedops.server.id": "0" * 26,
        "zedops.server.name": "<b>stray</b>", "zedops.hub": Hub(fleet.hub).identity(),
    })
    try:
        visitor = visit()
        for path, title, shown in (
            ("/hosts", "Hosts", "local"), ("/ports", "Ports", f"{port}/udp"),
            ("/orphans", "Orphans", "<b>stray</b>"), ("/doctor", "Doctor", "git"),
        ):  # fmt: skip
            page = visitor.open("/")
            page.get_by_role("link", name=title, exact=True).click()
            expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
            expect(page.locator("tbody")).to_contain_text(shown)
            visitor.check_access(path)
            visitor.check_narrow(path)
        expect(page.locator("tbody")).to_contain_text("Docker")
    finally:
        docker_api.remove_container(stray["Id"], force=True)


def test_an_added_host_shows_its_token_once(fleet: Machine, visit: Visit) -> None:
    visitor = visit()
    page = visitor.open("/hosts")
    page.get_by_label("Name").fill("attic")
    page.get_by_role("button", name="Commit and make a token").click()
    expect(page.get_by_role("heading", name="attic may join")).to_be_visible()
    said = page.locator("pre").inner_text()
    assert said.startswith("zedops agent join ")
    assert "attic" in fleet.git("show", "main:zedops.yaml", cwd=fleet.hub)
    assert "Add host attic" in fleet.subjects()
    visitor.open("/hosts")
    expect(page.locator("tbody")).to_contain_text("attic")
    token = said.split()[-1]
    assert token not in page.content()
    assert token not in fleet.said()
    visitor.check_access("a token's page is left")
