"""A service's program, start and end → a definition's fields. Pure."""

from __future__ import annotations

import signal
from typing import Any

from zedops.scaffold.compose import accounts, merge
from zedops.scaffold.compose.reading import Translation, is_true, items, only, texts_or_none, words
from zedops.scaffold.compose.scalars import as_text
from zedops.spec.quantities import exact, parse_duration

#: The Engine's own timeout, for files without one (API: HealthConfig).
HEALTH_TIMEOUT = "30s"


def command(given: Translation, value: Any) -> None:
    """Read a command; an empty one means the image's own."""
    if found := words(value):
        given.fields["command"] = found


def entrypoint(given: Translation, value: Any) -> None:
    """Read the program that replaces the image's own."""
    found = words(value)
    if not found:
        given.refuse("entrypoint: an empty one runs the command alone; write that program")
    given.fields["entrypoint"] = found


def pull_policy(given: Translation, value: Any) -> None:
    said = as_text(value)
    known = {"always": "always", "never": "never", "missing": "", "if_not_present": ""}
    if said not in known:
        given.note(f"pull_policy: {said} is not taken over: an image that is there is used")
    elif known[said]:
        given.fields["pull"] = known[said]


def build(given: Translation, _: Any) -> None:
    if given.tree.get("image"):
        given.note(f"build is not taken over: {accounts.DIFFERS['build']}")


def depends_on(given: Translation, value: Any) -> None:
    """Read the services that start first, in the short or the long form."""
    for name, raw in merge.as_names(value).items():
        parts = {} if merge.is_null(raw) else raw
        only(f"depends_on.{name}", parts, {"condition", "required", "restart"})
        condition = as_text(parts.get("condition", "")) or "service_started"
        if condition == "service_completed_successfully":
            given.note(f"depends_on: {name}: no server waits for the end of another one")
            continue
        given.needs[name] = condition
        if is_true(parts.get("restart")):
            given.note(f"depends_on: {name}: its restart restarts no other server")


def links(given: Translation, value: Any) -> None:
    """Read links, which make an order, too."""
    names = [as_text(each).partition(":")[0] for each in items(value)]
    if names:
        given.note(f"links is not taken over: {accounts.DIFFERS['links']}")
        given.needs = {**dict.fromkeys(names, "service_started"), **given.needs}


def scale(given: Translation, value: Any) -> None:
    count = int(as_text(value))
    if count == 0:
        given.fields["desired"] = "stopped"
        given.note("replicas: 0: it is imported as stopped")
    elif count > 1:
        given.note(f"replicas: {count}: a definition is one container; copy it for more")


def restart(given: Translation, value: Any) -> None:
    said = as_text(value)
    if said == "no" or said.startswith("on-failure"):
        given.note(
            f"restart: {said}: zedops starts a server again whenever it ends; write"
            " `desired: stopped` for a program that you run once, by hand"
        )


def stop_signal(given: Translation, value: Any) -> None:
    if not (said := as_text(value).upper()):
        return
    name = _signal(int(said)) if said.isdigit() else f"SIG{said.removeprefix('SIG')}"
    given.fields.setdefault("stop", {})["signal"] = name


def _signal(number: int) -> str:
    """Name a signal; those between the first and the last real-time one have no name of theirs."""
    if signal.SIGRTMIN < number < signal.SIGRTMAX:
        up = number - signal.SIGRTMIN
        return f"SIGRTMIN+{up}" if up <= 15 else f"SIGRTMAX-{signal.SIGRTMAX - number}"
    return signal.Signals(number).name


def stop_grace_period(given: Translation, value: Any) -> None:
    if said := as_text(value):
        seconds = parse_duration(said)
        given.fields.setdefault("stop", {})["grace"] = f"{exact(seconds)}s"


def healthcheck(given: Translation, value: Any) -> None:
    only("healthcheck", value, {
        "test", "interval", "timeout", "retries", "start_period", "start_interval", "disable",
    })
    test = value.get("test")
    if is_true(value.get("disable")) or texts_or_none(test) == ["NONE"]:
        given.fields["health"] = {"test": ["NONE"]}
        return
    if test is None:
        given.note("healthcheck without a test is not taken over: the image's own check holds")
        return
    if "start_interval" in value:
        given.note("healthcheck.start_interval is not taken over: interval holds from the start")
    found: dict[str, Any] = {
        "test": as_text(test) if not isinstance(test, list) else [as_text(e) for e in test]
    }
    for key in ("interval", "timeout", "start_period"):
        if key in value and (seconds := parse_duration(as_text(value[key]))):
            found[key] = f"{exact(seconds)}s"
    found.setdefault("timeout", HEALTH_TIMEOUT)
    if "retries" in value and (count := int(as_text(value["retries"]))):
        found["retries"] = count
    given.fields["health"] = found


def labels(given: Translation, value: Any) -> None:
    pairs = {key: as_text(each) for key, each in merge.as_pairs(value).items()}
    if own := [key for key in pairs if key.startswith("zedops.")]:
        given.note(f"labels: {', '.join(own)} is zedops' own, and left out")
    if left := {key: each for key, each in pairs.items() if not key.startswith("zedops.")}:
        given.fields["labels"] = left



