"""No password of a compose file gets into the text of a definition, whatever key holds it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pure.scaffold.test_compose import imported
from zedops.scaffold.compose import collect
from zedops.scaffold.compose.network import keep_names
from zedops.spec.definition_text import render

PASSWORD = "correct-horse"


@pytest.mark.parametrize("written", [
    f"environment: {{ADMIN_PASSWORD: {PASSWORD}}}", f"environment: [RCONPW={PASSWORD}]",
    f"environment: {{DATABASE_URL: 'postgres://app:{PASSWORD}@db/app'}}",
    f"environment: {{ARGS: '-Drcon.password={PASSWORD}'}}", "env_file: [pw.env]",
    f"command: run --password {PASSWORD}", f"entrypoint: [run, --token={PASSWORD}]",
    f"labels: {{widget.password: {PASSWORD}}}", f"labels: ['dash.token={PASSWORD}']",
    f"healthcheck: {{test: redis-cli -a {PASSWORD} ping}}",
    f"healthcheck: {{test: [CMD, mysqladmin, '-p{PASSWORD}', ping]}}",
    f"logging: {{driver: splunk, options: {{splunk-token: {PASSWORD}}}}}",
    f"build: {{args: {{TOKEN: {PASSWORD}}}}}", f"x-mine: {{password: {PASSWORD}}}",
    "volumes: ['nas:/data']", f"deploy: {{labels: {{token: {PASSWORD}}}}}",
    "environment: {ADMIN_PASSWORD: $ADMIN}", "environment: {ADMIN_PASSWORD: 2001-02-03}",
])  # fmt: skip
def test_no_password_is_written(written: str) -> None:
    options = f"addr=nas,password={PASSWORD},rw"
    volume = f"{{driver_opts: {{type: cifs, o: '{options}', device: //nas/w}}}}"
    files = {"pw.env": f"PASSWORD={PASSWORD}\n", ".env": f"ADMIN={PASSWORD}\n"}
    text = f"services: {{mc: {{image: a, {written}}}}}\nvolumes: {{nas: {volume}}}\n"
    found, notes = imported(text, files)
    collect.refuse_invalid(list(found.values()))
    made = render(found["mc"].fields, found["mc"].notes)
    assert not found["mc"].refused or "looks like a password" in found["mc"].refused[0]
    told = "".join([*notes, *found["mc"].notes, *found["mc"].refused])
    assert PASSWORD not in told
    assert "2001-02-03" not in told
    assert found["mc"].refused or PASSWORD not in made


def test_a_server_answers_to_every_name_that_its_service_had() -> None:
    fields: dict[str, Any] = {"networks": ["proxy", "bridge"]}
    keep_names(fields, ("my_app", "the_app", "my-app"), "my-app")
    assert fields == {"networks": {"proxy": {"aliases": ["my_app", "the_app"]}, "bridge": {}}}
    same = {"networks": ["proxy"]}
    keep_names(same, ("app",), "app")
    assert same == {"networks": ["proxy"]}
    parts: dict[str, Any] = {"networks": {"proxy": {"aliases": ["a"], "ipv4_address": "192.0.2.7"}}}
    keep_names(parts, ("a", "b"), "c")
    assert parts["networks"]["proxy"] == {"aliases": ["a", "b"], "ipv4_address": "192.0.2.7"}
    none: dict[str, Any] = {"image": "a"}
    keep_names(none, ("a",), "b")
    assert none == {"image": "a"}
