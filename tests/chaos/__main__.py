"""Run chaos: `python -m tests.chaos --minutes 30 --seed 7`. Needs root and a Docker Engine.

The images are built in the Engine at hand; everything else happens in a private one, in a network
namespace of its own. Debian's minetest-server and teeworlds-server play along where they are
installed. Every act is printed; the last line says how many promises broke, and so does the exit
code. The same seed gives the same order of acts; what the machine makes of them differs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import docker

from tests.chaos import checks, images
from tests.chaos.acts import Chaos, Expected
from tests.chaos.site import Sampler, Site, made

#: So many acts between two calms, in which everything must come to rest.
ROUND = 25


def main() -> int:
    """Read the options, go into a network of our own, run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--hosts", type=int, default=0, metavar="N",
                        help="N hosts over NATS instead of one machine without it")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.inside:
        command = [sys.executable, "-m", "tests.chaos", "--inside",
                   "--minutes", str(given.minutes), "--seed", str(given.seed),
                   "--hosts", str(given.hosts)]
        return subprocess.run(["unshare", "--net", *command], check=False).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return _run(given.minutes, given.seed, given.hosts)


def _run(minutes: float, seed: int, hosts: int) -> int:
    print(f"seed {seed}, {minutes:g} minutes, {hosts or 1} hosts", flush=True)
    with contextlib.closing(docker.APIClient(timeout=120)) as api:
        counter = images.build_counter(api)
        games = {name: image for name in images.GAMES if (image := images.build_game(api, name))}
    with tempfile.TemporaryDirectory(prefix="zedops-chaos-") as folder:
        os.environ["GIT_CONFIG_GLOBAL"] = f"{folder}/gitconfig"
        Path(folder, "gitconfig").write_text(
            "[user]\n\tname = Chaos\n\temail = chaos@example.org\n[init]\n\tdefaultBranch = main\n"
        )
        with made(Path(folder), counter, [counter, *games.values()], hosts) as site:
            broken = _play(site, games, minutes, random.Random(seed))
    for each in broken:
        print(f"BROKEN {each}")
    print(f"{len(broken)} promises broken, seed {seed}")
    return 1 if broken else 0


def _play(site: Site, games: dict[str, str], minutes: float, dice: random.Random) -> list[str]:
    chaos = Chaos(site, Expected(), dice)
    ports = _begin(chaos, games)
    sampler = Sampler(site)
    broken, acts = checks.settle(chaos, ports), Counter[str]()
    seeds = checks.seeds(site)
    end = time.monotonic() + minutes * 60
    while not broken and time.monotonic() < end:
        for _ in range(ROUND):
            done = chaos.act()
            acts[done.split()[0]] += 1
            print(f"{time.strftime('%H:%M:%S')} {done}", flush=True)
            time.sleep(dice.expovariate(1.5))
        broken += checks.settle(chaos, ports) + checks.untrue(chaos)
        broken += [f"the world of {path} has another seed" for path, seed in seeds.items()
                   if checks.seeds(site).get(path) != seed]
        broken += sampler.broken + [each for log in site.logs() for each in checks.complaints(log)]
        print(f"{time.strftime('%H:%M:%S')} calm, {acts.total()} acts", flush=True)
    sampler.end()
    if broken:
        kept = Path(tempfile.gettempdir(), "zedops-chaos.log")
        kept.write_text("\n".join(each.read_text() for each in site.logs() if each.exists()))
        print(f"what zedops said: {kept}")
    print(", ".join(f"{count} {name}" for name, count in sorted(acts.items())))
    return broken


def _begin(chaos: Chaos, games: dict[str, str]) -> dict[str, int]:
    """Push the first servers: five counters, and each game that is here."""
    ports = {}
    for number in range(5):
        chaos.count += 1
        chaos.define(f"c{chaos.count}", 24_000 + number)
        chaos.expected.running[f"c{chaos.count}"] = True
    for number, (name, image) in enumerate(sorted(games.items())):
        ports[name] = 24_100 + number
        inside = images.GAMES[name].port
        chaos.site.write(f"servers.d/{name}.yaml", "\n".join([
            *chaos.host_line(), f"image: {image}", "volumes: {world: /data}",
            "stop: {grace: 20s}",
            f'ports: {{game: "{ports[name]}:{inside}"}}', "env:", '  CHAOS: "0"', "",
        ]))
        chaos.expected.running[name] = True
    assert chaos.site.push_all("begin")
    return ports


if __name__ == "__main__":
    sys.exit(main())
