"""An empty hub whose gate is kept, as a manager keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git.gatekeeper import gatekeeper
from zedops.hub.hub import Hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """Make an empty hub, and keep its gate."""
    made = Hub.create(tmp_path / "fleet.git")
    with gatekeeper(made):
        yield made
