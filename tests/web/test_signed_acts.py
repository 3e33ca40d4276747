"""A browser's passkey signs the commit of a click, and the fleet takes no other."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
from playwright.sync_api import Browser, expect

from tests.machine import Machine
from tests.web.advertised import advertised
from tests.web.passkeys import authenticator, can_log_in, make

pytestmark = [pytest.mark.docker, pytest.mark.system]


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str
) -> Iterator[Machine]:
    """Run a fleet that other hosts may join."""
    with advertised(tmp_path_factory.mktemp("web"), docker_api, image) as made:
        yield made


def test_a_passkey_signs_the_very_commit_and_stock_git_verifies_it(
    fleet: Machine, chromium: Browser
) -> None:
    with authenticator(chromium, fleet) as desk:
        line = make(desk, "ann@example.org", "Ann")
        before = (fleet.clone / "zedops.yaml").read_text()
        fleet.write("servers.d/vault.yaml", f"image: {fleet.image}\ndesired: stopped\n")
        fleet.write("allowed_signers", f"{line}\n")
        fleet.write("zedops.yaml", f"{before}require_signatures: true\n")
        fleet.push("only signed commits from now on")
        fleet.wait_for(lambda: can_log_in(desk))
        desk.page.wait_for_url(f"{desk.url}/")
        page = desk.open("/act?verb=start&server=vault")
        page.get_by_role("button", name="Commit and push").click()
        expect(page.get_by_role("heading", name="Sign it")).to_be_visible()
        expect(page.get_by_label("The commit")).to_contain_text("author Ann <ann@example.org>")
        page.get_by_role("button", name="Sign and push").click()
        expect(page.locator("#sign-told")).to_contain_text("Pushed")
        fleet.pull()
        found = fleet.git("log", "-1", "--format=%H", "--grep=^vault: start").strip()
        keys = str(fleet.clone / "allowed_signers")
        said = fleet.git("-c", f"gpg.ssh.allowedSignersFile={keys}", "verify-commit", found)
        assert 'Good "git" signature for ann@example.org with ECDSA-SK key' in said
        page = desk.open("/hosts")
        page.get_by_label("Name").fill("attic")
        page.get_by_role("button", name="Commit and make a token").click()
        expect(page.get_by_label("The commit")).to_contain_text("Add host attic")
        assert "agent join" not in page.content(), "the token comes after the push"
        page.get_by_role("button", name="Sign and push").click()
        expect(page.locator("#sign-told")).to_contain_text("zedops agent join ")
        assert "attic" in fleet.git("show", "main:zedops.yaml", cwd=fleet.hub)
        page = desk.open("/act?verb=stop&server=vault")
        page.get_by_role("button", name="Commit and push").click()
        expect(page.get_by_role("heading", name="Sign it")).to_be_visible()
        page.evaluate("document.querySelector('[data-sign]').dataset.sign = 'AAAA'")
        page.get_by_role("button", name="Sign and push").click()
        expect(page.locator("#sign-told")).to_contain_text("does not know this passkey")
        desk.faults = [each for each in desk.faults if "the server responded" not in each]
        assert desk.faults == []
