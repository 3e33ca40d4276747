"""A hook that is told nonsense says so in one line and takes nothing in; run as git runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zedops.hub.hub import Hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    return Hub.create(tmp_path_factory.mktemp("hub") / "fleet.git")


def run(hub: Hub, name: str, said: bytes, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [hub.path / "hooks" / name], cwd=hub.path, input=said, capture_output=True, check=False,
        env={**os.environ, "GIT_DIR": ".", "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
             **env},
        timeout=60,
    )


ZERO, ID = b"0" * 40, b"a" * 40


@pytest.mark.parametrize("said", [b"nonsense\n", ZERO + b" " + ID + b"\n", b"\xff\xfe\n", b"\0" * 9,
                                  b"--all HEAD refs/heads/main\n"])
def test_pre_receive_refuses_what_is_no_update(hub: Hub, said: bytes) -> None:
    done = run(hub, "pre-receive", said)
    assert done.returncode == 1
    assert done.stderr.startswith(b"cannot be checked: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("count", ["x", "-1", "\u00b2", "9" * 5000, ""])
def test_pre_receive_refuses_a_strange_number_of_options(hub: Hub, count: str) -> None:
    done = run(hub, "pre-receive", b"", GIT_PUSH_OPTION_COUNT=count)
    assert done.returncode == 1
    assert done.stderr.startswith(b"cannot be checked: GIT_PUSH_OPTION_COUNT")


@pytest.mark.parametrize("said", [b"zzzz", b"0001", b"0003", b"-001", b"+0ff", b"ffff", b"00",
                                  b"\xff" * 4, b"000eversion=10000001fnonsense", b"0_10"])
def test_proc_receive_refuses_what_is_no_packet(hub: Hub, said: bytes) -> None:
    done = run(hub, "proc-receive", said)
    assert done.returncode == 1
    assert done.stderr.startswith(b"cannot be checked: ")
    assert b"Traceback" not in done.stderr


def test_an_object_that_is_not_there_is_refused(hub: Hub) -> None:
    done = run(hub, "pre-receive", ZERO + b" " + ID + b" refs/heads/main\n")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
