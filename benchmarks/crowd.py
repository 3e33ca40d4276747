"""A crowd of agents, and what each was last seen to do. Real ones, removed afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

from benchmarks.git import DEADLINE_S
from benchmarks.site import Site

#: So many processes share the hosts.
_PROCESSES = 2


class Crowd:
    """Every agent, and what each was last seen to do."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._processes: list[subprocess.Popen[str]] = []
        self._seen: dict[tuple[str, str], float] = {}
        self._edits: dict[tuple[str, str], float] = {}
        self._changed = threading.Condition()
        ca, credentials = site.credentials()
        for at in range(_PROCESSES):
            mine = {host: credentials[host] for host in site.hosts[at::_PROCESSES]}
            url = f"tls://localhost:{site.port}"
            crowd = {"url": url, "ca": ca, "hosts": mine}
            (site.folder / f"crowd{at}.json").write_text(json.dumps(crowd))
        site.ends(self.stop)

    def start(self) -> float:
        """Let all connect at once; returns when that was."""
        begun = time.monotonic()
        for at in range(_PROCESSES):
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.agents", f"{self._site.folder}/crowd{at}.json"],
                stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            )
            self._processes.append(process)
            threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return begun

    def stop(self) -> None:
        """End them."""
        for process in self._processes:
            process.terminate()
            process.wait(DEADLINE_S)

    def all_did(self, what: str, since: float) -> float:
        """Wait until every agent did something; returns the seconds from `since` to the last."""
        hosts = self._site.hosts

        def done() -> bool:
            return all(self._seen.get((host, what), 0.0) > since for host in hosts)

        with self._changed:
            if not self._changed.wait_for(done, DEADLINE_S):
                late = [host for host in hosts if self._seen.get((host, what), 0.0) <= since]
                sys.exit(f"{len(late)} agents, such as {late[0]}, were never {what}")
            return max(self._seen[host, what] for host in hosts) - since

    def told(self, server: str, edit: str) -> float:
        """Wait until a server's host was pushed an edit; returns when that was."""
        with self._changed:
            if not self._changed.wait_for(lambda: (server, edit) in self._edits, DEADLINE_S):
                sys.exit(f"the host of {server} was never told of edit {edit}")
            return self._edits[server, edit]

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            said = json.loads(line)
            with self._changed:
                # what is asked for is the first time since some moment, seen by all: keep the last
                self._seen[said["host"], said["what"]] = said["at"]
                for server, edit in said.get("edits", {}).items():
                    self._edits[server, edit] = said["at"]
                self._changed.notify_all()
