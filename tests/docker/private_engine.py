"""A Docker Engine of a test's own: to be stopped and killed, as the shared one must never be.

It lives in one folder, network namespace included (bound there by unshare(1), so that nothing
shows up in /run/netns and iproute2 is not needed). nsenter, not `ip netns exec`, which would hide
the cgroups. The folder is short and in /tmp: the path of a unix socket ends after 107 bytes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker

from tests.conftest import without
from tests.frozen import freeze

DEADLINE_S = 30.0
_NEEDED = ("dockerd", "containerd", "iptables", "nsenter", "setpriv", "unshare")
#: Begins an Engine with a socket that stays open while none is behind it, as Debian's docker.socket
#: is: a call that comes meanwhile is answered by the next one. See sd_listen_fds(3).
_HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
    "os.execvp(sys.argv[2], sys.argv[2:])"
)


def missing() -> str | None:
    """Say what keeps this machine from running one; None if nothing does."""
    if os.geteuid() != 0:
        return "right to start a dockerd (root)"
    return next((each for each in _NEEDED if shutil.which(each) is None), None)


class PrivateEngine:
    """One dockerd at a time, on data of its own, that ends with the tests."""

    def __init__(self, *options: str, activated: bool = False) -> None:
        self._options = options
        self.folder = Path("/tmp", f"zedops-engine-{uuid.uuid4().hex[:8]}")  # noqa: S108 - short
        self.folder.mkdir(mode=0o711)
        self.url = f"unix://{self.folder}/sock"
        self.network = self.folder / "net"
        self.network.touch()
        subprocess.run(["unshare", f"--net={self.network}", "true"], check=True)
        self._daemon: subprocess.Popen[bytes] | None = None
        self._door: socket.socket | None = None
        if activated:
            self._door = socket.socket(socket.AF_UNIX)
            self._door.bind(f"{self.folder}/sock")
            self._door.listen(64)

    def connect(self) -> docker.APIClient:
        """Make a client; whoever asks closes it."""
        return docker.APIClient(base_url=self.url, version="auto", timeout=60)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.begin()
        deadline = time.monotonic() + DEADLINE_S
        while not self._answers():
            assert self._daemon is not None
            assert self._daemon.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def start_with(self, image: str, other: docker.APIClient) -> None:
        """Start it and give it an image that another Engine has."""
        self.start()
        packed = b"".join(other.get_image(image))
        with contextlib.closing(self.connect()) as api:
            api.load_image(packed)  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        """Start it; returns before it answers."""
        assert self._daemon is None
        door = self._door and self._door.fileno()
        with (self.folder / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [
                    "setpriv", "--pdeathsig", "TERM", "nsenter", f"--net={self.network}",
                    *([sys.executable, "-c", _HAND_OVER, str(door)] if door else []),
                    "dockerd", "--data-root", f"{self.folder}/data",
                    "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid",
                    "-H", "fd://" if door else self.url, "--bip", "172.31.255.1/24",
                    # where the system has a containerd, dockerd takes that, and shares it
                    "--containerd-namespace", self.folder.name,
                    "--containerd-plugins-namespace", f"{self.folder.name}.plugins",
                    *self._options,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                pass_fds=[door] if door else [],
            )

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(f"{self.folder}/sock") != 0:
                return False
        self.connect().close()  # it listens early, and answers once it is ready
        return True

    @property
    def running(self) -> bool:
        """Say whether it was started and not ended."""
        return self._daemon is not None

    def stop(self) -> None:
        """Shut it down as a person does: it ends every container first."""
        assert self._daemon is not None
        self._daemon.terminate()
        code = self._daemon.wait(timeout=DEADLINE_S)
        self._daemon = None
        assert code == 0, self.said()

    def kill(self) -> None:
        """Let it die at once; containers live on, a containerd of its own does not."""
        assert self._daemon is not None
        self._daemon.kill()
        self._daemon.wait(timeout=DEADLINE_S)
        self._daemon = None
        (self.folder / "pid").unlink()
        leftover = self.folder / "exec" / "containerd" / "containerd.pid"
        if leftover.exists():
            containerd = Path("/proc") / leftover.read_text()
            deadline = time.monotonic() + DEADLINE_S
            while _lives(containerd):
                assert time.monotonic() < deadline, f"{containerd} outlives its dockerd"
                time.sleep(0.02)
            leftover.unlink()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it answer nobody for a while, as on a machine that swaps."""
        daemon = int((self.folder / "pid").read_text())
        freeze(daemon)
        try:
            yield
        finally:
            os.kill(daemon, signal.SIGCONT)

    def said(self) -> str:
        """What it said last, for messages."""
        return (self.folder / "log").read_text()[-4000:]

    def remove(self) -> None:
        """Leave nothing behind."""
        try:
            if not self.running:
                self.start()  # only it can end what survived a kill
            with contextlib.closing(self.connect()) as api:
                for each in api.containers(all=True):
                    api.remove_container(each["Id"], force=True, v=True)
            self.stop()
        finally:
            self._end_all()
            if self._door is not None:
                self._door.close()
            mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
            for each in reversed([each for each in mounts if each.startswith(f"{self.folder}/")]):
                subprocess.run(["umount", each], check=True)
            shutil.rmtree(self.folder)

    def _end_all(self) -> None:
        """End what bears this folder's name: after a kill, shims may outlive their containers."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.folder.name.encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
        if self._daemon is not None:
            self._daemon.wait()


def _lives(process: Path) -> bool:
    """Say whether a process of /proc is there and not only waits to be reaped."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def running(
    image: str, other: docker.APIClient, *options: str, activated: bool = False, room: str = ""
) -> Iterator[PrivateEngine]:
    """Run one with an image of another Engine, on a small disk if room tells its size; or skip."""
    if lack := missing():
        without(f"private Docker Engine (for want of: {lack})")
    made = PrivateEngine(*options, activated=activated)
    try:
        if room:
            data = made.folder / "data"
            data.mkdir()
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(data)], check=True
            )
        made.start_with(image, other)
        yield made
    finally:
        made.remove()
