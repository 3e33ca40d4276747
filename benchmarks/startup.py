"""What a command costs before it does anything: user CPU and wall time, by median.

    python -m benchmarks.startup [ROUNDS=15] [SERVERS=10 1000 …]

Every read, in a clone of a fleet whose manager runs without a host, beside what everybody knows:
an empty Python, git, the docker command. Rounds are interleaved, so that load is shared by all.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import figures

_PROGRAM = str(Path(sys.executable).with_name("zedops"))
_BESIDE = [[sys.executable, "-c", "pass"], ["git", "--version"], ["docker", "version"]]
_READS = [
    "--version", "--help", "completion bash", "list", "list --json", "show s0", "status s0",
    "history", "history s0", "list --at HEAD", "plan", "diff", "validate", "ports", "orphans",
    "schema", "doctor",
]
_DEADLINE_S = 120.0


def main(rounds: int, sizes: Sequence[int]) -> None:
    """Print a table for each size of fleet, and write all of them."""
    found = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, fleet(Path(folder), size) as clone:
            print(f"\n{size} servers, median of {rounds}, load average {os.getloadavg()[0]:.1f}\n")
            rows = medians(measure(commands(), rounds, clone))
        show(rows)
        found[f"{size} servers"] = rows
    figures.write("startup", found)


def commands() -> dict[str, list[str]]:
    """Name every command that is measured."""
    found = {Path(each[0]).name + " " + " ".join(each[1:]): each
             for each in _BESIDE if shutil.which(each[0])}
    found |= {f"zedops {each}": [_PROGRAM, *each.split()] for each in _READS}
    line = "zedops stop s"
    asks = {"_ZEDOPS_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": "2"}
    settings = [f"{key}={value}" for key, value in asks.items()]
    return found | {f"TAB after `{line}`": ["env", *settings, _PROGRAM]}


def measure(
    wanted: dict[str, list[str]], rounds: int, clone: Path
) -> dict[str, list[tuple[float, float]]]:
    """Run every command once a round; returns seconds of CPU (its children's, too) and of wall."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in wanted}
    for number in range(rounds + 1):
        for name, command in wanted.items():
            before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, cwd=clone, capture_output=True, check=False)
            wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
            if number:  # the first one warms caches
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                took[name].append((cpu, wall))
    return took


def medians(took: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, float]]:
    """Make a row of each: ms of CPU and of wall, and the CPU against the first one's."""
    found: dict[str, dict[str, float]] = {}
    empty = statistics.median(cpu for cpu, _ in next(iter(took.values())))
    for name, pairs in took.items():
        cpu, wall = (statistics.median(each) for each in zip(*pairs, strict=True))
        found[name] = {
            "cpu_ms": round(cpu * 1e3, 1), "wall_ms": round(wall * 1e3, 1),
            "ratio": round(cpu / empty, 2), "n": len(pairs),
        }
    return found


def show(rows: dict[str, dict[str, float]]) -> None:
    """Print rows of `medians`."""
    print("| | CPU | wall | against `python -c pass` (CPU) |\n| --- | --- | --- | --- |")
    for name, each in rows.items():
        label = name if name.startswith("TAB") else f"`{name}`"
        cpu, wall, ratio = each["cpu_ms"], each["wall_ms"], each["ratio"]
        print(f"| {label} | {cpu:.0f} ms | {wall:.0f} ms | × {ratio:.1f} |")


@contextlib.contextmanager
def fleet(folder: Path, size: int) -> Iterator[Path]:
    """Make a fleet and let a manager run it, which no host ever answers."""
    env = os.environ | {
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
    }
    os.environ.update(env)
    subprocess.run([_PROGRAM, "init", "fleet"], cwd=folder, check=True, capture_output=True)
    clone = folder / "fleet"
    for number in range(size):
        text = f"image: example/game:1\nports: {{game: {20000 + number}/udp}}\nvolumes: {{w: /w}}\n"
        (clone / f"servers.d/s{number}.yaml").write_text(text)
    push = ["push", "-q", "-o", "no-wait"]
    for arguments in (["add", "--all"], ["commit", "-qm", "begin"], push):
        subprocess.run(["git", *arguments], cwd=clone, check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        manager = subprocess.Popen(
            [_PROGRAM, "manager", str(folder / "fleet.git")], stdout=log, stderr=log
        )
    try:
        wait_known(clone, size, manager)
        yield clone
    finally:
        manager.send_signal(signal.SIGTERM)
        manager.wait(timeout=_DEADLINE_S)


def wait_known(clone: Path, size: int, manager: subprocess.Popen[bytes]) -> None:
    """Wait until git has an id for every server, and pull that."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline and manager.poll() is None:
        subprocess.run(["git", "pull", "-q"], cwd=clone, check=True, capture_output=True)
        last = (clone / f"servers.d/s{size - 1}.yaml").read_text()
        if "state:" in last:
            return
        time.sleep(0.1)
    raise SystemExit(f"the manager has not taken {size} servers up")


def _arguments() -> tuple[int, list[int]]:
    parser = figures.command_line(__doc__)
    parser.add_argument("ROUNDS", type=int, nargs="?", default=15, help="(default: 15)")
    parser.add_argument("SERVERS", type=int, nargs="*", default=[10, 1000],
                        help="sizes of fleets (default: 10 1000)")
    asked = parser.parse_args()
    return asked.ROUNDS, asked.SERVERS


if __name__ == "__main__":
    main(*_arguments())
