"""The benchmark of many hosts runs, small; how fast things are no test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.nats, pytest.mark.benchmark, pytest.mark.long]


def test_the_benchmark_of_many_hosts_measures_everything(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.many_hosts", "20", "3", "--edits", "2", "--idle", "1"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=170,
        env={**os.environ, "ZEDOPS_BENCHMARK_RESULTS": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert len(figures) == 22
    assert {what: figure for what, figure in figures.items() if figure < 0} == {}
    assert figures["restart of the manager: every agent current"] > 0
