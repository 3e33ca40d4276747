"""How long it takes until what was handed out is done: measured once for each time."""

from __future__ import annotations

from dataclasses import replace

from tests.pure.fleets import NOW, doc, fleet_of, running, server_id
from zedops.manager.metrics import Metrics
from zedops.manager.state import Ledger
from zedops.protocol.sync import ServerReport
from zedops.spec.settings import Settings
from zedops.spec.state import Status

SETTINGS = Settings(name="fleet", hosts=("local",))


def count(metrics: Metrics, outcome: str) -> tuple[float, float]:
    """Say how many ended so, and how long they took together."""
    labels = {"outcome": outcome}
    found = [metrics.registry.get_sample_value(f"zedops_convergence_seconds_{each}", labels)
             for each in ("count", "sum")]
    return found[0] or 0.0, found[1] or 0.0


def handed(text: str, ledger: Ledger, metrics: Metrics, commit: str, now_s: float) -> None:
    """Take in a change of one of two servers, and hand it out."""
    before = ledger.fleet.documents
    made = fleet_of(
        doc("servers.d/a.yaml", "image: a\n", running(1, status=Status.PENDING)),
        doc("servers.d/b.yaml", text, running(2, status=Status.PENDING)), settings=SETTINGS,
    )
    changed = {path for path, each in made.documents.items()
               if path not in before or before[path].head != each.head}
    ledger.advance(replace(made, commit=commit), changed, dict.fromkeys(changed, commit), NOW)
    metrics.hand(ledger, ledger.document("local"), now_s)


def failed(ledger: Ledger, number: int) -> ServerReport:
    """Say that a host gave a server up."""
    want = ledger.document("local").servers[server_id(number)]
    return ServerReport(id=want.id, at=NOW, data_exists=False, failure="no", about=want.commit,
                        goal=want.goal)


def test_one_that_was_at_rest_is_not_measured_until_it_is_next_heard_of() -> None:
    ledger, metrics = Ledger(), Metrics()
    handed("image: b\n", ledger, metrics, "1" * 40, 0.0)
    for number in (1, 2):
        ledger.take(failed(ledger, number), "local")
    metrics.settle(ledger, 4.0)
    assert count(metrics, "failed") == (0, 0), "git does not have it yet"
    ledger.committed("1" * 40, 5.0)
    metrics.settle(ledger, 5.0)
    assert count(metrics, "failed") == (2, 10)
    handed("image: c\n", ledger, metrics, "2" * 40, 100.0)  # the host is handed both
    ledger.committed("2" * 40, 101.0)
    metrics.settle(ledger, 101.0)
    ledger.take(failed(ledger, 1), "local")
    ledger.committed("3" * 40, 3700.0)
    metrics.settle(ledger, 3700.0)
    assert count(metrics, "failed")[1] < 20
