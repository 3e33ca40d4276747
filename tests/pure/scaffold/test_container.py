"""A container becomes a definition that asks for exactly that container."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from zedops.protocol.requests import Mounted, Shape
from zedops.scaffold.container import server_name, write_draft
from zedops.spec import document
from zedops.spec.model import Definition, Health
from zedops_agent.adoption import differences


def read(text: str) -> Definition:
    """Read a draft as the gate will."""
    parsed = document.parse("servers.d/any.yaml", text.encode())
    assert parsed.definition is not None, (text, parsed.problems)
    return parsed.definition


def places(definition: Definition) -> dict[str, Path | None]:
    """Say where volumes of their own places are."""
    return {key: Path("/root/of") / key for key in definition.volumes}


_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_KEYS = st.from_regex(r"[A-Z][A-Z0-9_]{0,10}", fullmatch=True)
_PATHS = st.from_regex(r"/[a-z][a-z0-9._ -]{0,8}(/[a-z0-9]{1,5})?", fullmatch=True).map(str.strip)
_PORTS = st.tuples(
    st.sampled_from(["", "127.0.0.1"]), st.integers(1024, 65535), st.integers(1, 65535),
    st.sampled_from(["tcp", "udp"]),
)  # fmt: skip
_MOUNTS = st.builds(
    Mounted, source=st.one_of(_PATHS, st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)),
    target=_PATHS, read_only=st.booleans(), is_directory=st.booleans(),
)  # fmt: skip
_SHAPES = st.builds(
    Shape, id=st.just("4af7e4335a04"), name=st.just("pz"),
    image=st.sampled_from(["nginx", "a/b:1", "localhost:5000/x@sha256:00"]),
    running=st.booleans(), command=st.none() | st.lists(_WORDS, min_size=1, max_size=3).map(tuple),
    env=st.dictionaries(_KEYS, st.none() | _WORDS, max_size=4),
    ports=st.lists(_PORTS, max_size=3, unique_by=lambda each: each[1]).map(tuple),
    mounts=st.lists(_MOUNTS, max_size=3, unique_by=lambda each: each.target).map(tuple),
    user=st.none() | st.sampled_from(["1000", "1000:1000", "steam"]),
    hostname=st.none() | st.just("pz.example.org"),
    networks=st.sampled_from([(), ("games",)]), cap_add=st.sampled_from([(), ("SYS_NICE",)]),
    memory_bytes=st.sampled_from([0, 1 << 30]), nano_cpus=st.sampled_from([0, 1_500_000_000]),
    stop_signal=st.none() | st.just("SIGINT"), grace_s=st.none() | st.just(90.0),
    health=st.none() | st.just(Health.model_validate({"test": ["CMD", "ok"], "interval": "7s"})),
    labels=st.dictionaries(st.from_regex(r"[a-y][a-z.]{0,9}", fullmatch=True), _WORDS, max_size=2),
)  # fmt: skip


@given(_SHAPES)
def test_what_is_drafted_from_a_container_asks_for_just_that_container(shape: Shape) -> None:
    definition = read(write_draft(shape, host="attic", adopt="pz").text)
    assert differences(shape, definition, places(definition)) == ()
    assert (definition.adopt, definition.host) == ("pz", "attic")
    assert definition.limits.memory == (shape.memory_bytes or None)


def test_a_draft_reads_well() -> None:
    shape = Shape(
        id="4a", name="pz", image="pz:latest", running=True,
        env={"SERVER_NAME": "Rosewood", "ADMIN_PASSWORD": None},
        ports=(("", 16261, 16261, "udp"), ("127.0.0.1", 27015, 27015, "tcp")),
        mounts=(Mounted(source="/opt/pz", target="/config"),
                Mounted(source="/etc/localtime", target="/etc/localtime", read_only=True,
                        is_directory=False)),
        memory_bytes=6 << 30, unsaid=("privileged",),
    )  # fmt: skip
    assert write_draft(shape, adopt="pz").text == """\
# ADMIN_PASSWORD: looks like a secret; the value stays on the host, not in git
# privileged is not supported here; the new container will not have it
image: pz:latest
adopt: pz   # taken over as it is; changes below recreate it
ports:
  udp16261: "16261:16261/udp"
  tcp27015: {container: 27015/tcp, host: 27015, publish: loopback}
env:
  SERVER_NAME: "Rosewood"
secrets: [ADMIN_PASSWORD]
volumes:
  config: {path: /config, source: /opt/pz}
  localtime: {path: /etc/localtime, source: /etc/localtime, kind: file, read_only: true}
limits: {memory: 6GiB}
"""


def test_what_differs_is_named() -> None:
    shape = Shape(id="4a", name="pz", image="pz:2", running=True, env={"A": "1", "TOKEN": None},
                  ports=(("", 1, 1, "udp"),), user="5",
                  mounts=(Mounted(source="/opt/pz", target="/config"),))
    wanted = read("image: pz:1\nenv: {A: 2}\nvolumes: {world: /config}\nhostname: h\n")
    assert differences(shape, wanted, {"world": Path("/data/world")}) == (
        "image (pz:2)", "env.TOKEN", "env.A", "ports", "volumes.world (/opt/pz)", "user",
        "hostname",
    )  # fmt: skip


def test_names_are_made_fit() -> None:
    assert server_name("Project_Zomboid.1") == "project-zomboid-1"
    assert server_name("__") == "server"
