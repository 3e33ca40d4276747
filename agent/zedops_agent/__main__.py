"""Entry point of an agent on its own: works from the last document on disk."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from zedops.errors import UsageError, ZedopsError
from zedops_agent.engine import Engine
from zedops_agent.loop import Agent
from zedops_agent.policy import DEFAULT_PATH, PolicyFile
from zedops_agent.store import Store


def run(fleet: str, root: Path, policy: Path, wait: Callable[[], object]) -> None:
    """Keep a fleet's servers running until `wait` returns."""
    if not (root / "agent" / fleet).is_dir():
        raise UsageError(f"no document of fleet {fleet!r} in {root}; run `zedops up` there first")
    store = Store(root, fleet)
    document = store.load_desired()
    store.close()
    if document is None:
        raise UsageError(f"no document of fleet {fleet!r} in {root}; run `zedops up` there first")
    agent = Agent(fleet, document.host, Engine(), root, PolicyFile(policy))
    agent.start()
    sys.stdout.write(
        f"fleet {fleet!r}: {len(document.servers)} servers from the document on disk\n"
    )
    sys.stdout.flush()
    try:
        wait()
    finally:
        agent.stop()


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="zedops-agent", description=__doc__)
    parser.add_argument("fleet")
    parser.add_argument("--data-root", type=Path, default=Path("/var/lib/zedops"))
    parser.add_argument("--policy", type=Path, default=DEFAULT_PATH)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    try:
        root, policy = arguments.data_root.absolute(), arguments.policy.absolute()
        run(arguments.fleet, root, policy, end.wait)
    except ZedopsError as error:
        sys.stderr.write(f"zedops-agent: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
