"""A service's limits, rights and devices → a definition's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zedops.scaffold.compose import accounts, merge
from zedops.scaffold.compose.program import scale
from zedops.scaffold.compose.reading import Translation, items, only, size_bytes
from zedops.scaffold.compose.scalars import as_text


def mem_limit(given: Translation, value: Any) -> None:
    _limit(given, "memory", size_bytes(value))


def cpus(given: Translation, value: Any) -> None:
    _limit(given, "cpus", float(as_text(value)))


def pids_limit(given: Translation, value: Any) -> None:
    count = int(as_text(value))
    if count > 0:
        _limit(given, "pids", count)


def _limit(given: Translation, key: str, value: Any) -> None:
    if not value:
        return
    limits = given.fields.setdefault("limits", {})
    if limits.setdefault(key, value) != value:
        raise ValueError(f"deploy.resources.limits.{key} has another value; keep one of them")


def shm_size(given: Translation, value: Any) -> None:
    given.fields["shm_size"] = size_bytes(value)


def cap_add(given: Translation, value: Any) -> None:
    given.fields["cap_add"] = sorted({_capability(each) for each in items(value)})


def cap_drop(given: Translation, value: Any) -> None:
    given.fields["cap_drop"] = sorted({_capability(each) for each in items(value)})


def security_opt(given: Translation, value: Any) -> None:
    """Read security options; Compose sends a seccomp profile from a file of its own."""
    found = [as_text(each) for each in items(value)]
    for each in found:
        name, _, profile = each.replace("=", ":", 1).partition(":")
        if name == "seccomp" and profile not in ("unconfined", "builtin"):
            raise ValueError(f"{each}: a profile is a file; write seccomp=unconfined, or none")
    if found:
        given.fields["security_opt"] = found


def sysctls(given: Translation, value: Any) -> None:
    pairs = merge.as_pairs(value)
    given.fields["sysctls"] = {key: as_text(each) for key, each in pairs.items()}


def ulimits(given: Translation, value: Any) -> None:
    given.fields["ulimits"] = {
        name: {key: int(as_text(each[key])) for key in ("soft", "hard")}
        if isinstance(each, dict) else int(as_text(each))
        for name, each in value.items()
    }


def devices(given: Translation, value: Any) -> None:
    found = []
    for each in items(value):
        if isinstance(each, dict):
            parts = [as_text(each[key]) for key in ("source", "target", "permissions")
                     if key in each]
            found.append(":".join(parts))
        else:
            found.append(as_text(each))
    given.fields["devices"] = found


def gpus(given: Translation, value: Any) -> None:
    if not isinstance(value, list):
        given.fields["gpus"] = as_text(value)
        return
    for each in value:
        _gpu(given, each)


def _gpu(given: Translation, said: Mapping[str, Any]) -> None:
    only("gpus", said, {"driver", "count", "device_ids", "capabilities", "options"})
    wanted = {as_text(each) for each in items(said.get("capabilities"))} - {"gpu"}
    driver = as_text(said.get("driver", ""))
    left = [*sorted(wanted), *([] if driver in ("", "nvidia") else [driver])]
    if left or said.get("options"):
        fact = "the Engine's own driver gives a GPU with the capability gpu alone"
        given.note(f"gpus: {', '.join([*left, *(said.get('options') or ())])}: {fact}")
    if ids := [as_text(each) for each in items(said.get("device_ids"))]:
        given.fields["gpus"] = ids
    else:
        count = as_text(said.get("count", "all"))
        given.fields["gpus"] = count if count == "all" else int(count)


def logging(given: Translation, value: Any) -> None:
    only("logging", value, {"driver", "options"})
    options = value.get("options") or {}
    given.fields["logging"] = {
        "driver": as_text(value.get("driver", "")) or "json-file",
        **({"options": {key: as_text(each) for key, each in options.items()}}
           if options else {}),
    }


def deploy(given: Translation, value: Any) -> None:
    only("deploy", value, {
        "replicas", "resources", *accounts.DEPLOY_HARMLESS, *accounts.DEPLOY_DIFFERS,
    })
    for key, differs in accounts.DEPLOY_DIFFERS.items():
        if key in value:
            given.note(f"deploy.{key} is not taken over: {differs}")
    if "replicas" in value:
        scale(given, value["replicas"])
    resources = value.get("resources") or {}
    only("deploy.resources", resources, {"limits", "reservations"})
    limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
    only("deploy.resources.limits", limits, {"memory", "cpus", "pids"})
    only("deploy.resources.reservations", reserved, {"memory", "cpus", "devices"})
    for key, read in (("memory", mem_limit), ("cpus", cpus),
                      ("pids", pids_limit)):
        if key in limits:
            read(given, limits[key])
    if set(reserved) & {"memory", "cpus"}:
        given.note("deploy.resources.reservations is not taken over: nothing is reserved")
    for each in items(reserved.get("devices")):
        if "gpu" not in [as_text(one) for one in items(each.get("capabilities"))]:
            raise ValueError("deploy.resources.reservations.devices: a definition takes GPUs only")
        _gpu(given, each)


def _capability(value: Any) -> str:
    return as_text(value).upper().removeprefix("CAP_")



