"""GRUB's commands, as far as they decide what a menu is and what it starts; each returns its status."""

from __future__ import annotations

import re
from collections.abc import Mapping

from isoforge.proof.read.grub_lexer import GrubSyntaxError
from isoforge.proof.read.grub_lookup import regexp, search, smbios
from isoforge.proof.read.grub_options import (
    BAD_ARGUMENT,
    FALSE,
    NEEDS_KERNEL,
    NO_KERNEL,
    NOT_FOUND,
    OK,
    Handler,
    fail,
    options,
)
from isoforge.proof.read.grub_records import LeaveError, MenuEntry
from isoforge.proof.read.grub_state import State
from isoforge.proof.read.grub_syntax import Command, parse
from isoforge.proof.read.grub_test import file_kind, split_device, test


def _set(state: State, args: list[str], _command: Command) -> int:
    if args:
        name, sign, value = args[0].partition("=")
        if not sign:
            return fail(state, "not an assignment")
        state.set(name, value)
    return OK


def _unset(state: State, args: list[str], _command: Command) -> int:
    if not args:
        return fail(state, "one argument expected")
    state.unset(args[0])
    return OK


def _export(state: State, args: list[str], _command: Command) -> int:
    if not args:
        return fail(state, "one argument expected")
    for name in args:
        state.export(name)
    return OK


def _test(state: State, args: list[str], _command: Command) -> int:
    return OK if test(state, args) else FALSE


def _echo(state: State, args: list[str], _command: Command) -> int:
    state.printed.append(" ".join(args[1:] if args[:1] in (["-n"], ["-e"]) else args))
    return OK


_ENTRY: Mapping[str, bool | None] = {
    **dict.fromkeys(("class", "users", "hotkey", "source", "id"), True),
    "unrestricted": False,
}


def _menuentry(state: State, args: list[str], command: Command, *, submenu: bool = False) -> int:
    """Add an entry to the menu (commands/menuentry.c)."""
    parsed = options(state, args, _ENTRY, dashes=True)
    if parsed is None:
        return BAD_ARGUMENT
    values, rest = parsed
    if not rest:
        return fail(state, "missing arguments")
    body = command.block
    if "source" in values and body is None:
        try:
            body = parse(values["source"][-1], command.line)
        except GrubSyntaxError as error:
            return fail(state, f"syntax error: {error}")
    elif body is None:
        return fail(state, "no menuentry definition")
    users = values["users"][-1] if "users" in values else None if "unrestricted" in values else ""
    entry = MenuEntry(
        title=rest[0],
        entry_id=values.get("id", rest)[-1 if "id" in values else 0],
        body=body,
        file=state.file,
        line=command.line,
        submenu=submenu,
        args=tuple(rest),
        users=users,
        hotkey=values.get("hotkey", [""])[-1],
    )
    state.context.menu.append(entry)
    return OK


def _submenu(state: State, args: list[str], command: Command) -> int:
    return _menuentry(state, args, command, submenu=True)


def _linux(state: State, args: list[str], _command: Command) -> int:
    if not args:
        return fail(state, "filename expected")
    if file_kind(state, args[0]) != "file":
        return fail(state, f"file `{args[0]}' not found", NOT_FOUND)
    state.kernel, state.initrd, state.loader = tuple(args), (), "linux"
    return OK


def _initrd(state: State, args: list[str], _command: Command) -> int:
    if not args:
        return fail(state, "filename expected")
    if state.loader != "linux":
        return fail(state, NEEDS_KERNEL)
    for file in args:
        if file_kind(state, file) != "file":
            return fail(state, f"file `{file}' not found", NOT_FOUND)
    state.initrd = tuple(args)
    return OK


def _chainloader(state: State, args: list[str], _command: Command) -> int:
    files = [word for word in args if not word.startswith("--")]
    if not files:
        return fail(state, "filename expected")
    device, rest = split_device(state, files[0])
    on_disk = device in state.machine.disks and re.fullmatch(r"[0-9]*\+[0-9]+", rest)
    if not on_disk and file_kind(state, files[0]) != "file":
        return fail(state, f"file `{files[0]}' not found", NOT_FOUND)
    state.kernel, state.initrd, state.loader = (files[0],), (), "chainloader"
    return OK


def _boot(state: State, _args: list[str], _command: Command) -> int:
    if not state.loader:
        return fail(state, NEEDS_KERNEL, NO_KERNEL)
    raise LeaveError("boot")


def _leave(how: str) -> Handler:
    def leave(_state: State, _args: list[str], _command: Command) -> int:
        raise LeaveError(how)

    return leave


def _insmod(state: State, args: list[str], _command: Command) -> int:
    """Load a module: on BIOS from the medium; an UEFI's GRUB has those that it needs inside (kern/corecmd.c)."""
    if not args:
        return fail(state, "one argument expected")
    state.globbing = state.globbing or args[0] == "regexp"
    if state.ask("firmware") == "pc" and args[0][0] not in "/(+":
        path = f"{state.get('prefix')}/i386-pc/{args[0]}.mod"
        if file_kind(state, path) != "file":
            state.print_error(f"file `{path.partition(')')[2]}' not found")
    return OK


def _loadfont(state: State, args: list[str], _command: Command) -> int:
    for font in args:
        path = font if font[:1] in "/(" else f"{state.get('prefix')}/fonts/{font}.pf2"
        if file_kind(state, path) != "file":
            return fail(state, f"file `{path}' not found", NOT_FOUND)
    return OK


def _cpuid(state: State, args: list[str], command: Command) -> int:
    """A machine that Ubuntu installs on has long mode."""
    return OK if args in ([], ["-l"], ["--long-mode"], ["-p"], ["--pae"]) else _cosmetic(state, args, command)


def _cat(state: State, args: list[str], _command: Command) -> int:
    files = [word for word in args if not word.startswith("--")]
    if files and file_kind(state, files[0]) != "file":
        return fail(state, f"file `{files[0]}' not found", NOT_FOUND)
    return OK


def _loadenv(state: State, args: list[str], _command: Command) -> int:
    """Read variables from a file (commands/loadenv.c)."""
    parsed = options(state, args, {"file": True, "f": True, "skip-sig": False, "s": False})
    if parsed is None:
        return BAD_ARGUMENT
    values, names = parsed
    path = (values.get("file") or values.get("f") or [f"{state.get('prefix')}/grubenv"])[-1]
    device, rest = split_device(state, path)
    reached = state.medium.find(rest) if device == state.medium.device else None
    if reached is None or file_kind(state, path) != "file":
        return fail(state, f"file `{path}' not found", NOT_FOUND)
    lines = state.medium.read(reached).split("\n")
    if not lines[0].startswith("# GRUB Environment Block"):
        return fail(state, "invalid environment block")
    for line in lines[1:]:
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#") and (not names or name in names):
            state.set(name, value)
    return OK


def _sleep(state: State, args: list[str], _command: Command) -> int:
    """Wait some seconds (commands/sleep.c): the menu is not shown, or nothing starts, before that."""
    words = [word for word in args if not word.startswith("-")]
    if len(words) != 1 or not words[0].isdigit():
        return fail(state, "one argument expected")
    state.depend()
    state.slept_s += int(words[0])
    return OK


def _nothing(_state: State, _args: list[str], _command: Command) -> int:
    return OK


def _false(_state: State, _args: list[str], _command: Command) -> int:
    return FALSE


def _cosmetic(state: State, _args: list[str], command: Command) -> int:
    """A command that does not change what is booted, unless its success decides something."""
    if state.deciding:
        name = command.words[0][0].text if command.words[0] else "a command"
        state.cannot_follow(f"whether {name} succeeds depends on the machine")
    return OK


COMMANDS: Mapping[str, Handler] = {
    **{"set": _set, "unset": _unset, "export": _export, "test": _test, "[": _test, "echo": _echo, "search": search},
    **{"regexp": regexp, "smbios": smbios, "menuentry": _menuentry, "submenu": _submenu, "boot": _boot, "cat": _cat},
    **{"linux": _linux, "linuxefi": _linux, "linux16": _linux, "initrd": _initrd, "initrdefi": _initrd},
    **{"initrd16": _initrd, "chainloader": _chainloader, "insmod": _insmod, "loadfont": _loadfont, "cpuid": _cpuid},
    **{"loadenv": _loadenv, "load_env": _loadenv, "false": _false, "sleep": _sleep},
    **{name: _leave(name) for name in ("exit", "halt", "reboot", "fwsetup")},
    **dict.fromkeys(("true", "clear", "password", "password_pbkdf2"), _nothing),
    **dict.fromkeys(
        ("terminal_output", "terminal_input", "terminfo", "serial", "keymap", "ls", "help", "play"), _cosmetic
    ),
    **dict.fromkeys(
        ("background_image", "background_color", "rmmod", "lsmod", "lsefi", "lspci", "videoinfo"), _cosmetic
    ),
    **dict.fromkeys(("drivemap", "cutmem", "gettext", "videotest"), _cosmetic),
}
"""The commands that need only their arguments and the state; those that run scripts are in grub_run."""
