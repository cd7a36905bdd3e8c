"""The words people type. Errors become one line and an exit code here, and nowhere else."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from isoforge import __version__
from isoforge.cli import boot, build, demo, fleet, inspect, logs, setup
from isoforge.errors import ForgeError, OutputError, ToolError

app = typer.Typer(
    name="isoforge",
    help="One bootable Ubuntu ISO that installs a whole fleet, each host with its own autoinstall seed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_UsageFault: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for words that cannot be meant; typer itself gives no name to it."""

_NO_THREAD = "can't start new thread"
"""How Python's RuntimeError says that the system gave no thread (CPython, _thread.start_new_thread)."""

ENDINGS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "terminated: the terminal went away",
}
"""The signals that end isoforge, and its last words then."""
ENDED: dict[object, str] = {128 + number: words for number, words in ENDINGS.items()}
"""The same by exit code."""

build.add_to(app)
boot.add_to(app)
fleet.add_to(app)
setup.add_to(app)
inspect.add_to(app)
demo.add_to(app)
for _verb in app.registered_commands:
    _verb.callback = logs.storied(_verb.callback) if _verb.callback else None


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"isoforge {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    verbose: logs.Verbose = False,
    log_file: logs.LogFile = None,
    version: Annotated[  # noqa: ARG001 - its callback has answered already
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Settings for every verb."""
    logs.tell(verbose=verbose, log_file=log_file)


def main() -> None:
    """Run isoforge as a command: never returns, gives the exit codes of docs/exit-codes.md."""
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, _leave)
    _fill_streams()
    logs.begin()
    try:
        sys.exit(typer.main.get_command(app).main(prog_name="isoforge", standalone_mode=False))
    except _UsageFault as fault:
        _say_usage(fault)
    except ForgeError as error:
        problems = getattr(error, "problems", ())
        logs.say_failed(error, error.exit_code, message=error.message, hint=error.hint, problems=problems)
        raise SystemExit(error.exit_code) from None
    except (OSError, MemoryError) as error:
        _say_stopped(error)
    except typer.Abort:  # no answer to a question
        _say("interrupted", 130)
    except SystemExit as end:
        _say_ended(end)
        raise
    except Exception as bug:  # noqa: BLE001 - the last door: whatever comes here is a bug of ours
        if str(bug) == _NO_THREAD:
            _say("this machine starts no more threads (ulimit -a shows the limits)", ToolError.exit_code)
        _say(f"a bug in isoforge: {type(bug).__name__}. Please report it with {_kept(bug)}", 1)


def _say_ended(end: SystemExit) -> None:
    """The last words after a signal; none if who read our stdout has gone, as in ``isoforge hosts | head -1``."""
    if isinstance(end.__context__, BrokenPipeError):  # for which typer ends with 1
        end.code = OutputError.exit_code
    elif end.code in ENDED:
        logs.say_failed(ENDED[end.code], int(str(end.code)))


def _fill_streams() -> None:
    """Give stdin, stdout and stderr that came closed (``>&-``) to /dev/null; an ISO would take their numbers.

    What stdout's encoding does not know is written as ``\\x…``, as stderr does; it is no reason to stop.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - stays open
        elif name == "stdout" and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _say_stopped(error: OSError | MemoryError) -> NoReturn:
    """What the system did not give: memory, processes or open files, or else a place to write."""
    if isinstance(error, MemoryError):
        _say("this machine has no memory left (was something without end given to be read?)", ToolError.exit_code)
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN):
        _say(f"this machine gives no more: {error.strerror} (ulimit -a shows the limits)", ToolError.exit_code)
    _say(f"{error.filename or 'the output'}: {error.strerror or error}", OutputError.exit_code)


def _say_usage(fault: Any) -> NoReturn:
    """What was typed wrongly, in one line with the way to the help; or the help itself, if nothing was typed."""
    words = fault.format_message()
    if "\n" in words:
        typer.echo(words, err=True)
        raise SystemExit(2)
    verb = fault.ctx.command_path if fault.ctx else "isoforge"
    _say(f"{words.rstrip('.')} ({verb} --help)", 2)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """A signal ends the program by way of every ``finally``, so that children and drafts go with it.

    A second one of its kind changes nothing: whoever presses Ctrl-C twice does not get a torn draft by it.
    """
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _say(words: object, exit_code: int) -> NoReturn:
    logs.say_failed(words, exit_code)
    raise SystemExit(exit_code)


def _kept(bug: Exception) -> str:
    """Where the traceback of ``bug`` was written: a file for its owner alone, or stderr where that cannot be."""
    lines = "".join(traceback.format_exception(bug))
    try:
        folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "isoforge"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "bug.log"
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(lines, "utf-8")
    except (OSError, RuntimeError):
        typer.echo(lines, err=True)
        return "the lines above"
    return str(file)
