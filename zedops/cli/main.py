"""The command line: one file per command, loaded only when it is called.

One funnel handles errors. An expected error prints one line and sets the exit code. Any other error
is a bug: its traceback goes to a log file, and the message names that file.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click

from zedops import __version__
from zedops.errors import ZedopsError

_SECTIONS = {
    "Begin": ["init", "clone", "up", "manager", "host", "agent", "web",
              "completion"],
    "Look": ["list", "show", "status", "watch", "stats", "history", "logs", "data", "backups",
             "plan", "diff", "ports", "orphans", "validate", "schema", "doctor"],
    "Act": ["new", "edit", "import", "start", "stop", "restart", "rebuild", "retry", "delete",
            "restore", "purge", "backup", "move", "exec", "secret"],
}
_MODULES = {"list": "list_servers", "stop": "start", "restart": "start",
            "rebuild": "start", "retry": "start", "import": "import_containers"}


class Commands(click.Group):
    """Finds commands by name and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Name every command in the order of their help."""
        return [name for names in _SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"zedops.cli.commands.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the called command; for an unknown name, suggest the closest one."""
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            ctx.fail(f"no command {name!r}; {self._meant(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _meant(self, ctx: click.Context, name: str) -> str:
        import difflib

        from zedops.cli.synonyms import MEANT

        if name in MEANT:
            return MEANT[name]
        close = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
        return f"did you mean {close[0]!r}?" if close else "`zedops --help` lists them"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Group the commands by purpose."""
        from zedops.cli import command_index

        known = command_index.read()
        for title, names in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([
                    (name, known[name]["help"] if name in known else self._short(ctx, name))
                    for name in names
                ])

    def _short(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=90) if command else ""


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zedops")
def cli() -> None:
    """GitOps for stateful servers on plain Docker hosts.

    People edit YAML and push; containers follow; zedops commits the results.

    \b
    zedops init fleet && zedops up fleet        a fleet on this machine, running
    cd fleet && zedops new hello --image nginx --port 8080:80
    git commit, git push                        edits: the push prints its effects
    zedops history                              every change, its author and its result
    """


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    if "_ZEDOPS_COMPLETE" in os.environ:  # `completion.VARIABLE`, which is not loaded yet
        from zedops.cli.commands import completion

        completion.answer()
    from zedops.cli.output import speak_any_encoding
    from zedops.git.command import clean_environment

    speak_any_encoding()
    clean_environment()
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        _end("interrupted", 130)
    except KeyboardInterrupt:
        _end("interrupted", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ZedopsError as error:
        _end(f"zedops: {error}", error.exit_code)
    except BrokenPipeError:
        sys.exit(141)
    except Exception as error:  # noqa: BLE001 - the one place where a bug ends
        if isinstance(error, OSError) and error.filename and error.strerror:
            _end(f"zedops: cannot use {_named(error)}: {error.strerror}; see to it", 1)
        import tempfile
        import traceback

        with tempfile.NamedTemporaryFile(
            "w", prefix="zedops-", suffix=".log", delete=False
        ) as log:
            traceback.print_exc(file=log)
        _end(f"zedops: this is a bug ({error!r}); the details are in {log.name}", 3)
    sys.exit(code if isinstance(code, int) else 0)


def _named(error: OSError) -> str:
    """Name the file of an error of the system, which may have given bytes."""
    names = (error.filename, error.filename2)
    return " and ".join(os.fsdecode(each) for each in names if isinstance(each, str | bytes))


def _end(text: str, code: int) -> NoReturn:
    from zedops.cli.output import printable

    click.echo(printable(text), err=True)
    sys.exit(code)
