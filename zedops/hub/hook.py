"""The hub's hooks, which git runs on a push: a thin client of the manager, standard library only.

A hook is a few lines of shell that lend git's descriptors to the running manager (see
`manager.hook_bridge`): 3 ms. If the manager cannot use them, the shell runs this file with `python
-IS`.
The file imports next to nothing: it takes 13 ms, and would take 30 ms with `json` and `socket`. It
sends the push to the manager as a line of JSON and reads lines of words. Without a manager it
starts zedops to check the push: slower, with the same rules. It fails closed: it refuses a push
that cannot be checked.
More than 300 lines: the hub holds a copy of this one file, which runs where zedops may be missing.
Sources: githooks(5), gitprotocol-pack(5), git-credential-cache(1).
"""

from __future__ import annotations

import _socket
import os
import sys

TYPE_CHECKING = False  # importing typing would cost every push its start-up time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, BinaryIO

SOCKET = "zedops/manager.sock"
#: Variables with which a manager sees objects that are still in quarantine.
QUARANTINE = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
MAX_LINE = 16 * 1024 * 1024
NAMES = ("pre-receive", "proc-receive", "post-receive")
#: The first line of git's client of Unix sockets (`git credential-cache`).
GREETING = b"action=get\n"
#: The descriptors that a hook lends: from git, to git, to the person.
DESCRIPTORS = (3, 4, 5)
_LOST = {
    "pre-receive": "the manager went away while checking; push again",
    "proc-receive": "the manager went away; push again",
    "post-receive": "accepted; the manager went away, and applies this push when it is back",
}
_WAITS = "the manager does not answer yet; waiting"
_RESTART = "it hangs, or its machine is overloaded: end it and start it again, then push again"
_HUNG = {
    "pre-receive": "the manager does not answer, so nothing was accepted; " + _RESTART,
    "proc-receive": "the manager does not answer; `git fetch` shows whether it accepted this; "
                    + _RESTART,
    "post-receive": "accepted; the manager does not answer yet, and applies this push when it does",
}
#: After LOOK_S seconds of silence a hook asks the manager for a sign of life and waits 1 s for it.
#: After TRIES attempts in a row without one the hook gives up.
LOOK_S, TRIES = 2, 7
#: Git's client writes nothing before the end, so another client asks for the sign of life.
#: A process that outlives the hook must not hold git's descriptors: git waits until they close.
_NO_MANAGER = "accepted; no manager is running, so no host gets it: run `zedops up`"
_NOT_MINE = "accepted; the hub's manager, which belongs to another user, applies it"
_UNUSABLE = (
    '"the hub checks pushes with "%s", which this user cannot run;'
    ' install zedops where all can run it, such as /opt/zedops, and start the manager with it"'
)
_SCRIPT = """#!/bin/sh
# zedops {version}
exec 3<&0 4>&1 5>&2
watch() {{
    trap 'kill $at; exit' TERM
    silent=0
    while sleep {look_s} 5>&- & at=$!; wait $at; do
        timeout 1 git credential-cache --socket {socket} get 5>&- & at=$!
        wait $at; [ $? -eq 124 ] || {{ silent=0; continue; }}
        silent=$((silent + 1))
        [ $silent -ne 1 ] || echo '{waits}' >&5
        [ $silent -lt {tries} ] || {{ kill -ALRM $client; exit; }}
    done
}}
said=$(
exec 2>/dev/null
git credential-cache --socket {socket} get <<END &
hook={name}
END
client=$!
watch >/dev/null </dev/null 3<&- 4>&- & watch=$!
wait $client; ended=$?
kill $watch
exit $ended
)
ended=$?
[ $ended -le 128 ] || said=lost
case $ended:$said in
    142:*) echo '{hung}' >&2; code=1 ;;
    *:) [ -x {python} ] || {{ echo {unusable} >&2; exit 1; }}
        exec {python} {fallback} ;;
    *exit=*) code=${{said##*exit=}} ;;
    *) echo '{lost}' >&2; code=1 ;;
esac
if [ "$ZEDOPS_FAULT" = hook.{name} ]; then kill -9 $$; fi
exit "$code"
"""


class Malformed(Exception):
    """The input of a hook is malformed. The push is refused."""


class Call:
    """One call of a hook: its input from git, its output to git and to the person."""

    def __init__(
        self, name: str, env: Mapping[str, str], git: BinaryIO, told: BinaryIO, person: BinaryIO
    ) -> None:
        self.name = name
        self._env, self._git, self._told, self._person = env, git, told, person

    def say(self, text: str) -> None:
        """Show a line to the person who pushes."""
        # text of hosts and commits must not control the terminal
        shown = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
        self._person.write((shown + "\n").encode("utf-8", "backslashreplace"))
        self._person.flush()

    def _read_packet(self) -> str | None:
        """Read one pkt-line; None at a flush."""
        prefix = self._git.read(4) or b"0000"
        # int() accepts more than digits; a length of 1 to 3 would read on to the end
        if len(prefix) != 4 or prefix.strip(b"0123456789abcdefABCDEF") or 0 < int(prefix, 16) < 4:
            raise Malformed("a packet of git's begins with %r" % prefix)
        size = int(prefix, 16)
        if not size:
            return None
        raw = self._git.read(size - 4)
        if len(raw) != size - 4:
            raise Malformed("a packet of git's broke off")
        return raw.decode("utf-8", "surrogateescape")

    def _packets(self) -> Iterator[str]:
        """Read pkt-lines up to a flush."""
        while (line := self._read_packet()) is not None:
            yield line.rstrip("\n")

    def _write_packets(self, lines: Iterable[str]) -> None:
        """Write pkt-lines and a flush."""
        for line in lines:
            raw = (line + "\n").encode("utf-8", "surrogateescape")
            self._told.write(b"%04x" % (len(raw) + 4) + raw)
        self._told.write(b"0000")
        self._told.flush()

    def read_push(self) -> dict[str, Any]:
        """Read the ref updates and push options from git. Malformed if the input has none."""
        options = []
        if self.name == "proc-receive":
            capabilities = next(iter(list(self._packets())), "").partition("\0")[2].split()
            self._write_packets(["version=1\0push-options"])
            lines = list(self._packets())
            if "push-options" in capabilities:
                options = list(self._packets())
        else:
            raw = self._git.read(MAX_LINE + 1)
            if len(raw) > MAX_LINE:
                raise Malformed("more than %d MB of updates" % (MAX_LINE >> 20))
            lines = raw.decode("utf-8", "surrogateescape").split("\n")
            lines = [line for line in lines if line]
            said = self._env.get("GIT_PUSH_OPTION_COUNT", "0")
            if not (said.isascii() and said.isdigit() and len(said) < 5):
                raise Malformed("GIT_PUSH_OPTION_COUNT is %r" % said)
            count = int(said)
            options = [self._env.get("GIT_PUSH_OPTION_%d" % each, "") for each in range(count)]
        updates = [line.split(" ", 2) for line in lines]
        if not updates:  # git always names a ref: another process has read its input
            raise Malformed("git named no ref")
        for each in updates:
            if len(each) != 3 or not all(part and not part.strip("0123456789abcdef")
                                         for part in each[:2]):
                raise Malformed("no update of a ref: %r" % " ".join(each)[:200])
        env = {key: self._env[key] for key in QUARANTINE if key in self._env}
        return {"do": self.name, "updates": updates, "options": options, "env": env}

    def respond(self, request: dict[str, Any], answer: dict[str, Any] | None) -> int:
        """Tell git the verdict; return the exit code."""
        if self.name == "proc-receive":
            why = _LOST[self.name] if answer is None else "zedops failed; push again"
            everything = {ref: why for _, _, ref in request["updates"]}
            refused = (answer or {}).get("refused", everything)
            verdicts = [
                "ng %s %s" % (ref, refused[ref]) if ref in refused else "ok " + ref
                for _, _, ref in request["updates"]
            ]
            self._write_packets(verdicts)
            return 0
        if answer is None and self.name == "pre-receive":
            self.say(_LOST[self.name])
            return 1
        return int((answer or {}).get("exit", 0))


def script(name: str, version: str, python: str, fallback: str) -> str:
    """Write a hook's shell script; `python fallback`, both quoted, run this module."""
    return _SCRIPT.format(
        name=name, version=version, socket=SOCKET, lost=_LOST[name], fallback=fallback,
        hung=_HUNG[name], waits=_WAITS, look_s=LOOK_S, tries=TRIES,
        python=python, unusable=_UNUSABLE % python,
    )


def of_this_process(name: str) -> Call:
    """Make the call of the hook that runs in this process."""
    streams = (sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer)
    return Call(name, os.environ, *streams)


def connect() -> _socket.socket | None:
    """Connect to the running manager; None without one. Hooks run in the hub's directory."""
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    link.settimeout(LOOK_S)
    try:
        link.connect(SOCKET)
    except BlockingIOError:  # the queue is full: the manager runs and does not accept
        return link
    except OSError:
        return None
    return link


def is_awake() -> bool:
    """Say whether a manager answers at all."""
    link = connect()
    if link is None:
        return False
    link.settimeout(1)
    try:
        link.sendall(b"\n")
        link.recv(1)
    except OSError:
        return False
    finally:
        link.close()
    return True


def _is_closed() -> bool:
    """Say whether the manager's socket is closed to this user; a manager may still run."""
    try:
        os.stat(SOCKET)  # noqa: PTH116 - pathlib takes longer to import than this hook runs
        return not os.access(SOCKET, os.W_OK)
    except PermissionError:
        return True
    except OSError:
        return False


def as_json(value: Any) -> str:
    """Write a request of texts, lists and mappings as JSON."""
    if isinstance(value, dict):
        return "{%s}" % ",".join("%s:%s" % (as_json(k), as_json(v)) for k, v in value.items())
    if isinstance(value, list):
        return "[%s]" % ",".join(map(as_json, value))
    units = value.encode("utf-16-be", "surrogatepass")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    return '"%s"' % "".join(
        chr(code) if 32 <= code < 127 and code not in b'"\\' else "\\u%04x" % code for code in codes
    )


def lines_of(link: _socket.socket, say: Callable[[str], None]) -> Iterator[str]:
    """Read whole lines until the other side closes; drop an incomplete last line.

    TimeoutError if the other side hangs; `say` announces the wait first.
    """
    held, silent = b"", 0
    while True:
        try:
            piece = link.recv(1 << 16)
        except TimeoutError:
            silent = 0 if is_awake() else silent + 1
            if silent == 1:
                say(_WAITS)
            if silent == TRIES:
                raise
            continue
        if not piece:
            return
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")


def ask(
    link: _socket.socket, request: dict[str, Any], say: Callable[[str], None]
) -> dict[str, Any] | None:
    """Send a request, show the reply's lines; return the answer, None if the link broke.

    Lines are `say TEXT`, then `refused REF REASON` for each refused ref, then `exit CODE`.
    """
    refused: dict[str, str] = {}
    try:
        link.sendall(as_json(request).encode() + b"\n")
        for line in lines_of(link, say):
            word, _, rest = line.partition(" ")
            if word == "say":
                say(rest)
            elif word == "refused":
                ref, _, reason = rest.partition(" ")
                refused[ref] = reason
            elif word == "exit" and (refused or int(rest) == 0):
                return {"exit": int(rest), "refused": refused}
            elif word == "exit":  # it failed before it could name refs: all are refused
                return {"exit": int(rest)}
    except TimeoutError:
        say(_HUNG[request["do"]])
        return {"exit": 1}
    except (OSError, ValueError):
        return None
    return None


def main(name: str) -> int:
    """Serve one hook call; return the exit code."""
    call = of_this_process(name)
    link = connect()
    if link is None:
        if name == "post-receive":
            call.say(_NOT_MINE if _is_closed() else _NO_MANAGER)
            return 0
        os.execv(sys.executable, [sys.executable, "-m", "zedops.hub.receive", name])  # noqa: S606
    try:
        request = call.read_push()
    except Malformed as error:
        call.say("cannot be checked: %s" % error)
        return 1
    verdict = ask(link, request, call.say)
    if os.environ.get("ZEDOPS_FAULT") == "hook." + name:  # `failpoints` cannot be imported here
        os.kill(os.getpid(), 9)
    return call.respond(request, verdict)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
