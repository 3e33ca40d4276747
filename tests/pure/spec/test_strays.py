"""What resembles a definition is warned of; what only lies beside the fleet is left alone."""

from __future__ import annotations

import pytest

from zedops.spec import strays

DEFINITION = b"# a game\nimage: nginx\nports: {web: 8080:80}\n"
COMPOSE = b"services:\n  web:\n    image: nginx\n"


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("servers.d/x.YAML", "git mv servers.d/x.YAML servers.d/x.yaml"),
        ("servers.d/x.yaml.txt", "git mv servers.d/x.yaml.txt servers.d/x.yaml"),
        ("servers.d/x.yaml.bak", "git mv servers.d/x.yaml.bak servers.d/x.yaml"),
        ("servers.d/eu/x.Yml", "git mv servers.d/eu/x.Yml servers.d/eu/x.yaml"),
        ("servers.d/x", "git mv servers.d/x servers.d/x.yaml"),
        ("server.d/x.yaml", "git mv server.d/x.yaml servers.d/x.yaml"),
        ("servers/x.yaml", "git mv servers/x.yaml servers.d/x.yaml"),
        ("Servers.d/x.yaml", "git mv Servers.d/x.yaml servers.d/x.yaml"),
        ("preset.d/x.yaml", "git mv preset.d/x.yaml presets.d/x.yaml"),
        ("x.yaml", "git mv x.yaml servers.d/x.yaml"),
        ("x.yml", "git mv x.yml servers.d/x.yaml"),
    ],
)
def test_what_is_meant_as_a_definition_is_warned_of(path: str, remedy: str) -> None:
    (found,) = strays.find({path: DEFINITION})
    assert (found.path, found.remedy) == (path, remedy)
    assert "looks like a definition, but zedops reads only " in str(found)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("servers.d/x.yaml", DEFINITION),
        ("zedops.yaml", b"name: fleet\n"),
        ("docker-compose.yml", COMPOSE),
        ("services/web.yaml", DEFINITION),
        ("docs/server.yaml", DEFINITION),
        (".gitlab-ci.yml", DEFINITION),
        ("servers.d/.gitkeep", b""),
        ("servers.d/README.md", DEFINITION),
        ("servers.d/notes.txt", b"image: of the town\n"),
        ("mkdocs.yml", b"site_name: fleet\n"),
        ("x.yaml", None),
    ],
)
def test_what_lies_beside_the_fleet_is_left_alone(path: str, content: bytes | None) -> None:
    assert not strays.find({path: content})
