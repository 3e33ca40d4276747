"""The fleet's members, revoked keys and open invitations. Pure.

A revoked key stays in `revoked` for ever: users' JWTs do not expire.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import Field

from zedops.bus.nats.jwt import check_user_key
from zedops.errors import Refused, ZedopsError
from zedops.spec.fields import Model, Name, Utc

#: A token stays on the roll this long after its end: the answer is "expired", not "unknown".
REMEMBERED = timedelta(days=7)
_NEW = "ask for a new one: zedops host add"


class Member(Model):
    """An admitted host."""

    public_key: str
    #: time of its JWT, in whole seconds; minting again with the same time gives the same JWT
    issued_at: Utc


class Offer(Model):
    """An issued token."""

    host: Name
    expires: Utc
    redeemed_by: str | None = None


class HostRegistry(Model):
    """Members, revoked keys and offers of one fleet."""

    version: int = Field(default=1, le=1)
    hosts: dict[Name, Member] = Field(default_factory=dict)
    #: public key → seconds since 1970; JWTs issued up to then are void
    revoked: dict[str, int] = Field(default_factory=dict)
    offers: dict[Name, Offer] = Field(default_factory=dict)


def offer(
    roll: HostRegistry, token_id: str, host: str, expires: datetime, now: datetime
) -> HostRegistry:
    """Add a token. It replaces an unused token of the same host, and drops long expired ones."""
    kept = {
        each: old
        for each, old in roll.offers.items()
        if old.expires > now - REMEMBERED and (old.host != host or old.redeemed_by is not None)
    }
    fresh = Offer(host=host, expires=expires)
    return roll.model_copy(update={"offers": {**kept, token_id: fresh}})


def redeem(roll: HostRegistry, token_id: str, host: str, key: str, now: datetime) -> HostRegistry:
    """Admit a host with its token, or raise Refused.

    The same key may ask again while the token is valid, because an answer can be lost. The roll
    then stays the same, and so does the answer.
    """
    found = roll.offers.get(token_id)
    if found is None:
        raise Refused(f"this token is not known here, or was replaced or taken back; {_NEW}")
    if found.host != host:
        raise Refused(f"this token is for host {found.host!r}; {_NEW} for the other one")
    if now >= found.expires:
        raise Refused(f"this token expired at {found.expires:%Y-%m-%d %H:%M:%S} UTC; {_NEW} {host}")
    if found.redeemed_by is None:
        used = found.model_copy(update={"redeemed_by": key})
        roll = enrol(roll, host, key, now)
        return roll.model_copy(update={"offers": {**roll.offers, token_id: used}})
    member = roll.hosts.get(host)
    if found.redeemed_by != key or member is None or member.public_key != key:
        raise Refused(f"this token was used already; {_NEW} {host}")
    return roll


def enrol(roll: HostRegistry, host: str, key: str, now: datetime) -> HostRegistry:
    """Admit a host with a key, and revoke its earlier key: a host is one machine."""
    try:
        check_user_key(key)
    except ZedopsError as error:
        raise Refused(str(error)) from error
    owner = next((name for name, each in roll.hosts.items() if each.public_key == key), host)
    if owner != host:
        remedy = f"remove the copied key there, or remove the host: zedops host remove {owner}"
        raise Refused(f"this key is host {owner!r}'s; {remedy}")
    old = roll.hosts.get(host)
    if old is not None and old.public_key != key:
        roll = _revoke_key(roll, old, now)
    # a revoked key that returns needs a JWT newer than its revocation
    issued_s = max(int(now.timestamp()), roll.revoked.get(key, -1) + 1)
    member = Member(public_key=key, issued_at=datetime.fromtimestamp(issued_s, UTC))
    return roll.model_copy(update={"hosts": {**roll.hosts, host: member}})


def knows(roll: HostRegistry, host: str, now: datetime) -> bool:
    """Say whether a host is a member, or has a token that still works."""
    return host in roll.hosts or any(
        each.host == host and each.redeemed_by is None and now < each.expires
        for each in roll.offers.values()
    )


def remove(roll: HostRegistry, host: str, now: datetime) -> HostRegistry:
    """Remove a host and all its tokens. Nothing changes if the host is no member."""
    member = roll.hosts.get(host)
    if member is not None:
        roll = _revoke_key(roll, member, now)
    hosts = {name: each for name, each in roll.hosts.items() if name != host}
    offers = {each: old for each, old in roll.offers.items() if old.host != host}
    return roll.model_copy(update={"hosts": hosts, "offers": offers})


def _revoke_key(roll: HostRegistry, member: Member, now: datetime) -> HostRegistry:
    # a clock that was set back must not leave the JWT valid
    until = int(max(now, member.issued_at).timestamp())
    return roll.model_copy(update={"revoked": {**roll.revoked, member.public_key: until}})
