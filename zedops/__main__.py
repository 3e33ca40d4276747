"""Entry point of the `zedops` command."""

from __future__ import annotations

from zedops.cli.main import main

if __name__ == "__main__":
    main()
