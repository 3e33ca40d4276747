"""Commands of other programs → the command here. Imported only after a mistake."""

from __future__ import annotations

from collections.abc import Mapping


def _did_you_mean(command: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, f"did you mean {command!r}?")


_PUSH = "then `git commit -a` and `git push`"

#: An unknown command → the hint.
MEANT: Mapping[str, str] = {
    **_did_you_mean("list", "ps", "ls", "servers", "all"),
    **_did_you_mean("delete", "rm", "remove", "del", "destroy"),
    **_did_you_mean("stop", "down", "kill", "halt", "pause"),
    **_did_you_mean("start", "run", "resume", "unpause"),
    **_did_you_mean("stats", "top"),
    **_did_you_mean("show", "inspect", "describe", "get", "info", "cat"),
    **_did_you_mean("logs", "tail", "log", "console"),
    **_did_you_mean("new", "create", "add"),
    **_did_you_mean("edit", "set", "change", "modify"),
    **_did_you_mean("exec", "sh", "shell", "bash", "attach", "ssh", "rcon"),
    **_did_you_mean("rebuild", "update", "upgrade", "pull"),
    **_did_you_mean("restart", "reload", "bounce", "reboot"),
    **_did_you_mean("restore", "undelete", "recover"),
    **_did_you_mean("host add", "join", "invite"),
    **_did_you_mean("secret", "secrets", "password", "passwd"),
    **_did_you_mean("validate", "check", "lint"),
    "config": f"edit zedops.yaml, {_PUSH}",
    "rename": f"`git mv servers.d/OLD.yaml servers.d/NEW.yaml`, {_PUSH}",
    "mv": f"`git mv servers.d/OLD.yaml servers.d/NEW.yaml`, {_PUSH}",
    "apply": "`git push` applies your commits; `zedops plan` previews a push",
    "deploy": "`git push` applies your commits; `zedops plan` previews a push",
    "push": "`git push` does that; `zedops plan` previews a push",
    "commit": "`git commit` does that; `zedops plan` previews a push",
    "rollback": "`git revert COMMIT`, then `git push`",
    "undo": "`git revert COMMIT`, then `git push`",
    "revert": "`git revert COMMIT`, then `git push`",
    "help": "`zedops --help` lists commands; `zedops COMMAND --help` explains one",
    "version": "`zedops --version` prints it",
}
