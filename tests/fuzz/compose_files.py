"""Structure-aware fuzzing of `zedops import`: `python -m tests.fuzz.compose_files --count 1000000`.

Makes compose files of the right shape with right, odd and wrong values, and imports each. An input
that raises anything but ValueError, or takes longer than a second of CPU, is printed with its seed.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

import click

from tests.compose.made import facts_of
from zedops.errors import ZedopsError
from zedops.scaffold.compose import accounts, collect
from zedops.scaffold.compose.environment import in_fields
from zedops.scaffold.compose.network import keep_names
from zedops.scaffold.compose.project import Reader, chosen
from zedops.scaffold.compose.services import METHODS, translate

_LONGEST_S = 1.0
_KEYS = [*METHODS, *accounts.HARMLESS, *accounts.DIFFERS, *accounts.REFUSED, "depends_on", "x-a"]
_INSIDE = [
    "driver", "options", "test", "interval", "timeout", "retries", "start_period", "disable",
    "resources", "limits", "reservations", "devices", "memory", "cpus", "pids", "replicas", "soft",
    "hard", "type", "source", "target", "read_only", "bind", "volume", "tmpfs", "subpath", "size",
    "propagation", "published", "host_ip", "protocol", "aliases", "ipv4_address", "external",
    "name", "file", "service", "path", "required", "format", "capabilities", "count", "device_ids",
    "nofile", "condition", "driver_opts", "o", "device", "ipam", "config", "subnet", "A", "a", "db",
]
_SCALARS = [
    "", "~", "null", "true", "TRUE", "no", "'no'", "0", "-1", "1", "022", "0o17", "0x1f", "1.20",
    "1e3", "1e400", ".inf", ".nan", "99999999999999999999", "2001-02-03", "22:22", "''", "' '", "a",
    "'a b'", "'${A}'", "'${A:-b}'", "'${B:?c}'", "'${B'", "'$$x'", "'$'", "'${ports.a}'", "1g",
    "512M", "1.5GiB", "10s", "1m30s", "500ms", "-5s", "SIGINT", "INT", "9", "80", "'80:80'",
    "'1-3:1-3/udp'", "'[::1]:1:1'", "'127.0.0.1::80'", "99999", "./a:/a", "/a:/b:ro", "db:/data",
    "/a", "a:/b:rshared,z", "~/a:/b", "':/b'", "'a:b:c:d'", "host", "none", "'service:db'",
    "bridge", "always", "on-failure:3", "unless-stopped", "NET_ADMIN", "ALL", "cap_foo", "/dev/dri",
    "all", "[a, b]", "{a: b}", "service_healthy", "nfs", "bind", "'addr=1.2.3.4,rw'", "volume",
    "tmpfs", "PASSWORD=correct", "A=1", "=x", "'\\0'", "\"\\u0000\"", "'a\"b'", "\"a\\nb\"", "é",
    "\U0001f3ae", "'" + "x" * 300 + "'", "!reset null", "!override [a]", "!!str 1", "!!int x", "*a",
    "&a b", "json-file", "linux/amd64", "1.2.3.4", "fd00::1", "a.example:1.2.3.4", "[]", "{}",
    "base.yaml", "more.env", "absent.env", "[NONE]", "[CMD, a]", "'a | b'", "\"a 'b\"", "'a (b'",
]
_FILES = {
    "/there/.env": b"A=1\nC='${A}'\nE=\n", "/there/more.env": b"\xef\xbb\xbfB=2\nA=${A}x\nK\n",
    "/there/base.yaml": b"services: {db: {image: a, environment: [A=2]}, a: {extends: db}}\n",
    "/there/compose.override.yaml": b"services: {a: {ports: !override [81]}}\n",
    "/there/bytes.env": b"\xff\xfe",
}


class _Random:
    """Chooses; the same seed gives the same file."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - for tests

    def one(self, among: list[str]) -> str:
        return among[int(self._random.random() * len(among))]

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def count(self, most: int) -> int:
        return int(self._random.random() * (most + 1))


def compose_file(seed: int) -> str:
    """Make the text of one compose file."""
    draw = _Random(seed)
    lines = ["services:"]
    for name in ("a", "db")[: 2 if draw.chance(0.4) else 1]:
        image = "image: example/a:1" if draw.chance(0.9) else f"image: {draw.one(_SCALARS)}"
        keys = (f"{draw.one(_KEYS)}: {value(draw, 3)}" for _ in range(1 + draw.count(2)))
        lines.append(f"  {name}: {{{', '.join([image, *keys])}}}")
    if draw.chance(0.15):
        lines.append(f"volumes: {{db: {value(draw, 2)}, a: {value(draw, 2)}}}")
    if draw.chance(0.1):
        lines.append(f"networks: {{default: {value(draw, 2)}, a: {value(draw, 2)}}}")
    if draw.chance(0.1):
        key = draw.one(["include", "name", "secrets", "configs", "x-a", "extra", "version"])
        lines.append(f"{key}: {value(draw, 2)}")
    text = "\n".join(lines) + "\n"
    if draw.chance(0.03):  # a torn file
        at = draw.count(len(text))
        text = text[:at] + draw.one(_SCALARS) + text[at + draw.count(3) :]
    return text


def value(draw: _Random, depth: int) -> str:
    """Make a scalar, a list or a mapping."""
    if depth == 0 or draw.chance(0.5):
        return draw.one(_SCALARS)
    if draw.chance(0.5):
        return f"[{', '.join(value(draw, depth - 1) for _ in range(draw.count(3)))}]"
    pairs = (f"{draw.one(_INSIDE)}: {value(draw, depth - 1)}" for _ in range(draw.count(3)))
    return f"{{{', '.join(pairs)}}}"


def import_file(text: str, beside: Mapping[str, bytes]) -> bool:
    """Import one file; say whether a service of it is imported. Raises what it must not raise."""
    files = {**beside, "/there/compose.yaml": text.encode()}
    try:
        project = Reader(files.get, {"HOME": "/root"}).project("/there/compose.yaml")
        found = [translate(each, project, files.get, lambda _: None)
                 for each in chosen(project, (), ())]
    except (ValueError, ZedopsError):
        return False
    collect.settle(found)
    for each in found:
        keep_names(each.fields, each.answers_to, "server")
        in_fields(each.fields)
        collect.write_order(each.fields, each.needs, {"a": "a", "db": "db"})
    collect.refuse_invalid(found)
    for each in found:
        if not each.refused:
            facts_of(each)
    return any(not each.refused for each in found)


class TooSlow(Exception):
    """An input took longer than a second of CPU."""


def _too_slow(_: int, __: FrameType | None) -> None:
    raise TooSlow


def run(seeds: range, found: Callable[[int, str, BaseException], None]) -> Iterator[bool]:
    """Import a file for each seed; `found` hears of each fault."""
    signal.signal(signal.SIGVTALRM, _too_slow)
    for seed in seeds:
        text = compose_file(seed)
        signal.setitimer(signal.ITIMER_VIRTUAL, _LONGEST_S)
        try:
            yield import_file(text, _FILES if seed % 5 == 0 else {})
        except Exception as error:  # noqa: BLE001 - each kind is a finding
            found(seed, text, error)
            yield False
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def main() -> None:
    """Import many files and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="the first file's seed")
    asked = parser.parse_args()
    faults: list[int] = []

    def tell(seed: int, text: str, error: BaseException) -> None:
        faults.append(seed)
        click.echo(f"seed {seed}: {type(error).__name__}: {error}\n{text}", err=True)

    begun = time.monotonic()
    taken = sum(run(range(asked.seed, asked.seed + asked.count), tell))
    click.echo(
        f"{asked.count} files from seed {asked.seed} in {time.monotonic() - begun:.0f} s:"
        f" {taken} imported, {len(faults)} faults"
    )
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
