"""Runs of GRUB scripts over files: configurations, the files that they source, and the commands that control a run."""

from __future__ import annotations

from isoforge.proof.read.grub_cache import Cache, is_source
from isoforge.proof.read.grub_lexer import GrubSyntaxError
from isoforge.proof.read.grub_options import BAD_ARGUMENT, FALSE, NOT_FOUND, OK, fail
from isoforge.proof.read.grub_records import LeaveError
from isoforge.proof.read.grub_shortcuts import Conditions, Entries
from isoforge.proof.read.grub_state import State
from isoforge.proof.read.grub_statements import Statements
from isoforge.proof.read.grub_syntax import Command, For, Function, Script, parse
from isoforge.proof.read.grub_test import file_kind, split_device


class Run(Statements):
    """A run of scripts on a state; statements of a ``cache`` that are known to do the same again are not run."""

    def __init__(self, state: State, cache: Cache | None = None) -> None:
        super().__init__(state)
        self.cache = cache or Cache()

    def config(self, path: str) -> None:
        """Read a configuration file as ``source`` does; a missing one is ignored, as GRUB ignores it."""
        state = self.state
        device, rest = split_device(state, path)
        if device != state.medium.device:
            if file_kind(state, path):
                state.cannot_follow(f"{path} is not on the medium")
            return
        script = state.medium.script(rest, state.charge)
        if script is None:
            return
        before, file = (state.file, state.line), str(state.medium.find(rest))
        names = {name: state.value(name) for name in ("config_file", "config_directory")}
        state.set("config_file", f"({device}){rest}")
        state.set("config_directory", f"({device}){rest.rpartition('/')[0]}")
        self._enter()
        state.file = file
        if isinstance(script, GrubSyntaxError):
            self.statements(script.before)
            state.line = script.line
            state.print_error("syntax error")
            state.cannot_follow(f"syntax error: {script.reason}")
        else:
            self.statements(script)
        self.depth -= 1
        state.file, state.line = before
        for name, value in names.items():
            if value is None:
                state.unset(name)
            else:
                state.set(name, value)

    def statements(self, script: Script) -> int:
        """Run the statements of a file or of an entry; functions are defined here only."""
        table = self.cache.table(script)
        if isinstance(table, Conditions) and not self._returning():
            return self._where_needed(script, table)
        if isinstance(table, Entries) and self.state.recorder is None and not self._returning():
            table.define(self.state, script, self._statement)
            self.state.set("?", str(OK))
            return OK
        status = OK
        for group in self.cache.groups(script):
            status = self._group(group)
        return status

    def _where_needed(self, script: Script, table: Conditions) -> int:
        """Run those statements that may do something; the others end with success."""
        status, position = OK, table.following(self.state, 0)
        while position < len(script):
            status = self._group((script[position],))
            following = position + 1 if self._returning() else table.following(self.state, position + 1)
            if following > position + 1:
                status = OK
            position = following
        self.state.set("?", str(status))
        return status

    def _group(self, group: Script) -> int:
        """Run statements, or do what they did before; a file that one sources is taken statement by statement."""
        if len(group) > 1:
            return self.cache.run(self.state, group, lambda: self._one_by_one(group))
        (statement,) = group
        if isinstance(statement, Function):
            self.state.depend()
            self.state.functions[statement.name] = statement.body
            return OK
        if isinstance(statement, Command) and is_source(statement):
            status = self._statement(statement)
        else:
            status = self.cache.run(self.state, statement, lambda: self._statement(statement))
            self.state.set("?", str(status))
        self.breaks = 0
        return status

    def _one_by_one(self, group: Script) -> int:
        status = OK
        for statement in group:
            status = self._group((statement,))
        return status

    def _for(self, statement: For) -> int:
        """A loop inside of a statement that is run, but not recorded, may itself do what it did before.

        Not within other loops, which it may leave, and not where a command's success decides something.
        """
        if self.loops or self.state.deciding or self.state.recorder is not None:
            return super()._for(statement)
        return self.cache.run(self.state, statement, lambda: super(Run, self)._for(statement))

    def _idle(self, statement: For) -> str | None:
        """The last word of a loop that does nothing but compare each word in vain; None of any other."""
        shortcut = self.cache.loop(statement)
        if shortcut is None or not shortcut.is_idle(self.state):
            return None
        self.state.globbing = self.state.globbing or shortcut.pattern is not None
        return shortcut.last

    def _source(self, args: list[str]) -> int:
        if len(args) != 1:
            return fail(self.state, "filename expected")
        self.config(args[0])
        return OK

    def _configfile(self, args: list[str]) -> int:
        """Another menu in place of this one; without entries GRUB comes back (commands/configfile.c)."""
        if len(args) != 1:
            return fail(self.state, "filename expected")
        self.state.open_context()
        self.config(args[0])
        if self.state.context.menu:
            raise LeaveError("menu")
        self.state.close_context()
        return OK

    def _normal(self, args: list[str]) -> int:
        """Another configuration in this context, whose menu is shown together with the entries so far."""
        self.config(args[0] if args else f"{self.state.get('prefix')}/grub.cfg")
        raise LeaveError("menu")

    def _extract(self, args: list[str]) -> int:
        """The entries of another file, which may do nothing but define them."""
        if len(args) != 1:
            return fail(self.state, "filename expected")
        self.state.cannot_follow(f"the entries that are extracted from {args[0]}")
        self.state.open_context(everything=True)
        self.config(args[0])
        entries = self.state.context.menu
        self.state.close_context()
        self.state.context.menu += entries
        return OK

    def _eval(self, args: list[str]) -> int:
        try:
            script = parse(" ".join(args), self.state.line)
        except GrubSyntaxError as error:
            return fail(self.state, f"syntax error: {error.reason}")
        self._enter()
        self.state.depend()
        status = self.statements(script)
        self.depth -= 1
        return status

    def _break(self, args: list[str], *, continues: bool = False) -> int:
        if len(args) > 1 or not all(word.isdigit() and int(word) for word in args):
            return fail(self.state, "unrecognized number")
        self.continues = continues
        self.breaks = min(int(args[0]) if args else 1, self.loops)
        return OK

    def _continue(self, args: list[str]) -> int:
        return self._break(args, continues=True)

    def _return(self, args: list[str]) -> int:
        if not self.state.own_params:
            self.state.depend()
        if self.state.params is None or len(args) > 1:
            return fail(self.state, "not in function body")
        word = args[0] if args else self.state.get("?") or "0"
        if not word.isdigit():
            return fail(self.state, "unrecognized number")
        self.returns = True
        if args and int(word) > FALSE:
            self.state.print_error("false")
        return int(word)

    def _shift(self, args: list[str]) -> int:
        count = int(args[0]) if args and args[0].isdigit() else 1
        params = self.state.params
        self.state.depend()
        if params is not None:
            if len(args) > 1 or count > len(params):
                return BAD_ARGUMENT
            self.state.params = params[count:]
        return OK

    def _setparams(self, args: list[str]) -> int:
        self.state.depend()
        if self.state.params is not None:
            self.state.params = args
        return OK

    def _loopback(self, args: list[str]) -> int:
        words = [word for word in args if not word.startswith("-")]
        if len(words) == 2 and len(words) == len(args):
            if file_kind(self.state, words[1]) != "file":
                return fail(self.state, f"file `{words[1]}' not found", NOT_FOUND)
            self.state.opaque.add(words[0])
        return OK

    def _not_followed(self, _args: list[str]) -> int:
        self.state.cannot_follow("this command is not followed")
        return OK


Run.OWN = {
    "source": Run._source,
    ".": Run._source,
    "configfile": Run._configfile,
    "normal": Run._normal,
    "extract_entries_source": Run._extract,
    "extract_entries_configfile": Run._extract,
    "eval": Run._eval,
    "break": Run._break,
    "continue": Run._continue,
    "return": Run._return,
    "shift": Run._shift,
    "setparams": Run._setparams,
    "loopback": Run._loopback,
    **dict.fromkeys(("read", "probe", "hashsum", "date", "keystatus", "save_env", "tr"), Run._not_followed),
    **dict.fromkeys(("legacy_source", "legacy_configfile", "syslinux_source"), Run._not_followed),
    **dict.fromkeys(("syslinux_configfile", "multiboot", "multiboot2", "module", "module2"), Run._not_followed),
    **dict.fromkeys(("xen_hypervisor", "normal_exit"), Run._not_followed),
}
"""The commands that run scripts, and those whose effect is not known."""
