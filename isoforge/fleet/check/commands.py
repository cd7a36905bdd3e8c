"""The command lists: what `sh` cannot parse or does not know, and the two systems (live and target) mixed up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.fleet.check.installers import CREATES_ACCOUNT, SUDO_OF_RUST
from isoforge.fleet.check.shell import bashisms, unquoted
from isoforge.fleet.check.shell_syntax import syntax_flaw
from isoforge.yaml_limits import KeyPath

LISTS = ("early-commands", "late-commands", "error-commands")

CLOUD_LISTS = ("bootcmd", "runcmd")
"""cloud-init's lists of commands; it writes those that are text into one script for `sh` (Modules, "Runcmd")."""

_IN_TARGET = re.compile(r"\b(curtin\s+in-target|chroot\s+/target|systemd-nspawn\s|arch-chroot\s)")
_FOR_THE_TARGET = re.compile(
    r"(?:^|[;&|]\s*)(?:sudo\s+)?(?:\w+=\S*\s+)*((?:apt|apt-get|snap)(?:\s+-\S+)*\s+(?:install|remove|purge|upgrade)"
    r"|dpkg\s+(?:-i|--install)|useradd|usermod|userdel|adduser|groupadd|passwd|chpasswd|update-grub|update-initramfs|ufw"
    r"|(?:timedatectl|hostnamectl|localectl)\s+set-\w+|systemctl\s+(?:enable|disable|mask|set-default))(?=\s|$)([^;&|]*)"
)
"""Programs that are meant to change the installed system, at the place of a command."""

_APT = re.compile(
    r"\b(?:apt|apt-get|aptitude)\b(?P<before>(?:\s+-\S+(?:\s+\w+=\S+)?)*)"
    r"\s+(?P<verb>install|remove|purge|autoremove|upgrade|full-upgrade|dist-upgrade|build-dep)\b(?P<after>[^;&|\n]*)"
)
_APT_YES = re.compile(
    r"(?:^|\s)(?:-[a-zA-Z]*y[a-zA-Z]*|-qq\w*|--yes|--assume-yes|--assume-no|--force-yes|-s|--simulate|--dry-run|-d)(?=\s|$)"
)
"""The options with which apt asks no question (apt-get(8))."""

_REDIRECT = re.compile(r"(?<![0-9<>&])(?:[12]?>>?)\s*(/[\w./-]+)|\btee\s+(?:-a\s+)?(/[\w./-]+)")
_GOOD_PLACES = re.compile(r"/(target|dev|tmp|run|var/log|proc|sys|mnt|media|cdrom)/|/autoinstall\.yaml/")
"""Where a late-command may well write: the target, and what of the live system outlives it or was never to."""

_ENDS_THE_SESSION = re.compile(
    r"(?:^|[;&|]\s*)(?:sudo\s+)?(reboot|poweroff|halt|shutdown|systemctl\s+(?:reboot|poweroff))(?=\s|$)"
)

_WRITES_SUDOERS = re.compile(r"(?:>|\btee\b|\bcp\b|\binstall\b|\bmv\b|\bsed\b)[^;&|\n]*/etc/sudoers\b")
_PLAIN_SUDOERS = re.compile(r"\sALL *= *\([\w:]+\) *(?:(?:NO)?PASSWD: *)?ALL\b")
"""The usual line of sudoers(5), which every sudo understands."""

_REMOVES_LOGS = re.compile(r"\b(?:rm|shred|truncate|find|chmod)\b[^;&|\n]*/var/log/installer\b")
"""The installer's logs are copied to the installed system when all commands have run (its controllers/shutdown.py)."""


def check(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Everything about the installer's command lists."""
    user = text(mapping(autoinstall.get("identity")).get("username"))
    _check_sudoers(findings, list(items(autoinstall.get("late-commands"))))
    for name in LISTS:
        for index, command in enumerate(items(autoinstall.get(name))):
            path = ("autoinstall", name, index)
            _check_words(findings, command, path)
            _check_scripts(findings, command, path)
            line = command if isinstance(command, str) else " ".join(map(str, items(command)))
            if name == "early-commands":
                _check_early(findings, list(scripts(command)) or [line], path)
            elif name == "late-commands":
                words = [command] if isinstance(command, str) else items(command)
                _check_late(findings, " ".join(unquoted(str(word))[0] for word in words), path)
                _check_home(findings, line, path, user)


def check_scripts(findings: Findings, data: Any) -> None:
    """cloud-init's own command lists, of the live system and of the installed one."""
    target = mapping(mapping(mapping(data).get("autoinstall")).get("user-data"))
    for holder, path in ((mapping(data), ()), (target, ("autoinstall", "user-data"))):
        for name in CLOUD_LISTS:
            for index, command in enumerate(items(holder.get(name))):
                _check_scripts(findings, command, (*path, name, index))


def _check_scripts(findings: Findings, command: Any, path: KeyPath) -> None:
    for script in scripts(command):
        known = bashisms(script)
        for what, fix in known:
            findings.error("bash-syntax", path, f"{what} is bash, and this runs in sh: {fix}, or run it with `bash -c`")
        if not known and (flaw := syntax_flaw(script)):
            findings.error(flaw.id, path, f"sh cannot parse this command: {flaw.message}")
    words = [command] if isinstance(command, str) else [text(word) for word in items(command)]
    _check_apt(findings, " ".join(words), path)


def _check_apt(findings: Findings, line: str, path: KeyPath) -> None:
    """apt asks whether to go on where nobody can answer: stdin is empty, and it stops."""
    if "apt" not in line:  # quicker than the pattern, and so for most
        return
    for call in _APT.finditer(line):
        quiet = (
            _APT_YES.search(f"{call['before']} {call['after']}") or "yes |" in line or "APT::Get::Assume-Yes" in line
        )
        if not quiet:
            message = f"apt would ask before it goes on, and nobody answers: write `{call['verb']} -y`"
            findings.warning("apt-asks", path, message)
            return


def scripts(command: Any) -> Iterator[str]:
    """The texts of a command that a plain sh will read."""
    if isinstance(command, str):
        yield command
    words = [text(word) for word in items(command)]
    for at, word in enumerate(words[:-1]):
        shell = words[at - 1].rsplit("/", 1)[-1] if at else ""
        if shell in {"sh", "dash"} and re.fullmatch(r"-\w*c", word):
            yield words[at + 1]


def _check_words(findings: Findings, command: Any, path: KeyPath) -> None:
    """A list of words is started as it stands: no shell is there to split it or to understand `&&`."""
    words = [text(word) for word in items(command)]
    if len(words) == 1 and " " in words[0].strip():
        message = "is one word with spaces in it, and no program has that name: write it as text, or split it"
        findings.error("command-not-split", path, message)
    elif words and not any(word in {"-c", "-ec", "-xc", "-exc"} for word in words):
        used = next((word for word in words if word in {"&&", "||", "|", ">", ">>", ";", "<"}), None)
        if used:
            message = f"{used} has no meaning in a list of words, which no shell reads: write the command as text"
            findings.error("operator-in-words", path, message)


def _check_early(findings: Findings, lines: list[str], path: KeyPath) -> None:
    code = "\n".join(unquoted(line)[0] for line in lines)
    if "in-target" in code or ("/target" in code and re.search(r"(?:^|[\s=>])/target(/|\s|$)", code)):
        message = "/target does not exist yet: early-commands run before the disks are touched"
        findings.warning("target-too-early", path, message)


def _check_late(findings: Findings, code: str, path: KeyPath) -> None:
    """``code`` is a command without what is in quotes, word by word: hosts share their scripts, and not the words."""
    inside = _IN_TARGET.search(code)
    program = _FOR_THE_TARGET.search(code)
    if program and "/target" not in program[2]:
        fix = f"write `curtin in-target -- {program[1]} …`"
        message = f"{program[1]} changes the live system, which is gone after the reboot: {fix}"
        findings.warning("live-system-changed", path, message)
    if ending := _ENDS_THE_SESSION.search(code):
        message = f"{ending[1]} cuts the installation off before its end: use `shutdown:` of the autoinstall document"
        findings.warning("reboot-in-command", path, message)
    if _REMOVES_LOGS.search(code):
        message = "the installer copies its logs there after the late-commands: remove them on the first boot (runcmd)"
        findings.warning("logs-removed-too-early", path, message)
    for redirect in _REDIRECT.finditer(code):
        target = redirect[1] or redirect[2]
        if not _GOOD_PLACES.match(target + "/"):
            message = f"{target} is written in the live system, which is gone after the reboot: write /target{target}"
            findings.warning("live-system-written", path, message)
    if inside:
        after = _REDIRECT.sub("", re.split(r"[;&|]", code[inside.end() :])[0])
        if "chroot" in inside[0]:
            after = after.removeprefix("/target")
        if re.search(r"(?<!=)/target(/|\s|$)", re.sub(r"^\s*(-t|--target)[ =]/target", "", after)):
            message = "there is no /target inside the target: leave it out of the path"
            findings.warning("target-inside-target", path, message)


def _check_sudoers(findings: Findings, commands: list[Any]) -> None:
    """What is written for sudo in a late-command, and not checked by one: nobody could become root."""
    lines = [one if isinstance(one, str) else " ".join(map(str, items(one))) for one in commands]
    release = findings.release
    if release is None or not SUDO_OF_RUST.holds(release) or any("visudo" in line for line in lines):
        return
    for index, line in enumerate(lines):
        is_plain = _PLAIN_SUDOERS.search(line) and "Defaults" not in line and "*" not in line
        if _WRITES_SUDOERS.search(line) and not is_plain:
            message = (
                f"the sudo of {release} (sudo-rs) refuses some settings and wildcards: check it in a later command,"
                " `curtin in-target -- visudo -cf /etc/sudoers.d/FILE`"
            )
            findings.warning("sudoers-unchecked", ("autoinstall", "late-commands", index), message)


def _check_home(findings: Findings, line: str, path: KeyPath, user: str) -> None:
    """Most installers leave the account of `identity` to the first boot, after the late-commands."""
    release = findings.release
    if not user or user not in line or (release is not None and CREATES_ACCOUNT.holds(release)):
        return
    name = re.escape(user)
    if re.search(
        rf"/home/{name}\b|\bchown\b[^;&|]*\s{name}(:|\s)|\bsu\s+(-\w*\s+)*{name}\b|\bsudo\s+-u\s*{name}\b", line
    ):
        which = "before 24.04.4 and before 26.04" if release is None else f"by the installer of {release}"
        message = f"{which} the account {user} is created on first boot and has no home yet: use `user-data` (runcmd)"
        findings.warning("home-too-early", path, message)
