"""Compose files with wrong values: each is imported, or refused with a reason."""

from __future__ import annotations

from tests.fuzz.compose_files import compose_file, run
from tests.pure.scaffold.test_compose import one


def test_no_file_ends_an_import_with_anything_but_a_reason() -> None:
    faults: list[str] = []
    taken = list(run(range(400), lambda seed, _, error: faults.append(f"{seed}: {error!r}")))
    assert faults == []
    assert any(taken)


def test_a_seed_gives_one_file() -> None:
    assert compose_file(7) == compose_file(7) != compose_file(8)


def test_a_long_range_of_ports_is_read_port_by_port() -> None:
    found = one("{image: a, ports: ['20000-20999:20000-20999/udp', '127.0.0.1:20000:20000/udp']}")
    assert len(found.fields["ports"]) == 1001
    assert "udp20000-2" in found.fields["ports"]
