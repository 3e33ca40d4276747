"""When a snapshot is proven, what its container may reach, and what its run means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pure.agent.test_backup_rules import TOKEN, asks
from tests.pure.fleets import NOW, later
from tests.pure.plans import container
from zedops.protocol.sync import Goal
from zedops.spec.backup import LastBackup, read_last
from zedops.spec.model import Definition
from zedops.spec.readiness import Ready
from zedops_agent.backup import due, proof_rules
from zedops_agent.backup.record import Proof, Reason, Record, Trouble
from zedops_agent.container_spec import ContainerSecrets
from zedops_agent.observed import PROOF, HealthStatus, Image, LogLine, Phase

LAST = LastBackup(at=NOW, snapshot="4bba301e", size_bytes=100, files=2)
WEEKLY = {"prove": "7d"}
DAY_S = 86400.0
FAILED = Trouble(text="it ended", at=NOW, token=TOKEN)


def test_a_proof_that_was_asked_for_is_made_once_also_of_a_stopped_server() -> None:
    want = asks({"prove": "one"})
    wanted = proof_rules.due(want, Record(), NOW)
    assert wanted is not None
    assert (wanted.token, wanted.reason) == ("one", Reason.ASKED)
    assert proof_rules.due(want, Record(proved="one"), NOW) is None
    assert proof_rules.due(asks({"prove": "one"}, goal=Goal.STOPPED), Record(), NOW)
    for goal in (Goal.DELETED, Goal.PURGED):
        assert proof_rules.due(asks({"prove": "one"}, WEEKLY, goal), Record(last=LAST), NOW) is None


@pytest.mark.parametrize(
    ("record", "after_s"),
    [
        (Record(), None),  # there is no snapshot yet
        (Record(last=LAST), 0),
        (Record(last=LAST, proof_tried_at=NOW), 7 * DAY_S),
        (Record(last=LAST, proof_tried_at=NOW,
                proof_trouble=FAILED), due.RETRY_FIRST_S),
    ],
)
def test_the_schedule_of_proofs(record: Record, after_s: float | None) -> None:
    want = asks(None, WEEKLY)
    times = [at for at in range(0, int(8 * DAY_S), 300) if proof_rules.due(want, record, later(at))]
    assert (times[0] if times else None) == after_s


@given(st.integers(1, 60))
def test_a_proof_that_fails_comes_again_within_its_own_interval(attempts: int) -> None:
    trouble = FAILED.model_copy(update={"attempts": attempts})
    record = Record(last=LAST, proof_tried_at=NOW, proof_trouble=trouble)
    at = proof_rules.due_at(asks(None, {"prove": "1h"}), record)
    assert at is not None
    assert timedelta(seconds=due.RETRY_FIRST_S) <= at - NOW <= timedelta(hours=1)


RUNS = container()


@pytest.mark.parametrize(
    ("found", "ran_s", "says"),
    [
        (RUNS, 9, "wait"), (RUNS, 10, "proven"),
        (replace(RUNS, health=HealthStatus.STARTING, health_within_s=60), 59, "wait"),
        (replace(RUNS, health=HealthStatus.STARTING, health_within_s=60), 60, "not pass within"),
        (replace(RUNS, health=HealthStatus.HEALTHY), 1, "proven"),
        (replace(RUNS, health=HealthStatus.UNHEALTHY), 1, "health check failed"),
        (container(Phase.EXITED, exit_code=3), 1, "ended with exit code 3 after 1 s"),
        (container(Phase.EXITED, exit_code=137, oom_killed=True), 9, "out of memory"),
        (container(Phase.CREATED), 9, "the server ended"),
        (None, 1, "removed by another program"),
    ],
)
def test_the_verdict_on_a_run(found: Any, ran_s: float, says: str) -> None:
    verdict = proof_rules.judge(found, ran_s)
    told = "wait" if verdict is None else verdict.failure or "proven"
    assert says in told


@pytest.mark.parametrize(("line", "ran_s", "says"), [
    (LogLine.AWAITED, 30, "wait"), (LogLine.SHOWN, 1, "proven"),
    (LogLine.AWAITED, 60, "its log did not show `Done` within 60 s"),
    (LogLine.UNREADABLE, 9, "wait"), (LogLine.UNREADABLE, 10, "proven"),
])  # fmt: skip
def test_a_proof_waits_for_the_line_of_the_log(line: LogLine, ran_s: float, says: str) -> None:
    ready = Ready.model_validate({"log": "Done", "timeout": "60s"})
    verdict = proof_rules.judge(replace(RUNS, log_line=line), ran_s, ready)
    told = "wait" if verdict is None else verdict.failure or "proven"
    assert says in told


def test_a_proof_reaches_nothing_but_its_copy() -> None:
    definition = Definition.model_validate({
        "image": "game", "ports": {"game": {"container": 7000, "host": 7000}},
        "networks": ["proxy"], "dns": ["1.1.1.1"], "extra_hosts": {"db": "10.0.0.1"},
        "labels": {"traefik.enable": "true"}, "logging": {"driver": "syslog"},
        "volumes": {"w": {"path": "/data", "source": "/srv/w", "propagation": "shared"},
                    "c": {"path": "/cache", "kind": "cache", "source": "/srv/c"},
                    "s": {"path": "/sock", "kind": "file", "source": "/run/docker.sock"}},
        "limits": {"memory": "64MiB"},
    })
    image = Image("sha256:1", "", (), labels=("zedops.fleet", "com.watch"))
    sources = {"w": "/scratch/w", "c": "/srv/c"}
    want = asks().model_copy(update={"definition": definition})
    secrets = ContainerSecrets({"WORD": "x"}, "print")
    config, host = proof_rules.arguments("f", want, image, sources, secrets, "/scratch")
    assert config["labels"] == {"zedops.fleet": "", "com.watch": "", PROOF: "/scratch"}
    assert config["name"].endswith(".proof")
    assert config["image"] == "sha256:1"
    assert (host["network_mode"], host["port_bindings"]) == ("none", {})
    assert host["restart_policy"] == {"Name": "no"}
    assert host["mem_limit"] == 64 << 20
    assert not {"dns", "extra_hosts"} & host.keys()
    assert host["log_config"]["type"] == "json-file"
    assert [(each["Source"], each["ReadOnly"]) for each in host["mounts"]] == [
        ("/scratch/w", False), ("/srv/c", True),
    ]
    assert not any("BindOptions" in each for each in host["mounts"])


@pytest.mark.parametrize("place", ["/", "/run", "/run/docker.sock", "/var/run/x", "/dev/null"])
def test_a_place_with_sockets_of_other_programs_is_left_out(place: str) -> None:
    assert not proof_rules.is_inert(place)
    assert proof_rules.is_inert("/runner/files")


def test_a_copy_that_lacks_bytes_or_files_proves_nothing() -> None:
    assert proof_rules.shrunk((100, 2), (100, 2)) is None
    assert proof_rules.shrunk((100, 2), (100, 3)) is None
    assert proof_rules.shrunk((100, 2), (100, 1))
    assert proof_rules.shrunk((100, 2), (99, 2))


def test_the_state_tells_the_snapshot_that_started_beside_the_newest_one() -> None:
    record = Record(last=LAST, proof=Proof(at=later(60), snapshot="deadbeef"))
    assert record.told is not None
    at = f"{later(60):%Y-%m-%dT%H:%M:%SZ}"
    assert str(record.told).endswith(f" 4bba301e 100b 2 proven {at} deadbeef")
    assert read_last(str(record.told)) == record.told
    assert str(Record(last=LAST).told) == str(LAST)
    assert Record().told is None


def test_a_failed_proof_is_told_as_the_newest_failure() -> None:
    trouble = FAILED.model_copy(update={"at": later(60)})
    said = due.failed(asks(), Record(proof_trouble=trouble,
                                     trouble=FAILED))
    assert said == "the last proof failed: it ended"
