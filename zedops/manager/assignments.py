"""Records which servers each host was handed, and counts the changes of each host's document."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Assignments:
    """Indexes servers by host and hosts by server, so no lookup walks over all servers."""

    #: Newer managers' documents win over older ones'.
    epoch: int = 0
    #: Hosts whose documents changed; the loop tells them and empties this.
    stale: set[str] = field(default_factory=set)
    _hosts: dict[str, str] = field(default_factory=dict)
    _by_host: dict[str, dict[str, None]] = field(default_factory=dict)
    _revs: dict[str, int] = field(default_factory=dict)
    #: Hosts that fetch a server's world, while another one acts for the server.
    _guests: dict[str, str] = field(default_factory=dict)

    def assign(self, server_id: str, host: str | None) -> str | None:
        """Give a server to a host, or to none; returns the host that had it."""
        known = self._hosts.pop(server_id, None)
        if known is not None:
            self._by_host[known].pop(server_id, None)
        if host is not None:
            self._hosts[server_id] = host
            self._by_host.setdefault(host, {})[server_id] = None
        return known

    def invite(self, server_id: str, host: str | None) -> str | None:
        """Have a host fetch a server's world, or none; returns the host that did so."""
        known = self._guests.pop(server_id, None)
        if host is not None:
            self._guests[server_id] = host
        return known

    def guest(self, server_id: str) -> str | None:
        """Name the host that fetches a server's world."""
        return self._guests.get(server_id)

    def guests(self, host: str) -> list[str]:
        """List the ids of the servers whose worlds a host fetches."""
        return [key for key, each in self._guests.items() if each == host]

    def touch(self, *hosts: str | None) -> None:
        """Note that the documents of these hosts changed."""
        for host in {each for each in hosts if each}:
            self._revs[host] = self._revs.get(host, 0) + 1
            self.stale.add(host)

    def stamp(self, host: str) -> tuple[int, int]:
        """Give epoch and revision of the host's document; every change of it gives a new one."""
        return self.epoch, self._revs.setdefault(host, 1)

    def host(self, server_id: str) -> str | None:
        """Name the host that a server was handed to."""
        return self._hosts.get(server_id)

    def hosts(self) -> set[str]:
        """Name the hosts that were handed servers."""
        return {host for host, ids in self._by_host.items() if ids} | {*self._guests.values()}

    def servers(self, host: str) -> list[str]:
        """List the ids of a host's servers, in the order of their assignment."""
        return list(self._by_host.get(host, ()))
