"""What tests stand on: a real Engine, a real image, real git, and nothing left behind."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import docker
import docker.utils
import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

from tests import registry as images
from tests.machine import Machine

#: Serves a page that says who it greets; appends a line to its world at each start; ends politely.
SCRIPT = """
trap 'echo bye; exit 0' TERM
echo "up, greeting ${GREET:-nobody}"
if [ -d /data ]; then echo "started greeting ${GREET:-nobody}" >> /data/world.txt; fi
/bin/busybox mkdir -p /www
echo "hello ${GREET:-nobody}" > /www/index.html
/bin/busybox httpd -p 8080 -h /www
while :; do /bin/busybox sleep 1 & wait $!; done
"""


@pytest.fixture(scope="session", autouse=True)
def _git_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make git the same everywhere: no settings of this machine, one known person."""
    home = tmp_path_factory.mktemp("home")
    (home / "gitconfig").write_text(
        "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    for key in [key for key in os.environ if key.startswith("GIT_")]:
        del os.environ[key]
    os.environ["GIT_CONFIG_GLOBAL"] = str(home / "gitconfig")
    os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
    os.environ["ZEDOPS_WEB"] = "off"  # many fleets run at once, and there is one usual port


def without(service: str) -> NoReturn:
    """Skip on a laptop, fail in CI."""
    reason = f"no {service} here; scripts/test sees to one"
    if os.environ.get("CI") or os.environ.get("ZEDOPS_TEST_REQUIRE_ENGINE"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def docker_api() -> Iterator[docker.APIClient]:
    """Reach the real Docker Engine."""
    try:
        api = docker.APIClient(version="auto", timeout=60, **docker.utils.kwargs_from_env())
        api.ping()
    except docker.errors.DockerException:
        without("Docker Engine")
    yield api
    api.close()


@pytest.fixture(scope="session")
def restic() -> None:
    """Need restic, for tests of backups."""
    if shutil.which("restic") is None:
        without("restic")


@pytest.fixture(scope="session")
def image(docker_api: docker.APIClient) -> Iterator[str]:
    """Make a small image from a static busybox; no registry is needed."""
    busybox = next((p for p in ("/bin/busybox", "/usr/bin/busybox") if Path(p).exists()), None)
    if busybox is None or "static" not in subprocess.run(
        ["file", "-b", busybox] if shutil.which("file") else ["echo", "static"],
        capture_output=True, text=True, check=False,
    ).stdout:
        without("static busybox")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("bin/busybox", "bin/sh"):
            tar.add(str(busybox), arcname=name)
        for folder in ("tmp", "data", "run"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(entry)
    name = f"zedops-test-{uuid.uuid4().hex[:8]}"
    command = ["/bin/sh", "-c", SCRIPT]
    docker_api.import_image_from_data(
        packed.getvalue(), repository=name, tag="1",
        # two workers that make it within one second must not get one image of two names
        changes=[f"CMD {json.dumps(command)}", f"LABEL made-for={name}"],
    )
    yield f"{name}:1"
    docker_api.remove_image(f"{name}:1", force=True)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real registry on loopback; returns its `host:port`."""
    program = images.binary()
    if program is None:
        without("docker-registry")
    with images.serve(program, tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def published(docker_api: docker.APIClient, image: str, registry: str) -> Iterator[str]:
    """Push the test image to the registry and drop it here; returns its name there."""
    name = f"{registry}/zedops-test-{uuid.uuid4().hex[:8]}"
    images.publish(docker_api, image, name)
    docker_api.remove_image(f"{name}:1")
    yield f"{name}:1"
    images.forget(docker_api, name)


@pytest.fixture
def machine(
    tmp_path: Path, docker_api: docker.APIClient, image: str
) -> Iterator[Machine]:
    """Set up one host with a fleet on it; stop and remove everything afterwards."""
    made = Machine(tmp_path, docker_api, image)
    yield made
    made.tear_down()


class _ByGroup(LoadGroupScheduling):  # type: ignore[misc]
    """Keeps a module that says `xdist_group` on one worker.

    pytest-xdist 3.8 writes the mark where pytest 9.2 does not read it any more: such modules were
    spread over all workers, and each worker made the module's fleet again.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if _is_grouped(self.config.rootpath / module) else nodeid


@functools.cache
def _is_grouped(path: Path) -> bool:
    return path.is_file() and "xdist_group(" in path.read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand tests out by group where that is asked for."""
    return _ByGroup(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_configure() -> None:
    """Take down what tests mounted that were killed: pytest could not remove their folders."""
    left = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()
            if "/pytest-of-" in line.split()[1] and "/garbage-" in line.split()[1]]
    for each in reversed(left):
        subprocess.run(["umount", "--lazy", each], check=False, stderr=subprocess.DEVNULL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the walks that take minutes."""
    parser.addoption("--long", action="store_true", help="run the tests marked long, too")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest test, in any order: no worker shall wait for it in the end."""
    if not config.getoption("--long"):
        long = [each for each in items if each.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [each for each in items if not each.get_closest_marker("long")]
    items.sort(key=lambda item: "test_pushes" not in item.nodeid)
