"""Callers of the webhook who are slow, or many, keep nobody else out."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import socket
import threading

import pytest

from zedops.manager import webhook
from zedops.manager.webhook import Webhook

SECRET = b"s3cret"


def genuine(address: tuple[str, int]) -> int:
    """Call as GitHub does; returns the status."""
    link = http.client.HTTPConnection(*address, timeout=30)
    proof = hmac.new(SECRET, b"{}", hashlib.sha256).hexdigest()
    link.request("POST", "/", b"{}", {"X-Hub-Signature-256": f"sha256={proof}"})
    with contextlib.closing(link):
        return link.getresponse().status


def test_callers_that_never_finish_keep_nobody_out() -> None:
    woken = threading.Event()
    hook = Webhook(("127.0.0.1", 0), SECRET, woken.set)
    with contextlib.ExitStack() as held:
        held.callback(hook.close)
        slow = [held.enter_context(socket.create_connection(hook.address)) for _ in range(80)]
        for at, each in enumerate(slow):  # half of them drip a head, half a body
            each.sendall(b"POST / HTTP/1.1\r\n" if at % 2 else
                         b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\nx")
        assert genuine(hook.address) == 204
        assert woken.wait(10)
        slow[0].settimeout(30)
        assert slow[0].recv(100)[:12] in (b"", b"HTTP/1.1 401")  # the oldest was ended


@pytest.mark.parametrize("length", [f"{0:020}{10**9}", "0" * 24, "9" * 21, "9" * 5000])
def test_a_length_is_judged_by_all_of_its_digits(length: str) -> None:
    hook = Webhook(("127.0.0.1", 0), SECRET, lambda: None)
    with contextlib.closing(hook), socket.create_connection(hook.address) as link:
        link.sendall(f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        link.settimeout(30)
        assert link.recv(1000)[8:12] == b" 413"


def test_a_call_that_drips_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_TIMEOUT_S", 0.2)
    hook = Webhook(("127.0.0.1", 0), SECRET, lambda: None)
    with contextlib.closing(hook), socket.create_connection(hook.address) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\nx")
        slow.settimeout(30)
        answer = slow.recv(1000)
        assert answer == b"" or b"401" in answer
