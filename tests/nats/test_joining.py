"""Tokens: one host, once, for a while; whatever is lost, repeated, tampered with or killed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nats.errors
import pytest

from tests.nats.clients import Client, as_host, as_manager, connected, refused, run
from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.jwt import Credentials, Role
from zedops.bus.nats.server import NatsServer
from zedops.bus.nats.tokens import Token
from zedops.errors import InvalidToken, Refused, UsageError
from zedops.system import failpoints

pytestmark = pytest.mark.nats
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
#: A JWT ends with a whole second, and the server cuts off up to one before it shuts out.
CUT_OFF = timedelta(seconds=2)
URLS = ("tls://fleet.example:4222", "tls://[2001:db8::1]:4222")


def new_key() -> str:
    return jwt.public_key(jwt.new_seed(Role.USER))


def offer(authority: Authority, host: str = "attic", ttl: timedelta = HOUR) -> Token:
    return Token.parse(authority.new_token(host, NOW, ttl, URLS))


def claims(user_jwt: str) -> dict[str, object]:
    body = user_jwt.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_a_token_is_one_line_and_says_all_that_a_host_needs(authority: Authority) -> None:
    text = authority.new_token("attic", NOW, HOUR, URLS)
    token = Token.parse(text)
    assert text.startswith("zed1.")
    assert len(text.split()) == 1
    assert (token.urls, token.host, token.ca) == (URLS, "attic", authority.ca_pem)
    assert token.expires == NOW + HOUR
    assert claims(token.user_jwt)["exp"] == int((NOW + HOUR).timestamp())
    assert token.seed not in repr(token)
    assert token.seed not in repr(token.credentials)
    wrapped = "\n  ".join(text[i : i + 80] for i in range(0, len(text), 80))
    assert Token.parse(f" {wrapped}\n") == token


def test_a_text_that_is_no_whole_token_says_why(authority: Authority) -> None:
    text = authority.new_token("attic", NOW, HOUR, URLS)
    for cut in (len(text) - 1, len(text) - 2, len(text) - 5, len(text) // 2, 40, 6, 5):
        with pytest.raises(InvalidToken, match="not whole"):
            Token.parse(text[:cut])
    with pytest.raises(InvalidToken, match="not whole"):
        Token.parse(text[:500] + text[501:])
    for foreign in ("", "hello", "zed1", "zed.abc", "zed1.a!c", "eyJhbGc.J9", text[4:], "zed0.a"):
        with pytest.raises(InvalidToken, match=r"not a token of zedops; copy the whole line"):
            Token.parse(foreign)
    with pytest.raises(InvalidToken, match=r"newer form \(zed2\); use the zedops of the manager"):
        Token.parse("zed2." + text[5:])


def test_a_token_whose_parts_were_exchanged_is_no_token(authority: Authority) -> None:
    token = offer(authority)
    changes: list[dict[str, object]] = [
        {"seed": jwt.new_seed(Role.USER)}, {"seed": "SU"}, {"urls": ["http://fleet.example"]},
        {"urls": []}, {"host": "*"}, {"id": "*"}, {"more": 1}, {"user_jwt": "a.b"},
    ]
    for change in changes:
        body = json.dumps({**json.loads(token.model_dump_json()), **change}).encode()
        with pytest.raises(InvalidToken, match="was changed"):
            Token.parse("zed1." + base64.urlsafe_b64encode(body).decode())


@pytest.mark.parametrize("url", ["fleet.example:4222", "nats://fleet.example", "tls://", "tls://:1"])
def test_an_address_that_hosts_cannot_use_is_refused(url: str, authority: Authority) -> None:
    with pytest.raises(UsageError, match=r"write e\.g\. tls://"):
        authority.new_token("attic", NOW, HOUR, [url])


def test_a_host_joins_with_its_own_key_and_works(server: NatsServer, authority: Authority) -> None:
    token = offer(authority)
    seed = jwt.new_seed(Role.USER)
    subject, inbox = f"zed.join.{token.id}", f"_INBOX_join_{token.id}"

    async def job() -> None:
        async with as_manager(server, authority) as manager:
            await manager.hear("zed.join.*")
            async with connected(server, token.ca, token.credentials, inbox) as joining:
                asked = asyncio.create_task(
                    joining.nc.request(subject, jwt.public_key(seed).encode(), timeout=20)
                )
                await manager.wait_for(lambda: manager.heard)
                key = manager.heard[0].data.decode()
                answer = authority.redeem(token.id, "attic", key, datetime.now(UTC))
                await manager.heard[0].respond(answer.encode())
                credentials = Credentials((await asked).data.decode(), seed)
            async with as_host(server, authority, "attic", credentials) as attic:
                await attic.hear("zed.d.attic.>")
                await manager.say("zed.d.attic.desired", b"welcome")
                await attic.wait_for(lambda: attic.heard)

    run(job())
    assert authority.hosts()["attic"].public_key == jwt.public_key(seed)


def test_a_token_works_once_but_a_lost_answer_can_be_asked_for_again(authority: Authority) -> None:
    token, key = offer(authority), new_key()
    first = authority.redeem(token.id, "attic", key, NOW)
    assert claims(first)["sub"] == key
    assert claims(first)["name"] == "attic"
    assert authority.redeem(token.id, "attic", key, NOW + timedelta(minutes=59)) == first
    with pytest.raises(Refused, match="was used already; ask for a new one"):
        authority.redeem(token.id, "attic", new_key(), NOW)
    with pytest.raises(Refused, match="expired at"):
        authority.redeem(token.id, "attic", key, NOW + HOUR)
    assert authority.hosts()["attic"].public_key == key


def test_a_token_is_refused_with_its_reason(authority: Authority) -> None:
    token = offer(authority)
    with pytest.raises(Refused, match="not known here"):
        authority.redeem("0a1b", "attic", new_key(), NOW)
    with pytest.raises(Refused, match="is for host 'attic'"):
        authority.redeem(token.id, "cellar", new_key(), NOW)
    with pytest.raises(Refused, match="expired at"):
        authority.redeem(token.id, "attic", new_key(), NOW + HOUR)
    good = new_key()
    for bad in ("", "U", good[:-1], good[:-1] + ("A" if good[-1] != "A" else "B"), "é" * 56,
                authority.account, good.lower(), jwt.new_seed(Role.USER)):
        with pytest.raises(Refused, match="not a user's public key"):
            authority.redeem(token.id, "attic", bad, NOW)
    assert authority.hosts() == {}
    authority.redeem(token.id, "attic", good, NOW)
    other = offer(authority, "cellar")
    with pytest.raises(Refused, match="this key is host 'attic''s"):
        authority.redeem(other.id, "cellar", good, NOW)


def test_a_new_token_voids_an_unused_one_of_the_same_host(authority: Authority) -> None:
    first, elsewhere, second = offer(authority), offer(authority, "cellar"), offer(authority)
    with pytest.raises(Refused, match="replaced or taken back"):
        authority.redeem(first.id, "attic", new_key(), NOW)
    authority.redeem(second.id, "attic", new_key(), NOW)
    authority.redeem(elsewhere.id, "cellar", new_key(), NOW)


def test_a_host_that_was_put_out_cannot_use_its_tokens(authority: Authority) -> None:
    used, key = offer(authority), new_key()
    authority.redeem(used.id, "attic", key, NOW)
    unused = offer(authority)
    authority.revoke("attic", NOW)
    for token in (used, unused):
        with pytest.raises(Refused, match="not known here"):
            authority.redeem(token.id, "attic", key, NOW)
    assert authority.hosts() == {}


def test_of_many_that_use_a_token_at_once_one_gets_in(authority: Authority) -> None:
    token = offer(authority)
    keys = [new_key() for _ in range(16)]

    def attempt(key: str) -> str | None:
        try:
            # as another process would: nothing in common but the directory
            return Authority.open(authority.folder).redeem(token.id, "attic", key, NOW)
        except Refused:
            return None

    with ThreadPoolExecutor(len(keys)) as threads:
        answers = list(threads.map(attempt, keys))
    winners = [key for key, answer in zip(keys, answers, strict=True) if answer]
    assert winners == [authority.hosts()["attic"].public_key]


_REDEEM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from zedops.bus.nats.authority import Authority
folder, token_id, key = sys.argv[1:]
Authority.open(Path(folder)).redeem(token_id, "attic", key, datetime.now(UTC))
"""


@pytest.mark.parametrize("point", ["authority.roll", "authority.redeemed"])
def test_a_token_is_used_up_before_anybody_is_answered(point: str, authority: Authority) -> None:
    token, key = offer(authority), new_key()
    killed = subprocess.run(
        [sys.executable, "-c", _REDEEM, str(authority.folder), token.id, key],
        env={**os.environ, failpoints.VARIABLE: point}, cwd=Path(__file__).parents[2], check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    reopened = Authority.open(authority.folder)
    with pytest.raises(Refused, match="was used already"):
        reopened.redeem(token.id, "attic", new_key(), NOW)
    assert claims(reopened.redeem(token.id, "attic", key, NOW))["sub"] == key


async def get_in(
    held: contextlib.AsyncExitStack, server: NatsServer, authority: Authority
) -> tuple[Token, Client]:
    """Use a token that ends soon; one that ends later where that took too long."""
    for ttl_s in (5, 10, 20):
        ttl = timedelta(seconds=ttl_s)
        token = Token.parse(authority.new_token("attic", datetime.now(UTC), ttl, URLS))
        attempt = connected(server, token.ca, token.credentials)
        try:
            return token, await held.enter_async_context(attempt)
        except (nats.errors.Error, OSError):
            if datetime.now(UTC) < token.expires - CUT_OFF:
                raise
    raise AssertionError("each token ended before anybody could get in")


def test_the_right_to_ask_ends_with_the_token(server: NatsServer, authority: Authority) -> None:
    async def job() -> None:
        async with contextlib.AsyncExitStack() as held:
            token, joining = await get_in(held, server, authority)
            await joining.wait_for(lambda: joining.nc.is_closed)
        assert datetime.now(UTC) >= token.expires - CUT_OFF
        while datetime.now(UTC) < token.expires + timedelta(seconds=1):
            await asyncio.sleep(0.05)
        said = await refused(connected(server, token.ca, token.credentials))
        assert "authorization" in said or "expired" in said

    run(job())
