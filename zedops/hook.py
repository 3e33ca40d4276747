"""What git runs when somebody pushes: a thin client of the manager, standard library only.

Installed into the hub as one file and run with `python -IS`, and it imports next to nothing: each
of the three hooks of a push is 13 ms that way, and 30 ms with `json` and `socket`. It passes the
push on to the running manager as a line of JSON and is answered in lines of words; without a
manager it starts zedops itself to check (slower, the same rules). It fails closed: what cannot be
checked is refused. Sources: githooks(5), gitprotocol-pack(5).
"""

from __future__ import annotations

import _socket
import os
import sys

TYPE_CHECKING = False  # importing typing would cost every push its start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

SOCKET = "zedops/manager.sock"
#: What a manager needs to see objects that are still in quarantine.
QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
MAX_LINE = 16 * 1024 * 1024


class Malformed(Exception):
    """What was read is not what git says to a hook. Nothing is taken in."""


def say(text: str) -> None:
    """Show a line to the person who pushes."""
    # what hosts and commits say is shown, never obeyed by the terminal
    shown = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    sys.stderr.write(shown + "\n")
    sys.stderr.flush()


def read_packet() -> str | None:
    """Read one pkt-line; None at a flush."""
    prefix = sys.stdin.buffer.read(4) or b"0000"
    # int() takes more than digits, and a length of 1 to 3 would read on to the end
    if len(prefix) != 4 or prefix.strip(b"0123456789abcdefABCDEF") or 0 < int(prefix, 16) < 4:
        raise Malformed("a packet of git's begins with %r" % prefix)
    size = int(prefix, 16)
    if not size:
        return None
    raw = sys.stdin.buffer.read(size - 4)
    if len(raw) != size - 4:
        raise Malformed("a packet of git's broke off")
    return raw.decode("utf-8", "surrogateescape")


def write_packets(lines: Iterable[str]) -> None:
    """Write pkt-lines and a flush."""
    for line in lines:
        raw = (line + "\n").encode("utf-8", "surrogateescape")
        sys.stdout.buffer.write(b"%04x" % (len(raw) + 4) + raw)
    sys.stdout.buffer.write(b"0000")
    sys.stdout.buffer.flush()


def packets() -> Iterator[str]:
    """Read pkt-lines up to a flush."""
    while (line := read_packet()) is not None:
        yield line.rstrip("\n")


def read_request(name: str) -> dict[str, Any]:
    """Read what git says of the push: ref updates and push options."""
    options = []
    if name == "proc-receive":
        capabilities = next(iter(list(packets())), "").partition("\0")[2].split()
        write_packets(["version=1\0push-options"])
        lines = list(packets())
        if "push-options" in capabilities:
            options = list(packets())
    else:
        lines = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\n")
        lines = [line for line in lines if line]
        said = os.environ.get("GIT_PUSH_OPTION_COUNT", "0")
        if not (said.isascii() and said.isdigit() and len(said) < 5):
            raise Malformed("GIT_PUSH_OPTION_COUNT is %r" % said)
        count = int(said)
        options = [os.environ.get("GIT_PUSH_OPTION_%d" % each, "") for each in range(count)]
    updates = [line.split(" ", 2) for line in lines]
    for each in updates:
        if len(each) != 3 or not all(part and not part.strip("0123456789abcdef")
                                     for part in each[:2]):
            raise Malformed("no update of a ref: %r" % " ".join(each)[:200])
    env = {key: os.environ[key] for key in QUARANTINE if key in os.environ}
    return {"do": name, "updates": updates, "options": options, "env": env}


def connect() -> _socket.socket | None:
    """Reach the running manager; None without one. Hooks run in the hub's directory."""
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        link.connect(SOCKET)
    except OSError:
        return None
    return link


def as_json(value: Any) -> str:
    """Write a request as JSON: texts, lists and mappings of texts."""
    if isinstance(value, dict):
        return "{%s}" % ",".join("%s:%s" % (as_json(k), as_json(v)) for k, v in value.items())
    if isinstance(value, list):
        return "[%s]" % ",".join(map(as_json, value))
    units = value.encode("utf-16-be", "surrogatepass")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    return '"%s"' % "".join(
        chr(code) if 32 <= code < 127 and code not in b'"\\' else "\\u%04x" % code for code in codes
    )


def lines_of(link: _socket.socket) -> Iterator[str]:
    """Read lines until the other side ends; what is no whole line is none."""
    held = b""
    while piece := link.recv(1 << 16):
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")


def ask(link: _socket.socket, request: dict[str, Any]) -> dict[str, Any] | None:
    """Pass a request on, show what comes back; returns the answer, None if it was cut off.

    Lines are `say TEXT`, then `refused REF REASON` for each ref that is, then `exit CODE`.
    """
    refused: dict[str, str] = {}
    try:
        link.sendall(as_json(request).encode() + b"\n")
        for line in lines_of(link):
            word, _, rest = line.partition(" ")
            if word == "say":
                say(rest)
            elif word == "refused":
                ref, _, reason = rest.partition(" ")
                refused[ref] = reason
            elif word == "exit" and (refused or int(rest) == 0):
                return {"exit": int(rest), "refused": refused}
            elif word == "exit":  # it failed before it could say which: none is taken in
                return {"exit": int(rest)}
    except (OSError, ValueError):
        return None
    return None


def respond(name: str, request: dict[str, Any], answer: dict[str, Any] | None) -> int:
    """Tell git the verdict; returns the exit code."""
    if name == "proc-receive":
        lost = "the manager went away; push again"
        everything = {ref: lost for _, _, ref in request["updates"]}
        refused = everything if answer is None else answer.get("refused", everything)
        verdicts = [
            "ng %s %s" % (ref, refused[ref]) if ref in refused else "ok " + ref
            for _, _, ref in request["updates"]
        ]
        write_packets(verdicts)
        return 0
    if answer is None and name == "pre-receive":
        say("the manager went away while checking; push again")
        return 1
    return int((answer or {}).get("exit", 0))


def main(name: str) -> int:
    """Serve one hook call."""
    link = connect()
    if link is None:
        if name == "post-receive":
            say("taken in; no manager is running, `zedops up` makes it happen")
            return 0
        os.execv(sys.executable, [sys.executable, "-m", "zedops.gate", name])  # noqa: S606
    try:
        request = read_request(name)
    except Malformed as error:
        say("cannot be checked: %s" % error)
        return 1
    verdict = ask(link, request)
    if os.environ.get("ZEDOPS_FAULT") == "hook." + name:  # `faults`, which is not here to import
        os.kill(os.getpid(), 9)
    return respond(name, request, verdict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
