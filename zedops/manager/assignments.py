"""Which host was handed which servers, and how often what it is to do has changed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Assignments:
    """Servers by host and hosts by server: a host is found, and told, without a walk over all."""

    #: Newer managers' documents win over older ones'.
    epoch: int = 0
    #: Hosts whose documents changed; the loop tells them and empties this.
    stale: set[str] = field(default_factory=set)
    _hosts: dict[str, str] = field(default_factory=dict)
    _by_host: dict[str, dict[str, None]] = field(default_factory=dict)
    _revs: dict[str, int] = field(default_factory=dict)

    def assign(self, server_id: str, host: str | None) -> str | None:
        """Note whose a server is, None for nobody's; returns whose it was."""
        known = self._hosts.pop(server_id, None)
        if known is not None:
            self._by_host[known].pop(server_id, None)
        if host is not None:
            self._hosts[server_id] = host
            self._by_host.setdefault(host, {})[server_id] = None
        return known

    def touch(self, *hosts: str | None) -> None:
        """Note that hosts are to do something else."""
        for host in {each for each in hosts if each}:
            self._revs[host] = self._revs.get(host, 0) + 1
            self.stale.add(host)

    def stamp(self, host: str) -> tuple[int, int]:
        """Say which document a host is to hold: it changes whenever what is asked for does."""
        return self.epoch, self._revs.setdefault(host, 1)

    def host(self, server_id: str) -> str | None:
        """Name the host that a server was handed to."""
        return self._hosts.get(server_id)

    def hosts(self) -> set[str]:
        """Name the hosts that were handed servers."""
        return {host for host, ids in self._by_host.items() if ids}

    def servers(self, host: str) -> list[str]:
        """List the ids of a host's servers, in the order in which they came."""
        return list(self._by_host.get(host, ()))
