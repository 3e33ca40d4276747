"""`web:` of `zedops.yaml`: each mistake is refused with its place and a remedy."""

from __future__ import annotations

import pytest

from zedops.spec import loader
from zedops.spec.settings import Settings
from zedops.spec.validation import validate
from zedops.spec.web_settings import Login, WebSettings, takes_passkeys


def read(text: str) -> tuple[WebSettings | None, list[str]]:
    settings, problems = validate(Settings, loader.load("zedops.yaml", f"name: x\nweb: {text}"))
    return settings.web if settings else None, [str(each) for each in problems]


def test_a_whole_page_is_read() -> None:
    web, problems = read(
        "{url: 'https://fleet.example/', logins: [passkey, proxy], session: 12h, idle: 10m,"
        " proxy: {addresses: [127.0.0.1, 'fd00::/8'], kind: tailscale, name: X-Name}}"
    )
    assert problems == []
    assert web is not None
    assert web.url == "https://fleet.example"
    assert web.logins == (Login.PASSKEY, Login.PROXY)
    assert (web.session, web.idle) == (43200, 600)
    assert web.proxy is not None
    assert web.proxy.headers == ("Tailscale-User-Login", "X-Name")


@pytest.mark.parametrize(("address", "is_proxy"), [
    ("127.0.0.1", True), ("::ffff:127.0.0.1", True), ("10.1.2.3", True), ("fd00::1", True),
    ("127.0.0.2", False), ("11.0.0.1", False), ("::1", False), ("", False), ("proxy", False),
])  # fmt: skip
def test_the_proxy_is_known_by_its_address(address: str, is_proxy: bool) -> None:
    web, _ = read("{proxy: {addresses: [127.0.0.1, 10.0.0.0/8, 'fd00::/8']}}")
    assert web is not None
    assert web.proxy is not None
    assert web.proxy.is_at(address) is is_proxy


@pytest.mark.parametrize(("text", "fact", "remedy"), [
    ("{url: fleet.example}", "web.url: 'fleet.example' is no address", "https://fleet.example"),
    ("{url: 'ftp://a'}", "web.url: 'ftp://a' is no address", "https://"),
    ("{url: 'https://a/b'}", "is no address of a page without a path", "https://"),
    ("{url: 'https://a:99999'}", "is no address", "https://"),
    ("{url: 'https://me@a'}", "is no address", "https://"),
    ("{url: 'https://a?b'}", "is no address", "https://"),
    ("{url: 'https://a b'}", "blanks", "remove"),
    ("{logins: [password]}", "'password' is not one of link, passkey, proxy", "choose one"),
    ("{logins: [passkey]}", "https pages and to localhost only", "`url: https://NAME`"),
    ("{logins: [passkey], url: 'https://192.0.2.1'}", "https pages", "`url: https://NAME`"),
    ("{logins: [proxy]}", "does not know the proxy", "`proxy: {addresses:"),
    ("{proxy: {addresses: [0.0.0.0/0]}}", "lets every machine say", "the proxy's own address"),
    ("{proxy: {addresses: ['::/0']}}", "lets every machine say", "the proxy's own address"),
    ("{proxy: {addresses: [localhost]}}", "neither an address nor a network", "127.0.0.1"),
    ("{proxy: {addresses: [127.0.0.1], kind: apache}}", "not one of authelia", "choose one"),
    ("{proxy: {addresses: [127.0.0.1], email: 'a: b'}}", "web.proxy.email", "not allowed"),
    ("{idle: 5s}", "web.idle: is no time for a session", "1m to 90d"),
    ("{session: 1000d}", "web.session: is no time for a session", "1m to 90d"),
    ("{ulr: x}", "web.ulr: unknown key", "did you mean 'url'"),
])  # fmt: skip
def test_a_mistake_is_told_with_its_remedy(text: str, fact: str, remedy: str) -> None:
    web, problems = read(text)
    assert web is None
    assert fact in problems[0]
    assert remedy in problems[0]
    assert problems[0].startswith("zedops.yaml:2:")


@pytest.mark.parametrize(("url", "takes"), [
    ("https://fleet.example", True), ("http://localhost:8484", True), ("http://fleet.lan", False),
    ("http://127.0.0.1", False), ("https://[::1]", False),
])  # fmt: skip
def test_passkeys_need_a_name_and_tls(url: str, takes: bool) -> None:
    assert takes_passkeys(url) is takes
