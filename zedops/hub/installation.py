"""Installs the hub's hooks: shell scripts, and the module that they run without a manager.

Each start of a manager repeats it, so that an upgrade renews them. Writes nothing but hooks.
"""

from __future__ import annotations

import contextlib
import py_compile
import shlex
import sys
from pathlib import Path

from zedops import __version__
from zedops.hub import hook
from zedops.system import files

_HOOK_MODULE = "zedops_hook"
_RUN = "%s; sys.exit(hook.main('%s'))"


def install_hooks(folder: Path) -> None:
    """Write or upgrade the hooks in a hub's directory of hooks. Safe to repeat."""
    folder.mkdir(exist_ok=True)
    text = f"# zedops {__version__}\n{Path(hook.__file__).read_text()}"
    module = folder / f"{_HOOK_MODULE}.py"
    if not module.exists() or module.read_text() != text:
        files.write(module, text.encode(), 0o644)
    # Python compiles a script at every start, in 3 ms, and a module once; it recompiles a
    # stale module, or one of another Python
    with contextlib.suppress(OSError, py_compile.PyCompileError):
        py_compile.compile(str(module), doraise=True)
    begin = f"import sys; sys.path.insert(0, {str(folder)!r}); import {_HOOK_MODULE} as hook"
    for name in hook.NAMES:
        fallback = f"-IS -c {shlex.quote(_RUN % (begin, name))}"
        text = hook.script(name, __version__, shlex.quote(sys.executable), fallback)
        files.write(folder / name, text.encode(), 0o755)
    (folder / "zedops-hook.py").unlink(missing_ok=True)  # of earlier versions
