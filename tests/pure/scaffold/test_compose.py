"""Compose files as Compose reads them, in the fields of a definition, with an account of each key.

What Compose makes of a file was seen with `docker compose config` (v2.26); where a definition says
something else, it is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zedops.scaffold.compose import collect
from zedops.scaffold.compose.project import Reader, chosen
from zedops.scaffold.compose.reading import Translation
from zedops.scaffold.compose.run_line import read_run
from zedops.scaffold.compose.scalars import as_text, load, typed
from zedops.scaffold.compose.services import METHODS, translate
from zedops.scaffold.compose.variables import Lookup, fill_in, read_env_file

PLACE = "/srv/mc"


def imported(
    text: str, files: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None,
    services: tuple[str, ...] = (), profiles: tuple[str, ...] = (), directory: str = PLACE,
) -> tuple[dict[str, Translation], list[str]]:
    """Import a file, with others beside it; also what is said of the whole project."""
    known = {f"{directory}/compose.yaml": text}
    known |= {f"{directory}/{name}": said for name, said in (files or {}).items()}

    def read(path: str) -> bytes | None:
        said = known.get(path)
        return None if said is None else said.encode()

    project = Reader(read, env or {}).project(f"{directory}/compose.yaml")
    found = [translate(each, project, read, lambda _: None)
             for each in chosen(project, services, profiles)]
    notes = [*project.notes, *collect.settle(found)]
    return {each.name: each for each in found}, notes


def one(service: str, rest: str = "", **more: Any) -> Translation:
    """Import a file with one service."""
    found, _ = imported(f"services:\n  mc: {service}\n{rest}", **more)
    return found["mc"]


def said(service: Translation, words: str) -> bool:
    """Say whether something is told of a service."""
    return any(words in each for each in service.notes)


# --- variables


@pytest.mark.parametrize(("text", "value"), [
    ("$A-${A}-${A:-x}-${A-x}", "1-1-1-1"), ("${B:-${A}}x${B:-}", "1x"), ("${E:-x}${E-y}", "x"),
    ("${A:+there}${B:+no}${E+set}", "thereset"), ("$$A $${A}", "$A ${A}"), ("${A:?no}", "1"),
    ("pay $5", "pay $5"), ("a$", "a$"), ("$ $. $-x ${B:-$}", "$ $. $-x $"), ("$$$", "$$"),
    ("${B:-a{b}c}", "a{b}c"), ("no dollar", "no dollar"),
])  # fmt: skip
def test_variables_are_filled_in(text: str, value: str) -> None:
    assert fill_in(text, Lookup({"A": "1", "E": ""})) == value


@pytest.mark.parametrize(("text", "words"), [
    ("${5}", "begins no variable"), ("${", "begins no variable"), ("${A", "closing brace"),
    ("${B:?set it}", "needs the variable B: set it"), ("${A!x}", "is no operator"),
    ("${B:-" * 30 + "}" * 30, "nested too deeply"),
])  # fmt: skip
def test_what_is_no_variable_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fill_in(text, Lookup({"A": "1"}))


def test_an_unset_variable_is_named_and_an_empty_part_of_a_volume_refused() -> None:
    found = one("{image: 'a/${OWNER}b', volumes: ['${DIR}:/data']}")
    assert said(found, "OWNER is set nowhere")
    assert found.refused == [
        "volumes: ':/data' has an empty part, or too many (DIR, OWNER: set nowhere)"
    ]


def test_env_files_have_variables_quotes_lines_and_a_byte_order_mark() -> None:
    text = ("\ufeffA=1\nexport B=\"x\\ny\"\nC='${A}'\nD=${A}-$B # c\nE\nM=\"one\ntwo\"\n"
            "F=a#b\n\n# no\n G = z \n")
    assert read_env_file(text, {"E": "out", "A": "shell"}) == {
        "A": "1", "B": "x\ny", "C": "${A}", "D": "shell-x\ny", "E": "out", "M": "one\ntwo",
        "F": "a#b", "G": "z",
    }  # fmt: skip


def test_dotenv_counts_below_the_shell_and_names_the_project() -> None:
    files = {".env": "HOST=play\nURL=https://$HOST\nCOMPOSE_PROJECT_NAME=other\n"}
    text = "services: {mc: {image: '${TAG}', environment: {URL: '${URL}'}}}"
    found, _ = imported(text, files, {"TAG": "b", "HOST": "shell"})
    assert found["mc"].fields == {"image": "b", "env": {"URL": "https://shell"}}
    assert found["mc"].containers == ("other-mc-1", "other_mc_1")


# --- YAML


@pytest.mark.parametrize(("written", "text"), [
    ("TRUE", "true"), ("1.20", "1.2"), ("022", "18"), ("0x1f", "31"), ("1_000", "1000"),
    ("22:22", "22:22"), ("yes", "yes"), ("1e3", "1000"),
    ("2001-01-01", "2001-01-01 00:00:00 +0000 UTC"),
    ("2001-1-1", "2001-01-01 00:00:00 +0000 UTC"), ("2001-13-01", "2001-13-01"),
    ("089", "89"), ("~", ""), (".5", "0.5"), ("1e6", "1e+06"), ("100000.0", "100000"),
    ("1234567.5", "1.2345675e+06"), ("-0.0", "-0"), ("-0", "0"), ("0.0001", "0.0001"),
    ("18446744073709551615", "18446744073709551615"), ("-089", "-89"),
    ("18446744073709551616", "1.8446744073709552e+19"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("-9223372036854775809", "-9.223372036854776e+18"), ("1e30", "1e+30"), ("0.00001", "1e-05"),
])  # fmt: skip
def test_plain_scalars_become_what_compose_makes_of_them(written: str, text: str) -> None:
    assert as_text(typed(written)) == text


def test_a_value_tagged_as_text_is_what_is_written() -> None:
    found = one("{image: a, environment: {A: !!str 1.20, B: ! 022, C: !!str TRUE}}")
    assert found.fields["env"] == {"A": "1.20", "B": "022", "C": "TRUE"}


def test_where_a_value_is_not_what_was_written_that_is_told() -> None:
    found = one("{image: a, environment: {A: TRUE, B: true, C: '1.20', D: 1.20}}")
    assert found.fields["env"] == {"A": "true", "B": "true", "C": "1.20", "D": "1.2"}
    assert [each.split()[1] for each in found.notes[:-1]] == ["A", "D"]


@pytest.mark.parametrize(("text", "words"), [
    ("a: [", "not valid YAML"), ("a: 1\na: 2", "'a' is there twice"), ("a: !x 1", "the tag !x"),
    ("{[1]: 2}", "a key is no text"), ("[" * 2000, "not valid YAML"),
    ("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + at)}: &{chr(98 + at)} [{','.join([f'*{chr(97 + at)}'] * 9)}]\n"
        for at in range(8)), "more than 100000 values"),
])  # fmt: skip
def test_what_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load(text)


# --- files


def test_an_override_beside_it_is_read_and_merged() -> None:
    text = "services: {mc: {image: a, command: x, ports: ['1:1'], environment: [A=1, B=2]}}"
    over = ("services: {mc: {command: y, ports: ['2:2'], environment: {B: '3'},"
            " volumes: !reset [], labels: !override {a: b}}}")
    found, notes = imported(text, {"compose.override.yaml": over})
    fields = found["mc"].fields
    assert fields["command"] == ["y"]
    assert sorted(fields["ports"]) == ["tcp1", "tcp2"]
    assert (fields["env"], fields["labels"]) == ({"A": "1", "B": "3"}, {"a": "b"})
    assert "compose.override.yaml is read, too, as Compose does" in notes


@pytest.mark.parametrize(("under", "over", "fields"), [
    ("extra_hosts: {x: 1.1.1.1}", "extra_hosts: ['x:1.1.1.1', z=4.4.4.4]",
     {"extra_hosts": {"x": "1.1.1.1", "z": "4.4.4.4"}}),
    ("logging: {options: {a: b}}", "logging: {driver: local, options: {c: d}}",
     {"logging": {"driver": "local", "options": {"a": "b", "c": "d"}}}),
    ("logging: {driver: syslog, options: {a: b}}", "logging: {driver: local}",
     {"logging": {"driver": "local"}}),
    ("devices: ['/dev/a:/dev/t', /dev/b]", "devices: ['/dev/c:/dev/t', '/dev/b:/dev/b:r']",
     {"devices": ["/dev/c:/dev/t", "/dev/b:/dev/b:r"]}),
    ("volumes: ['/a:/data']", "volumes: ['/b:/data/:ro']",
     {"volumes": {"data": {"path": "/data/", "source": "/b", "kind": "cache", "read_only": True}}}),
    ("ports: ['80:80']", "ports: ['80:80/tcp', {target: 80, published: '80'}]",
     {"ports": {"tcp80": "80:80/tcp"}}),
    ("environment: {A: '1', B: '2'}", "environment: {A: !reset x, B: !override '5'}",
     {"env": {"B": "5"}}),
    ("labels: {A: '1'}", "labels: {A: !reset x}", {}),
])  # fmt: skip
def test_two_files_are_merged_as_compose_merges_them(
    under: str, over: str, fields: dict[str, Any]
) -> None:
    found, _ = imported(f"services: {{mc: {{image: a, {under}}}}}",
                        {"compose.override.yml": f"services: {{mc: {{{over}}}}}"})
    assert (found["mc"].refused, found["mc"].fields) == ([], {"image": "a", **fields})


def test_an_override_drops_and_replaces_whole_services_and_sections() -> None:
    text = ("services: {a: {image: a}, b: {image: b, tty: true}, mc: {image: a, volumes: ['v:/v']}}"
            "\nvolumes: {v: {name: x}}\nnetworks: {default: {name: lan}}")
    over = ("services: {a: !reset {}, b: !override {image: z}}\n"
            "volumes: !override {v: {name: z}}\nnetworks: !reset {}")
    found, _ = imported(text, {"compose.override.yml": over})
    assert sorted(found) == ["b", "mc"]
    assert found["b"].fields == {"image": "z"}
    assert found["mc"].fields["volumes"]["v"]["source"] == "z"


def test_only_the_first_override_is_read_and_compose_file_is_told() -> None:
    files = {".env": "COMPOSE_FILE=a.yaml:b.yaml\n",
             "compose.override.yaml": "services: {mc: {command: later}}",
             "compose.override.yml": "services: {mc: {command: first}}"}
    found, notes = imported("services: {mc: {image: a}}", files)
    assert found["mc"].fields["command"] == ["first"]
    assert [each for each in notes if "a.yaml:b.yaml" in each]


def test_later_env_files_see_earlier_ones_and_an_escaped_dollar_stays() -> None:
    files = {"1.env": 'A=1\nD="a\\$B c\\n"\nE="$5"\nG="x\\\\$A"\n', "2.env": "A=5\nS=$A\n"}
    found, _ = imported("services: {mc: {image: a, env_file: [1.env, 2.env]}}", files)
    assert found["mc"].fields["env"] == {
        "A": "5", "D": "a$B c\n", "E": "$5", "G": "x\\1", "S": "1"
    }


def test_an_include_finds_its_env_file_from_the_including_directory() -> None:
    files = {".env": "PD=pd\n", "env/x.env": "V=1\n",
             "sub/c.yaml": "services: {mc: {image: 'a:$V', volumes: ['./d:/d']}}"}
    text = "include: [{path: sub/c.yaml, env_file: env/x.env, project_directory: 'sub/$PD'}]"
    found, _ = imported(text, files)
    assert found["mc"].fields["image"] == "a:1"
    assert found["mc"].fields["volumes"]["d"]["source"] == f"{PLACE}/sub/pd/d"


@pytest.mark.parametrize("written", [
    "privileged: false", "secrets: []", "configs: []", "volumes_from: []", "pid: ''", "ipc: ''",
    "use_api_socket: false", "post_start: []",
])  # fmt: skip
def test_keys_that_say_nothing_are_no_refusal(written: str) -> None:
    found = one(f"{{image: a, {written}}}")
    assert (found.refused, found.fields) == ([], {"image": "a"})


def test_extends_and_include_bring_what_other_files_say() -> None:
    files = {
        "base/b.yaml": "services: {pal: {image: p, volumes: ['./w:/w'], environment: {A: '1'}}}",
        "common/db.yaml": "services: {db: {image: 'db:${TAG}', volumes: ['./d:/d']}}",
        "common/.env": "TAG=9\n",
    }
    text = ("include: [common/db.yaml]\nservices:\n  pal:\n    extends: {file: base/b.yaml,"
            " service: pal}\n    environment: {B: '2'}\n")
    found, _ = imported(text, files)
    assert found["pal"].fields["env"] == {"A": "1", "B": "2"}
    assert found["pal"].fields["volumes"]["w"]["source"] == f"{PLACE}/base/w"
    assert found["db"].fields["image"] == "db:9"
    assert found["db"].fields["volumes"]["d"]["source"] == f"{PLACE}/common/d"


@pytest.mark.parametrize(("text", "words"), [
    ("include: [compose.yaml]\nservices: {a: {image: a}}", "includes itself"),
    ("services: {a: {extends: {service: a}}}", None),
    ("include: [none.yaml]\nservices: {a: {image: a}}", "cannot be read"),
    ("services: []", "services: is a list"), ("version: '3'", "has no services"),
])  # fmt: skip
def test_files_that_lead_nowhere_are_said(text: str, words: str | None) -> None:
    if words is None:
        found, _ = imported(text)
        assert found["a"].refused[0] == "extends: 'a' extends itself"
        return
    with pytest.raises(ValueError, match=words):
        imported(text)


def test_only_what_compose_would_start_is_imported_and_the_rest_named() -> None:
    text = "services: {a: {image: a}, b: {image: b, profiles: [old]}, c: {image: c}}"
    found, notes = imported(text)
    assert sorted(found) == ["a", "c"]
    assert any("b: left out" in each for each in notes)
    assert sorted(imported(text, profiles=("old",))[0]) == ["a", "b", "c"]
    assert sorted(imported(text, services=("b",))[0]) == ["b"]
    with pytest.raises(ValueError, match="no service x; there are a, b, c"):
        imported(text, services=("x",))


def test_a_project_is_named_as_compose_names_it() -> None:
    text = "services: {mc: {image: a, volumes: ['w:/w']}}\nvolumes: {w: }\n"
    found, _ = imported(text, directory="/srv/_My.dir Server")
    assert found["mc"].fields["volumes"]["w"]["source"] == "mydirserver_w"
    found, _ = imported(f"name: survival\n{text}")
    assert found["mc"].fields["volumes"]["w"]["source"] == "survival_w"


# --- what a service says


@pytest.mark.parametrize(("written", "fields"), [
    ("command: 'a \"b c\"'", {"command": ["a", "b c"]}),
    ("command: 'a \"b|c\" d\\|e x\"y\\n\"z # \"\"'",
     {"command": ["a", "b|c", "d|e", "xynz", "#", ""]}),
    ("command: say $$(a | b) `c|d`", {"command": ["say", "$(a | b)", "`c|d`"]}),
    *((f"{key}: ''", {}) for key in ("user", "hostname", "platform", "working_dir", "stop_signal",
                                     "network_mode", "stop_grace_period")),
    ("stop_grace_period: 0s", {"stop": {"grace": "0s"}}), ("networks: {}", {}),
    ("stop_grace_period: 300h0m1s", {"stop": {"grace": "1080001s"}}),
    ("entrypoint: /x y", {"entrypoint": ["/x", "y"]}), ("working_dir: /w", {"working_dir": "/w"}),
    ("tty: true", {"tty": True}), ("stdin_open: 'yes'", {"stdin_open": True}),
    ("init: false", {"init": False}), ("read_only: true", {"read_only": True}),
    ("hostname: my_foundry", {"hostname": "my_foundry"}), ("user: 1000", {"user": "1000"}),
    ("network_mode: host", {"network_mode": "host"}), ("network_mode: bridge", {}),
    ("pull_policy: always", {"pull": "always"}), ("pull_policy: missing", {}),
    ("platform: linux/arm64", {"platform": "linux/arm64"}),
    ("dns: 1.1.1.1", {"dns": ["1.1.1.1"]}), ("extra_hosts: ['a:1.2.3.4']",
                                            {"extra_hosts": {"a": "1.2.3.4"}}),
    ("extra_hosts: {a: '::1'}", {"extra_hosts": {"a": "::1"}}),
    ("tmpfs: ['/t:size=1m', /u]", {"tmpfs": {"/t": "size=1m", "/u": ""}}),
    ("shm_size: 64m", {"shm_size": 64 << 20}), ("ulimits: {nofile: 5}", {"ulimits": {"nofile": 5}}),
    ("ulimits: {nofile: {soft: 1, hard: 2}}", {"ulimits": {"nofile": {"soft": 1, "hard": 2}}}),
    ("sysctls: [net.core.somaxconn=9]", {"sysctls": {"net.core.somaxconn": "9"}}),
    ("devices: ['/dev/a:/dev/b']", {"devices": ["/dev/a:/dev/b"]}), ("gpus: all", {"gpus": "all"}),
    ("cap_add: [cap_sys_nice, SYS_NICE]", {"cap_add": ["SYS_NICE"]}),
    ("cap_drop: [ALL]", {"cap_drop": ["ALL"]}), ("group_add: [44]", {"group_add": ["44"]}),
    ("logging: {driver: local}", {"logging": {"driver": "local"}}),
    ("security_opt: ['seccomp:unconfined']", {"security_opt": ["seccomp:unconfined"]}),
    ("stop_signal: INT", {"stop": {"signal": "SIGINT"}}),
    ("stop_signal: 15", {"stop": {"signal": "SIGTERM"}}),
    ("stop_grace_period: 1m30s", {"stop": {"grace": "90s"}}),
    ("cpus: 1.3333333", {"limits": {"cpus": 1.3333333}}),
    ("mem_limit: 2g", {"limits": {"memory": 2 << 30}}), ("cpus: 1.5", {"limits": {"cpus": 1.5}}),
    ("pids_limit: 100", {"limits": {"pids": 100}}), ("pids_limit: -1", {}),
    ("deploy: {resources: {limits: {memory: 1g, cpus: '2', pids: 9}}}",
     {"limits": {"memory": 1 << 30, "cpus": 2.0, "pids": 9}}),
    ("deploy: {replicas: 0}", {"desired": "stopped"}),
    ("deploy: {resources: {reservations: {devices: [{count: 1, capabilities: [gpu]}]}}}",
     {"gpus": 1}),
    ("healthcheck: {test: [CMD, ok], interval: 10s}",
     {"health": {"test": ["CMD", "ok"], "interval": "10s", "timeout": "30s"}}),
    ("healthcheck: {disable: true}", {"health": {"test": ["NONE"]}}),
    ("labels: [a=b, zedops.x=y]", {"labels": {"a": "b"}}),
    ("x-own: {a: b}", {}), ("expose: [80]", {}), ("container_name: mine", {}),
    ("networks: {default: null}", {}),
])  # fmt: skip
def test_each_key_is_translated(written: str, fields: dict[str, Any]) -> None:
    found = one(f"{{image: a, {written}}}")
    assert (found.refused, found.fields) == ([], {"image": "a", **fields})


@pytest.mark.parametrize(("written", "ports"), [
    ("25565", {"tcp25565": {"container": "25565/tcp", "publish": "none"}}),
    ("'25565:25565'", {"tcp25565": "25565:25565/tcp"}), ("22:22", {"tcp22": "22:22/tcp"}),
    ("'1-2:3-4/UDP'", {"udp1": "1:3/udp", "udp2": "2:4/udp"}),
    ("':443:443'", {"tcp443": "443:443/tcp"}), ("'0.0.0.0:1:1'", {"tcp1": "1:1/tcp"}),
    ("'127.0.0.1:8:80'", {"tcp8": {"container": "80/tcp", "host": 8, "publish": "loopback"}}),
    ("'[::1]:8:80'", {"tcp8": {"container": "80/tcp", "host": 8, "address": "::1"}}),
    ("3868:3868/sctp", {"sctp3868": "3868:3868/sctp"}),
    ("{target: 80, published: '8', protocol: udp}", {"udp8": "8:80/udp"}),
])  # fmt: skip
def test_ports_in_every_form(written: str, ports: dict[str, Any]) -> None:
    assert one(f"{{image: a, ports: [{written}]}}").fields["ports"] == ports


@pytest.mark.parametrize(("written", "volume"), [
    ("./d:/data", {"path": "/data", "source": f"{PLACE}/d"}),
    ("../x:/x:ro", {"path": "/x", "source": "/srv/x", "kind": "cache", "read_only": True}),
    ("world:/w", {"path": "/w", "source": "mc_world"}),
    ("named:/w", {"path": "/w", "source": "other"}), ("ext:/w", {"path": "/w", "source": "ext"}),
    ("old:/w", {"path": "/w", "source": "mc-2019"}), ("dir:/w", {"path": "/w", "source": "/srv/w"}),
    ("/v", {"path": "/v"}), ("rel:/w", {"path": "/w", "source": f"{PLACE}/w"}),
    ("{type: volume, source: world, target: /w, volume: {subpath: a/b}}",
     {"path": "/w", "source": "mc_world", "subpath": "a/b"}),
    ("{type: bind, source: /o, target: /w, bind: {propagation: rslave}}",
     {"path": "/w", "source": "/o", "propagation": "rslave"}),
    ("./server.properties:/d/server.properties",
     {"path": "/d/server.properties", "source": f"{PLACE}/server.properties", "kind": "file"}),
    ("/var/run/docker.sock:/var/run/docker.sock",
     {"path": "/var/run/docker.sock", "source": "/var/run/docker.sock", "kind": "file"}),
    ("/etc/localtime:/etc/localtime:ro",
     {"path": "/etc/localtime", "source": "/etc/localtime", "kind": "file", "read_only": True}),
])  # fmt: skip
def test_volumes_in_every_form(written: str, volume: dict[str, Any]) -> None:
    rest = ("volumes: {world: , named: {name: other}, ext: {external: true}, old: {external:"
            " {name: mc-2019}}, dir: {driver_opts: {type: none, o: bind, device: /srv/w}},"
            " rel: {driver: local, driver_opts: {type: none, o: bind, device: ./w}}}\n")
    found = one(f"{{image: a, volumes: [{written}]}}", rest)
    assert (found.refused, list(found.fields["volumes"].values())) == ([], [volume])


def test_networks_are_written_with_what_the_service_is_there() -> None:
    rest = ("networks: {proxy: {external: true}, named: {name: lan},"
            " inner: {ipam: {config: [{subnet: 172.20.0.0/24}]}}}\n")
    found = one("{image: a, networks: {proxy: , inner: {aliases: [db], ipv4_address: 172.20.0.5},"
                " named: }}", rest)
    assert found.fields["networks"] == {
        "proxy": {}, "mc_inner": {"aliases": ["db"], "ipv4_address": "172.20.0.5"}, "lan": {},
    }
    assert said(found, "`docker network create --subnet 172.20.0.0/24 mc_inner`")
    assert one("{image: a, networks: [proxy]}", rest).fields["networks"] == ["proxy"]


@pytest.mark.parametrize(("said_there", "written", "networks"), [
    ("{name: shared, external: true}", "", ["shared"]), ("{external: true}", "", ["default"]),
    ("{name: lan}", "networks: {}", ["lan"]), ("{name: lan}", "networks: [default]", ["lan"]),
    ("{external: {name: old}}", "network_mode: ''", ["old"]),
    ("{name: lan}", "network_mode: bridge", None), ("{name: lan}", "network_mode: none", None),
    ("{driver: bridge}", "", None), ("", "", None),
    ("{name: lan}", "networks: {default: {aliases: [a]}}", {"lan": {"aliases": ["a"]}}),
])  # fmt: skip
def test_the_default_network_that_a_file_names_is_used(
    said_there: str, written: str, networks: list[str] | None
) -> None:
    found = one(f"{{image: a, {written}}}", f"networks: {{default: {said_there}}}\n")
    assert (found.refused, found.fields.get("networks")) == ([], networks)


def test_a_service_with_an_invalid_value_is_refused_alone() -> None:
    found, _ = imported("services: {a: {image: a, cpus: 5000}, b: {image: b, user: x}}")
    collect.refuse_invalid(list(found.values()))
    assert found["b"].refused == []
    assert len(found["a"].refused) == 1
    assert "cpus" in found["a"].refused[0]


@pytest.mark.parametrize("command", ["a | b", "a && b", "a; b", "a > b", "a 2>&1", "a & b", "a <b"])
def test_a_command_that_compose_would_cut_is_refused(command: str) -> None:
    for key in ("command", "entrypoint"):
        found = one(f"{{image: a, {key}: '{command}'}}")
        assert ["outside quotes" in each for each in found.refused] == [True]


@pytest.mark.parametrize(("written", "words"), [
    ("command: a (b)", "a bracket outside quotes"), ("command: 'a \"b'", "has no end"),
    ("extra_hosts: ['a:1.1.1.1', 'a:2.2.2.2']", "a has two addresses"),
    ("privileged: true", "privileged: all rights on the host"),
    ("network_mode: 'service:vpn'", "another container's network"),
    ("pid: host", "processes"), ("volumes_from: [x]", "another container's volumes"),
    ("secrets: [x]", "files that Compose makes"), ("configs: [x]", "configs"),
    ("runtime: nvidia", "another runtime"), ("entrypoint: ''", "an empty one"),
    ("unknown_key: 1", "unknown_key is not known"),
    ("unknown_key: []", "unknown_key is not known"),
    ("ports: ['8000-8010:80']", "different lengths"),
    ("ports: ['80:80/icmp']", "of no protocol"), ("ports: ['x:y']", "is not understood"),
    ("ports: ['99999:1']", "is no port"), ("volumes: [none:/x]", "is not among the file's volumes"),
    ("volumes: [{type: npipe, target: /x}]", "cannot be mounted"),
    ("environment: {A: '$${ports.x}'}", "cannot be written as text"),
    ("environment: {A: [1]}", "A is a list"), ("mem_limit: lots", "is not a size"),
    ("healthcheck: {test: x, colour: red}", "healthcheck.colour is not understood"),
    ("deploy: {resources: {limits: {disk: 1}}}", "deploy.resources.limits.disk is not understood"),
    ("command: --requirepass hunter2", "--requirepass looks like a password"),
    ("command: [sh, -c, 'run --password=hunter2']", "--password looks like a password"),
    ("env_file: none.env", "none.env cannot be read"),
])  # fmt: skip
def test_what_would_be_another_server_is_refused(written: str, words: str) -> None:
    found = one(f"{{image: a, {written}}}")
    assert [each for each in found.refused if words in each], found.refused
    assert "hunter2" not in repr((found.refused, found.notes))


@pytest.mark.parametrize("written", [
    "mem_reservation: 1g", "cpu_shares: 5", "links: [b]", "domainname: x",
    "links: [db]", "mac_address: a",
    "restart: 'no'", "restart: on-failure:3", "storage_opt: {size: 1g}", "memswap_limit: 1g",
    "deploy: {restart_policy: {condition: any}}", "deploy: {replicas: 3}", "build: .",
    "healthcheck: {interval: 3s}", "healthcheck: {test: x, start_interval: 1s}", "dns_opt: [x]",
    "pull_policy: daily", "oom_score_adj: 5",
    "deploy: {resources: {reservations: {memory: 1g}}}", "env_file: {path: x, required: false}",
    "volumes: [/v]", "ports: [80]",
])  # fmt: skip
def test_what_will_differ_is_told(written: str) -> None:
    plain, found = one("{image: a}"), one(f"{{image: a, {written}}}")
    assert found.refused == []
    assert len(found.notes) == len(plain.notes) + 1


def test_a_service_that_is_refused_does_not_keep_others_away() -> None:
    found, _ = imported("services: {a: {image: a, privileged: true}, b: {image: b}}")
    assert (len(found["a"].refused), found["b"].refused) == (1, [])
    assert one("{build: .}").refused[0].startswith("has no image")


def test_a_directory_that_several_services_write_to_is_guarded_for_none() -> None:
    found, _ = imported("services: {a: {image: a, volumes: ['f:/w', 'f2:/x']}, b: {image: b,"
                        " volumes: ['f:/w', 'f2:/x:ro']}}\nvolumes: {f: , f2: }\n")
    assert found["a"].fields["volumes"]["w"]["kind"] == "cache"
    assert found["b"].fields["volumes"]["w"]["kind"] == "cache"
    assert said(found["a"], "a, b write to mc_f, so zedops guards it for none")
    assert "kind" not in found["a"].fields["volumes"]["x"]
    collect.refuse_invalid(list(found.values()))
    assert not found["a"].refused
    assert not found["b"].refused


def test_a_place_that_no_push_would_take_refuses_its_service_and_no_other() -> None:
    found, _ = imported("services: {a: {image: a, volumes: ['/srv/w:/w']}, b: {image: b,"
                        " volumes: ['/srv/w/in:/w']}, c: {image: c}}\n")
    collect.refuse_invalid(list(found.values()))
    assert [each.refused for each in found.values()] == [
        [], ["volumes: /srv/w/in lies in /srv/w, which is volume 'w' of server 'a'"], [],
    ]


def test_services_that_find_each_other_by_name_are_told_how_they_do_here() -> None:
    _, notes = imported("services: {a: {image: a}, b: {image: b}}")
    assert any("docker network create mc_default" in each for each in notes)
    assert imported("services: {a: {image: a}}")[1] == []


# --- secrets


@pytest.mark.parametrize(("name", "value"), [
    ("ADMIN_PASSWORD", "hunter2"), ("CS2_RCONPW", "x"), ("LDAP_BINDPW", "x"), ("SERVER_PWD", "x"),
    ("TS_AUTHKEY", "x"), ("PLEX_CLAIM", "x"), ("DATABASE_URL", "postgres://app:hunter2@db/app"),
    ("API_KEY", "x"), ("GITHUB_TOKEN", "x"), ("MY_SECRET", "x"), ("REDIS", "redis://:pw@h"),
])  # fmt: skip
def test_what_holds_a_secret_does_not_go_to_git(name: str, value: str) -> None:
    found = one(f"{{image: a, environment: {{{name}: '{value}'}}}}")
    assert (found.fields, found.secrets) == ({"image": "a", "secrets": [name]}, {name: value})
    assert value not in repr(found.notes)


@pytest.mark.parametrize(("name", "value"), [
    ("ALLOW_TRESPASS", "true"), ("SHOW_PASSWORD_HINT", "false"), ("DB_PASSWORD_FILE", "/run/s"),
    ("MYSQL_ALLOW_EMPTY_PASSWORD", "yes"), ("SERVER_PASSWORD", ""), ("TOKEN_LIFETIME", "10"),
    ("PWD", "/srv"), ("URL", "https://user@example.org/"), ("PASSWORD", "${OTHER}"),
    ("PASSWORD", "/run/secrets/db"), ("MOTD", "passwords are boring"),
])  # fmt: skip
def test_what_holds_none_is_a_variable(name: str, value: str) -> None:
    found = one(f"{{image: a, environment: {{{name}: '{value.replace('$', '$$')}'}}}}")
    assert found.fields == {"image": "a", "env": {name: value}}


def test_names_without_a_value_are_unset_unless_they_are_set_outside() -> None:
    found = one("{image: a, environment: {A: , B: ~, C: null, D: '', E: , TOKEN: }}",
                env={"E": "set"})
    assert found.fields["env"] == {"D": "", "E": "set"}
    assert one("{image: a, environment: [A, PW]}").fields == {"image": "a"}


# --- docker run


def test_a_line_is_read_as_docker_reads_it() -> None:
    line = ("sudo docker run -dit --name mc -p 25565:25565 -p 127.0.0.1:8:80/udp -e EULA=TRUE"
            " -e 'RCON_PASSWORD=x y' --env=B=2 -v /srv/mc:/data -v mcvol:/v:ro --restart=always"
            " --network games --ip 172.1.1.2 -m2g --mount type=bind,src=/a,dst=/b,readonly"
            " --ulimit nofile=1:2 --entrypoint /x --stop-timeout 90 --rm itzg/mc:1 --foo 'a b'")
    project, source = read_run(line, "/w", {})
    found = translate(source, project, lambda _: None, lambda _: None)
    assert found.refused == []
    assert found.fields == {
        "image": "itzg/mc:1", "command": ["--foo", "a b"], "entrypoint": ["/x"],
        "tty": True, "stdin_open": True,
        "ports": {"tcp25565": "25565:25565/tcp",
                  "udp8": {"container": "80/udp", "host": 8, "publish": "loopback"}},
        "env": {"B": "2", "EULA": "TRUE"}, "secrets": ["RCON_PASSWORD"],
        "volumes": {"data": {"path": "/data", "source": "/srv/mc"},
                    "v": {"path": "/v", "source": "mcvol", "kind": "cache", "read_only": True},
                    "b": {"path": "/b", "source": "/a", "kind": "cache", "read_only": True}},
        "networks": {"games": {"ipv4_address": "172.1.1.2"}},
        "limits": {"memory": 2 << 30}, "ulimits": {"nofile": {"soft": 1, "hard": 2}},
        "stop": {"grace": "90s"},
    }  # fmt: skip
    assert any("--rm" in each for each in project.notes)


@pytest.mark.parametrize(("line", "words"), [
    ("docker run --bogus x y", "--bogus is not an option"), ("docker run -p", "has no value"),
    ("docker ps", "is no `docker run"), ("docker run -d", "names no image"),
    ("docker run --mount type=bind,colour=red a", "colour is not understood"),
    ("docker run 'a", "a quote has no end"),
])  # fmt: skip
def test_a_line_that_is_none_is_refused(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_run(line, "/w", {})


def test_network_host_of_a_line_is_the_mode() -> None:
    project, source = read_run("docker run --net host a", "/w", {})
    assert translate(source, project, lambda _: None, lambda _: None).fields == {
        "image": "a", "network_mode": "host",
    }


# --- anything

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
_TREES = st.recursive(
    _LEAVES, lambda inside: st.lists(inside, max_size=3)
    | st.dictionaries(st.text(max_size=8), inside, max_size=3), max_leaves=8,
)
_SERVICES = st.dictionaries(st.sampled_from(sorted(METHODS)) | st.text(max_size=8), _TREES,
                            max_size=5)


@given(_SERVICES)
def test_whatever_a_service_says_it_is_translated_or_refused(service: dict[str, Any]) -> None:
    import yaml

    try:
        found, _ = imported(yaml.safe_dump({"services": {"mc": service}}, allow_unicode=True))
    except ValueError:
        return
    assert isinstance(found["mc"].refused, list)


@given(st.text(alphabet="docker run-pevmnt=:/ '\"a1{}$\\", max_size=60))
def test_whatever_line_is_pasted_it_is_read_or_refused(line: str) -> None:
    try:
        project, source = read_run(f"docker run {line}", "/w", {})
    except ValueError:
        return
    translate(source, project, lambda _: None, lambda _: None)
