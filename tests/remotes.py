"""Git remotes as people have them: a path, a server over http with passwords, sshd. For tests.

All of them are git's own: `git-http-backend` behind a small server that runs it as CGI (RFC 3875)
and asks for a password first; OpenSSH's sshd with a key, a host key and a configuration of its own.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.machine import free_port

USER, TOKEN = "robot", "s3cret-token-of-the-robot"
_DEADLINE_S = 15.0


def git(folder: Path, *arguments: str, code: int | None = 0) -> str:
    """Run git in a folder; returns what it said on both streams."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=60,
    )  # fmt: skip
    assert code is None or done.returncode == code, (arguments, done.stdout)
    return done.stdout


@dataclass
class Remote:
    """A bare repository and how it is reached."""

    path: Path
    url: str
    #: What a person's git needs in its environment to get there.
    env: Mapping[str, str] = field(default_factory=dict)
    #: What zedops is told on its command line.
    options: tuple[str, ...] = ()

    def git(self, *arguments: str, code: int | None = 0) -> str:
        """Run git in the repository itself."""
        return git(self.path, *arguments, code=code)

    def show(self, path: str, branch: str = "main") -> str:
        """Read a file; empty if it is not there."""
        text = self.git("show", f"{branch}:{path}", code=None)
        return "" if text.startswith("fatal:") else text

    def moves(self, branch: str = "main") -> list[tuple[str, str]]:
        """List every move of a branch, oldest first: from which commit to which."""
        lines = (self.path / "logs/refs/heads" / branch).read_text().splitlines()
        return [(old, new) for old, new, *_ in (line.split(" ", 2) for line in lines)]

    def is_never_forced(self, branch: str = "main") -> bool:
        """Say whether each move went forward, so that nothing that was there ever went."""
        return all(
            git(self.path, "merge-base", "--is-ancestor", old, new, code=None) == ""
            for old, new in self.moves(branch) if set(old) != {"0"}
        )


def bare(folder: Path) -> Path:
    """Make an empty repository that notes each move of its branches."""
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "fleet.git")
    path = folder / "fleet.git"
    git(path, "config", "core.logAllRefUpdates", "true")
    git(path, "config", "http.receivepack", "true")
    return path


# --- http


class HttpRemote:
    """Serves one folder of repositories, and takes commit statuses as a forge does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.statuses: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        remote = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                remote.serve(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # callers that were cut off

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="git-http", daemon=True).start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def serve(self, call: http.server.BaseHTTPRequestHandler) -> None:
        """Answer one call."""
        body = call.rfile.read(int(call.headers.get("Content-Length") or 0))
        if call.path.startswith("/api/v1/repos/"):
            self._take_status(call, body)
        elif call.headers.get("Authorization") != _basic():
            call.send_response(401)
            call.send_header("WWW-Authenticate", 'Basic realm="git"')
            call.send_header("Content-Length", "0")
            call.end_headers()
        else:
            self._run_backend(call, body)

    def _take_status(self, call: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        good = call.headers.get("Authorization") == f"token {TOKEN}"
        call.send_response(201 if good else 401)
        call.send_header("Content-Length", "0")
        call.end_headers()
        if good:
            with self.changed:
                self.statuses.append({"path": call.path, **json.loads(body)})
                self.changed.notify_all()

    def _run_backend(self, call: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        path, _, query = call.path.partition("?")
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=False,
            env={
                **os.environ, "GIT_PROJECT_ROOT": str(self.folder), "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": call.command, "PATH_INFO": path, "QUERY_STRING": query,
                "REMOTE_USER": USER, "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_TYPE": call.headers.get("Content-Type") or "",
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": call.headers.get("Content-Encoding") or "",
                "GIT_PROTOCOL": call.headers.get("Git-Protocol") or "",
            },
        )  # fmt: skip
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        status = next((value for key, value in fields if key == "Status"), "200 OK")
        call.send_response_only(int(status.split()[0]))
        for key, value in fields:
            if key != "Status":
                call.send_header(key, value)
        call.end_headers()
        call.wfile.write(rest)


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()


@contextlib.contextmanager
def over_http(folder: Path) -> Iterator[tuple[Remote, HttpRemote]]:
    """Serve a repository that asks for a password; a person's git knows it, and so does a file."""
    path = bare(folder)
    (folder / "ada").mkdir()
    (folder / "ada" / "fleet.git").symlink_to(path)
    server = HttpRemote(folder)
    secret = folder / "token"
    secret.touch(mode=0o600)
    secret.write_text(f"http://{USER}:{TOKEN}@127.0.0.1:{server.port}\n")
    shutil.copy(secret, folder / "store")  # git writes into its own as it likes
    config = folder / "gitconfig"
    config.write_text(
        Path(os.environ["GIT_CONFIG_GLOBAL"]).read_text()
        + f"[credential]\n\thelper = store --file={folder}/store\n"
    )
    url = f"http://127.0.0.1:{server.port}/ada/fleet.git"
    try:
        yield Remote(
            path, url, {"GIT_CONFIG_GLOBAL": str(config)}, ("--credentials", str(secret))
        ), server
    finally:
        server.close()


# --- ssh


def sshd() -> str | None:
    """Find OpenSSH's server."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return found if found and shutil.which("ssh-keygen") and shutil.which("ssh") else None


@contextlib.contextmanager
def over_ssh(folder: Path, program: str) -> Iterator[Remote]:
    """Serve a repository by an sshd of its own, which lets in one key and runs as this user."""
    path = bare(folder)
    for key in ("host", "person"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True
        )
    port = free_port()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd gives up its rights
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/person.pub\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "PermitRootLogin prohibit-password\n"
    )
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen(
            [program, "-D", "-e", "-f", str(folder / "sshd_config")],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_listening(port, server, folder / "sshd.log")
        command = (
            f"ssh -F none -i {folder}/person -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
            f" -o UserKnownHostsFile={folder}/known"
        )
        url = f"ssh://127.0.0.1:{port}{path}"
        yield Remote(path, url, {"GIT_SSH_COMMAND": command})
    finally:
        server.terminate()
        server.wait(timeout=_DEADLINE_S)


def _wait_listening(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
