"""The web page costs nothing until it is used, and the wheel holds all of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = {"starlette", "uvicorn", "jinja2", "sse_starlette", "itsdangerous", "anyio",
             "python_multipart"}


def _loaded(code: str) -> set[str]:
    """Run some code in a new process; returns the top packages that it loaded."""
    ends = "import json, sys; print(json.dumps([each.split('.')[0] for each in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {ends}"], capture_output=True, text=True, check=True,
    )
    return set(json.loads(done.stdout))


def test_no_command_loads_what_serves_pages() -> None:
    names = "list_servers up manager web history plan show start"
    code = "; ".join(f"import zedops.cli.commands.{name}" for name in names.split())
    # watchfiles, which is of the manager, loads anyio
    assert _loaded(code) & (LIBRARIES - {"anyio"}) == set()
    assert _loaded("import zedops.web.serve, zedops.web.tickets") & LIBRARIES == set()


def test_what_is_served_to_browsers_is_as_the_lock_file_says() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    static = resources.files("zedops.web") / "static"
    htmx = static.joinpath("htmx.min.js").read_text()
    version = lock["node_modules/htmx.org"]["version"]
    assert re.search(r'version:"([\d.]+)"', htmx) is not None
    assert f'version:"{version}"' in htmx
    assert "BSD" in static.joinpath("htmx.LICENSE").read_text()
    first = static.joinpath("codemirror.min.js").read_text().partition("\n")[0]
    named = dict(each.rsplit(" ", 1) for each in first.strip("/* ").partition(";")[0].split(", "))
    licences = static.joinpath("codemirror.LICENSE").read_text()
    assert "@codemirror/view" in named
    for package, release in named.items():
        assert lock[f"node_modules/{package}"]["version"] == release
        text = licences.partition(f"{package} {release}\n\n")[2]
        assert "Permission is hereby granted" in text[:600]


def test_a_wheel_has_every_file_of_the_page(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(tmp_path), str(ROOT)],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        held = set(packed.namelist())
    here = {str(path.relative_to(ROOT)) for folder in ("static", "templates")
            for path in (ROOT / "zedops/web" / folder).iterdir()}
    assert here - held == set()
    assert len(here) > 8
