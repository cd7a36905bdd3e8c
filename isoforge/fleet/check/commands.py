"""The command lists: bash syntax that `sh` does not know, and the two systems (live and target) mixed up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from isoforge.fleet.check.document import Route
from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.fleet.check.releases import Release
from isoforge.fleet.check.shell import bashisms, unquoted

LISTS = ("early-commands", "late-commands", "error-commands")

_IN_TARGET = re.compile(r"\b(curtin\s+in-target|chroot\s+/target|systemd-nspawn\s|arch-chroot\s)")
_FOR_THE_TARGET = re.compile(
    r"(?:^|[;&|]\s*)(?:sudo\s+)?(?:\w+=\S*\s+)*((?:apt|apt-get|snap)(?:\s+-\S+)*\s+(?:install|remove|purge|upgrade)"
    r"|dpkg\s+(?:-i|--install)|useradd|usermod|userdel|adduser|groupadd|passwd|chpasswd|update-grub|update-initramfs|ufw"
    r"|(?:timedatectl|hostnamectl|localectl)\s+set-\w+|systemctl\s+(?:enable|disable|mask|set-default))(?=\s|$)([^;&|]*)"
)
"""Programs that are meant to change the installed system, at the place of a command."""

_REDIRECT = re.compile(r"(?<![0-9<>&])(?:[12]?>>?)\s*(/[\w./-]+)|\btee\s+(?:-a\s+)?(/[\w./-]+)")
_GOOD_PLACES = re.compile(r"/(target|dev|tmp|run|var/log|proc|sys|mnt|media|cdrom)/|/autoinstall\.yaml/")
"""Where a late-command may well write: the target, and what of the live system outlives it or was never to."""

_ENDS_THE_SESSION = re.compile(
    r"(?:^|[;&|]\s*)(?:sudo\s+)?(reboot|poweroff|halt|shutdown|systemctl\s+(?:reboot|poweroff))(?=\s|$)"
)


def check(found: Findings, autoinstall: Mapping[str, Any], release: Release | None) -> None:
    """Everything about the command lists."""
    user = text(mapping(autoinstall.get("identity")).get("username"))
    for name in LISTS:
        for index, command in enumerate(items(autoinstall.get(name))):
            route = ("autoinstall", name, index)
            _check_words(found, command, route)
            for script in scripts(command):
                for what, cure in bashisms(script):
                    found.error(route, f"{what} is bash, and this runs in sh: {cure}, or run it with `bash -c`")
            line = command if isinstance(command, str) else " ".join(map(str, items(command)))
            if name == "early-commands":
                _check_early(found, list(scripts(command)) or [line], route)
            elif name == "late-commands":
                words = [command] if isinstance(command, str) else items(command)
                _check_late(found, " ".join(unquoted(str(word))[0] for word in words), route)
                _check_home(found, line, route, user, release)


def scripts(command: Any) -> Iterator[str]:
    """The texts of a command that a plain sh will read."""
    if isinstance(command, str):
        yield command
    words = [text(word) for word in items(command)]
    for at, word in enumerate(words[:-1]):
        shell = words[at - 1].rsplit("/", 1)[-1] if at else ""
        if shell in {"sh", "dash"} and re.fullmatch(r"-\w*c", word):
            yield words[at + 1]


def _check_words(found: Findings, command: Any, route: Route) -> None:
    """A list of words is started as it stands: no shell is there to split it or to understand `&&`."""
    words = [text(word) for word in items(command)]
    if len(words) == 1 and " " in words[0].strip():
        found.error(route, "is one word with blanks in it, which no program is called: write it as text, or split it")
    elif words and not any(word in {"-c", "-ec", "-xc", "-exc"} for word in words):
        used = next((word for word in words if word in {"&&", "||", "|", ">", ">>", ";", "<"}), None)
        if used:
            found.error(route, f"{used} means nothing in a list of words, no shell reads it: write the command as text")


def _check_early(found: Findings, lines: list[str], route: Route) -> None:
    code = "\n".join(unquoted(line)[0] for line in lines)
    if "in-target" in code or ("/target" in code and re.search(r"(?:^|[\s=>])/target(/|\s|$)", code)):
        found.warning(route, "/target is not there yet: early-commands run before the disks are touched")


def _check_late(found: Findings, code: str, route: Route) -> None:
    """``code`` is a command without what is in quotes, word by word: hosts share their scripts, and not the words."""
    inside = _IN_TARGET.search(code)
    program = _FOR_THE_TARGET.search(code)
    if program and "/target" not in program[2]:
        cure = f"write `curtin in-target -- {program[1]} …`"
        found.warning(route, f"{program[1]} changes the live system, which is gone after the reboot: {cure}")
    if ending := _ENDS_THE_SESSION.search(code):
        found.warning(
            route, f"{ending[1]} cuts the install off before its end: use `shutdown:` of the autoinstall document"
        )
    for redirect in _REDIRECT.finditer(code):
        place = redirect[1] or redirect[2]
        if not _GOOD_PLACES.match(place + "/"):
            found.warning(
                route, f"{place} is written in the live system, which is gone after the reboot: write /target{place}"
            )
    if inside:
        after = _REDIRECT.sub("", re.split(r"[;&|]", code[inside.end() :])[0])
        if "chroot" in inside[0]:
            after = after.removeprefix("/target")
        if re.search(r"(?<!=)/target(/|\s|$)", re.sub(r"^\s*(-t|--target)[ =]/target", "", after)):
            found.warning(route, "there is no /target inside the target: leave it out of the path")


def _check_home(found: Findings, line: str, route: Route, user: str, release: Release | None) -> None:
    """Until 26.04 the account of `identity` is made on the first boot, after the late-commands."""
    if not user or user not in line or (release is not None and not release.before("26.04")):
        return
    name = re.escape(user)
    if re.search(
        rf"/home/{name}\b|\bchown\b[^;&|]*\s{name}(:|\s)|\bsu\s+(-\w*\s+)*{name}\b|\bsudo\s+-u\s*{name}\b", line
    ):
        said = (
            f"the account {user} is made on the first boot before 26.04: it has no home yet; use `user-data` (runcmd)"
        )
        found.warning(route, said)
