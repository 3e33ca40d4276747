"""The benchmarks run, small, and produce their figures; how fast things are no test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.system, pytest.mark.docker, pytest.mark.benchmark, pytest.mark.long]
ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, name: str, *arguments: str) -> dict[str, Any]:
    """Run a benchmark; returns what it wrote, which its last line says, too."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments], cwd=ROOT, capture_output=True,
        text=True, check=False, timeout=170,
        env={**os.environ, "ZEDOPS_BENCHMARK_RESULTS": str(tmp_path), "PATH": _plain_path()},
    )
    assert done.returncode == 0, done.stderr
    (written,) = tmp_path.glob("*.json")
    record: dict[str, Any] = json.loads(written.read_text())
    assert record["figures"] == json.loads(done.stdout.splitlines()[-1])
    assert record["machine"]
    return dict(record["figures"])


def _plain_path() -> str:
    """Leave out what a developer has besides, such as docker compose: it takes its time."""
    return f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"


def test_one_change_beside_the_floor(tmp_path: Path) -> None:
    found = run(tmp_path, "one_change", "1")
    # a server may run before the end of its push is seen here
    end = found.pop("end of git push → start event")
    assert end["n"] == 1
    assert all(each["median_ms"] > 0 and each["ratio"] > 0 for each in found.values())
    assert found["stop + remove + create + start through the bare API"]["ratio"] == 1.0
    assert len([name for name in found if "push" in name]) == 3


def test_the_main_job_beside_the_floor(tmp_path: Path) -> None:
    found = run(tmp_path, "main_job", "1")
    assert all(each["median_ms"] > 0 and each["n"] == 1 for each in found.values())
    assert found["create + start through the bare API"]["ratio"] == 1.0
    assert len(found) == 4


def test_every_read_is_started_beside_an_empty_python(tmp_path: Path) -> None:
    found = run(tmp_path, "startup", "1", "3")
    assert found.keys() == {"3 servers"}
    rows = found["3 servers"]
    assert rows["python -c pass"]["ratio"] == 1.0
    assert all(each["wall_ms"] > 0 and each["n"] == 1 for each in rows.values())
    assert len([name for name in rows if name.startswith("zedops ")]) == 17


def test_bulk_beside_the_floor(tmp_path: Path) -> None:
    found = run(tmp_path, "bulk", "3", "5")
    assert found["push of 3 servers"]["n"] == 1
    assert found["push of 5 stopped servers"]["ratio"] > 0


def test_the_downtime_of_many_edits_beside_one_alone(tmp_path: Path) -> None:
    found = run(tmp_path, "downtime", "3", "2")
    assert [each["n"] for each in found.values()] == [2, 2, 3]
    assert all(each["p50_ms"] > 0 for each in found.values())


def test_a_fleet_at_rest_asks_the_engine_for_nothing_and_a_comment_neither(tmp_path: Path) -> None:
    found = run(tmp_path, "idle", "3", "1", "1")
    assert (found["servers"], found["of which run"]) == (3, 1)
    assert found["manager and agent, % of a core"] >= 0
    assert found["asked of the Engine for a comment"].keys() <= {"GET /events"}


def test_drift_one_at_a_time_and_at_once(tmp_path: Path) -> None:
    found = run(tmp_path, "drift", "1", "3")
    assert found["3 killed at once"]["n"] == 3
    assert found["any of these"]["p50_ms"] > 0


def test_activity_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    found = run(tmp_path, "steady", "20", "10")
    assert found["activity"] >= 20
    assert found["files: most"] > 0


def test_growth_is_measured_and_bounded(tmp_path: Path) -> None:
    found = run(tmp_path, "growth", "200", "50", "5")
    assert found["bytes a commit, packed"] > 0


@pytest.mark.usefixtures("restic")
def test_backups_beside_restic_alone(tmp_path: Path) -> None:
    found = run(tmp_path, "backup", "50", "1000", "1")
    assert found.pop("git_bytes") > 0
    assert all(each["median_ms"] > 0 and each["n"] == 1 for each in found.values())
    assert len(found) == 4


def test_the_web_page_is_looked_at_and_typed_into(tmp_path: Path) -> None:
    found = run(tmp_path, "web", "10", "--edits", "2", "--tabs", "3", "--seconds", "1")["10"]
    assert 0 < found["first view, KB over the wire"] < 100
    assert found["a check while typing, p50 ms"] > 0
    assert found["the same beside 3 tabs, p50 ms"] > 0
    assert len(found) >= 8
