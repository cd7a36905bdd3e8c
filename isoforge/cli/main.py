"""The command line. Errors become two lines on stderr and an exit code here, and nowhere else."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from isoforge import __version__
from isoforge.cli import (
    boot,
    build,
    collect,
    fetch,
    fleet,
    importing,
    inspect,
    logs,
    rehearse,
    restore,
    setup,
    update,
    write,
)
from isoforge.errors import ForgeError, OutputError, ToolError
from isoforge.ownership import replace_file

SHARED = ("verbose", "log_file")
"""Options of isoforge that are also accepted behind a verb."""


class _Isoforge(TyperGroup):
    """isoforge itself; each verb gets its `SHARED` options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shared = [parameter for parameter in self.params if parameter.name in SHARED]
        for verb in self.commands.values():
            verb.params += shared


app = typer.Typer(
    name="isoforge",
    cls=_Isoforge,
    help="One bootable Ubuntu ISO that installs a whole fleet, each host with its own autoinstall seed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verbs in (build, boot, rehearse, fleet, setup, importing, inspect, fetch, restore, write, update, collect):
    app.add_typer(_verbs.app)

_UsageFault: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a wrong option or argument; typer itself has no name for it."""

_NO_THREAD = "can't start new thread"
"""The text of Python's RuntimeError when the system gives no thread (CPython, _thread.start_new_thread)."""

_LIMITS = "ulimit -a shows the limits"

ENDINGS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    signal.SIGHUP: "terminated: the terminal was closed",
}
"""The signals that end isoforge, and what it reports then."""
ENDED: dict[object, str] = {128 + number: words for number, words in ENDINGS.items()}
"""The same by exit code."""


def _show_version(enabled: bool) -> None:
    if enabled:
        typer.echo(f"isoforge {__version__}")
        raise typer.Exit


def _be_verbose(enabled: bool) -> None:
    if enabled:
        logs.be_verbose()


def _add_log_file(context: typer.Context, file: Path | None) -> None:
    if file is not None and not context.resilient_parsing:  # the shell completes a line that is being typed
        logs.add_file(file)


# Each option acts in its callback: the functions of the verbs never see them.
@app.callback()
def settings(
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", callback=_be_verbose, expose_value=False, help="Verbose output on stderr."),
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(
            "--log-file",
            metavar="FILE",
            callback=_add_log_file,
            expose_value=False,
            help="Append a full log to FILE (UTC timestamps).",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every verb."""


def main() -> None:
    """Run isoforge as a command: never returns, ends with the exit codes of docs/exit-codes.md."""
    for number in ENDINGS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, _leave)
    _fill_streams()
    logs.reset()
    gc.freeze()  # what has been imported stays, and a large menu is half a million objects: rarely look for garbage
    gc.set_threshold(50_000, 20, 20)
    try:
        sys.exit(typer.main.get_command(app).main(prog_name="isoforge", standalone_mode=False))
    except _UsageFault as fault:
        _fail_usage(fault)
    except ForgeError as error:
        message = getattr(error, "summary", error.message)
        _fail(message, error.exit_code, hint=_hints(error, error.hint), problems=getattr(error, "problems", ()))
    except (OSError, MemoryError) as error:
        _fail_system(error)
    except typer.Abort:  # no answer to a question
        _fail("interrupted", 130)
    except SystemExit as end:
        _report_end(end)
        raise
    except Exception as bug:  # noqa: BLE001 - the last door: whatever comes here is a bug of ours
        if str(bug) == _NO_THREAD:
            _fail("the system refused to start a thread", ToolError.exit_code, hint=_LIMITS)
        _fail(f"internal error: {type(bug).__name__}", 1, hint=f"please report this bug with {_write_traceback(bug)}")


def _fail(message: str, exit_code: int, *, hint: str = "", problems: Sequence[str] = ()) -> NoReturn:
    logs.report_failure(message, exit_code, hint=hint, problems=problems)
    raise SystemExit(exit_code) from None


def _report_end(end: SystemExit) -> None:
    """Report which signal ended isoforge; nothing if the reader of stdout is gone, as in ``isoforge hosts | head``."""
    if isinstance(end.__context__, BrokenPipeError):  # for which typer ends with 1
        end.code = OutputError.exit_code
    elif end.code in ENDED:
        logs.report_failure(ENDED[end.code], int(str(end.code)), hint=_hints(end))


def _hints(end: BaseException, hint: str = "") -> str:
    """``hint`` and the notes that ``end`` got on its way here: what is left behind."""
    return "; ".join(filter(None, (hint, *getattr(end, "__notes__", ()))))


def _fill_streams() -> None:
    """Open stdin, stdout and stderr on /dev/null where they are closed (``>&-``): the next ISO would get their numbers.

    Characters outside stdout's encoding are written as ``\\x…``, as on stderr.
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


def _fail_system(error: OSError | MemoryError) -> NoReturn:
    """What the system refused: memory, processes or open files, or else to write somewhere."""
    if isinstance(error, MemoryError):
        _fail("out of memory", ToolError.exit_code, hint="was an endless file or device given as input?")
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN):
        _fail(f"the system refused a resource: {error.strerror}", ToolError.exit_code, hint=_LIMITS)
    _fail(f"{error.filename or 'cannot write the output'}: {error.strerror or error}", OutputError.exit_code)


def _fail_usage(fault: Any) -> NoReturn:
    """Report which option or argument is wrong, with the way to the help; or the help itself, if nothing was typed."""
    message = fault.format_message()
    if "\n" in message:
        typer.echo(message, err=True)
        raise SystemExit(2)
    verb = fault.ctx.command_path if fault.ctx else "isoforge"
    _fail(message.replace(": Value error, ", ": ").rstrip("."), 2, hint=f"{verb} --help")


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    """A signal ends the program through every ``finally``, so that children and drafts go with it.

    A second one of its kind changes nothing: pressing Ctrl-C twice does not leave a torn draft.
    """
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _write_traceback(bug: Exception) -> str:
    """Write the traceback of ``bug`` to a file (0600), or to stderr where that is not possible; which of them."""
    lines = "".join(traceback.format_exception(bug))
    try:
        folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "isoforge"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / "bug.log"
        replace_file(file, lines.encode("utf-8", "backslashreplace"), mode=0o600)
    except (OSError, RuntimeError):
        typer.echo(lines, err=True)
        return "the lines above"
    return str(file)
