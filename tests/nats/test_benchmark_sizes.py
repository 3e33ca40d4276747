"""The benchmark of sizes runs, small; how fast things are no test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.nats, pytest.mark.benchmark, pytest.mark.long]


def test_the_benchmark_of_sizes_measures_everything(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.size", "10", "--edits", "1"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=170,
        env={**os.environ, "ZEDOPS_BENCHMARK_RESULTS": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.glob("*.json")
    figures = json.loads(written.read_text())["figures"]
    assert figures.keys() == {"10"}
    assert {what: each for what, each in figures["10"].items() if each <= 0} == {}
