"""Who belongs to the fleet, who no longer does, who was asked to join. Pure.

A key that was ever let in and is out stays in `revoked` for good: users' JWTs do not expire.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import Field

from zedops.bus.nats.jwt import check_user_key
from zedops.errors import Refused, ZedopsError
from zedops.fields import Model, Name, Utc

#: How long a token is remembered after its end, so that the answer is "expired", not "unknown".
REMEMBERED = timedelta(days=7)
_NEW = "ask for a new one: zedops host add"


class Member(Model):
    """A host that was let in."""

    public_key: str
    #: of its JWT, in whole seconds; minting it again with the same time gives the same JWT
    issued_at: Utc


class Offer(Model):
    """A token that was given out."""

    host: Name
    expires: Utc
    redeemed_by: str | None = None


class Roll(Model):
    """All of it."""

    version: int = Field(default=1, le=1)
    hosts: dict[Name, Member] = Field(default_factory=dict)
    #: public key → seconds since 1970; what was issued up to then is void
    revoked: dict[str, int] = Field(default_factory=dict)
    offers: dict[Name, Offer] = Field(default_factory=dict)


def offer(roll: Roll, token_id: str, host: str, expires: datetime, now: datetime) -> Roll:
    """Note a new token. It replaces an unused one of the same host; old ones are forgotten."""
    kept = {
        each: old
        for each, old in roll.offers.items()
        if old.expires > now - REMEMBERED and (old.host != host or old.redeemed_by is not None)
    }
    fresh = Offer(host=host, expires=expires)
    return roll.model_copy(update={"offers": {**kept, token_id: fresh}})


def redeem(roll: Roll, token_id: str, host: str, key: str, now: datetime) -> Roll:
    """Let a host in by a token, or raise Refused.

    The same key may ask again while the token is valid, because an answer can be lost; it changes
    nothing and so gets the same answer.
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


def enrol(roll: Roll, host: str, key: str, now: datetime) -> Roll:
    """Let a host in with a key. A key that it had before is out: a host is one machine."""
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
    # a key that was out before comes in with a JWT that is newer than its revocation
    issued_s = max(int(now.timestamp()), roll.revoked.get(key, -1) + 1)
    member = Member(public_key=key, issued_at=datetime.fromtimestamp(issued_s, UTC))
    return roll.model_copy(update={"hosts": {**roll.hosts, host: member}})


def knows(roll: Roll, host: str, now: datetime) -> bool:
    """Say whether a host is in, or has a token with which it may still come in."""
    return host in roll.hosts or any(
        each.host == host and each.redeemed_by is None and now < each.expires
        for each in roll.offers.values()
    )


def remove(roll: Roll, host: str, now: datetime) -> Roll:
    """Put a host out, with every token of it. Nothing changes if it is out."""
    member = roll.hosts.get(host)
    if member is not None:
        roll = _revoke_key(roll, member, now)
    hosts = {name: each for name, each in roll.hosts.items() if name != host}
    offers = {each: old for each, old in roll.offers.items() if old.host != host}
    return roll.model_copy(update={"hosts": hosts, "offers": offers})


def _revoke_key(roll: Roll, member: Member, now: datetime) -> Roll:
    # a clock that was set back must not leave the JWT valid
    until = int(max(now, member.issued_at).timestamp())
    return roll.model_copy(update={"revoked": {**roll.revoked, member.public_key: until}})
