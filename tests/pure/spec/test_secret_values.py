"""Secrets are found by their variable's name, by their form, and inside longer values."""

from __future__ import annotations

import pytest

from zedops.spec.secret_values import in_command, is_secret


@pytest.mark.parametrize(("name", "value"), [
    ("RCONPW", "x"), ("JOIN_PASSCODE", "a1"), ("STEAM_GSLT", "AB12"), ("BOT_TOKEN", "x"),
    ("ARGS", "-Drcon.password=correct"), ("MAP", "TheIsland?listen?ServerPassword=correct?a=1"),
    ("ARGS", "+rcon_password correct +map x"), ("DSN", "Server=db;Password=correct;"),
    ("JSON", '{"token": "correct"}'), ("DB", "redis://:correct@db"), ("OTHER", "ghp_correct"),
    ("HOOK", "https://discord.com/api/webhooks/1/correct"), ("ARGS", "--token=correct"),
    ("PEM", "-----BEGIN RSA PRIVATE KEY-----\nMII"), ("ARGS", "-password correct"),
])  # fmt: skip
def test_a_value_that_gives_access_is_a_secret(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(("name", "value"), [
    ("ARGS", "-Drcon.password=${RCON}"), ("ARGS", "token: false"), ("ARGS", "max_token=10"),
    ("MAP", "TheIsland?ServerPassword=?a=1"), ("ARGS", "--password-file=/run/x"),
    ("JAVA_OPTS", "-Xmx2g -XX:+UseG1GC"), ("URL", "https://example.org/a?b=c"),
    ("SERVER_PASSWORD", ""), ("PASSWORD_FILE", "/run/secrets/x"), ("USE_TOKEN", "true"),
    ("MOTD", "Ask for the password: see our wiki"), ("ARGS", "--secret-name $X"),
    ("MYSQL_ALLOW_EMPTY_PASSWORD", "yes"), ("TOKEN_LIFETIME", "10m"),
])  # fmt: skip
def test_switches_numbers_places_and_prose_are_none(name: str, value: str) -> None:
    assert not is_secret(name, value)


@pytest.mark.parametrize(("line", "option"), [
    ("server --requirepass correct", "--requirepass"), ("/bin/mysqladmin -pcorrect ping", "-p"),
    ("redis-cli -a correct ping", "-a"), ("run -ServerPassword=correct", "-ServerPassword"),
    ("run ?ServerPassword=correct", "a word"), ("run --password-file /x", None),
    ("run -p8080 -a all", None), ("mysql -p ping", None), ("run --password $X", None),
])  # fmt: skip
def test_a_command_tells_the_option_of_its_password(line: str, option: str | None) -> None:
    assert in_command(line.split()) == option
