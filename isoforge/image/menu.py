"""The GRUB menu: an entry a host, quoted once and in one way."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from isoforge.image.base import SEEDS_FOLDER, BaseIso, Kernel
from isoforge.image.match import Match
from isoforge.wording import render

CMDLINE_LIMIT = 900
"""Bytes a kernel line may have: casper-md5check reads only the first 1023 of /proc/cmdline, the kernel's own
parameters included (casper, casper-md5check.c, parse_cmdline)."""

TITLE_LIMIT = 160
"""Characters of a title that are kept: no screen shows more, and a word beyond 8 KiB ends GRUB (YYLMAX)."""

MARK = re.compile(r"\$\{isoforge_here_\d+\}")
"""What stands behind a title and becomes `` (this machine)`` where the menu knows the machine."""

HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A host name is a folder on the ISO and a word on the kernel line, where quotes mean nothing (facts of casper)."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:=,@%+-]+")
_LIVE_KERNEL = re.compile(r"^([ \t]*linux(?:efi)?[ \t]+\S*/casper/\S+)", re.MULTILINE)
_NOT_HERE = re.compile(r"^[ \t]*(set[ \t]+(timeout|timeout_style|default)=.*|grub_platform[ \t]*)\n?", re.MULTILINE)
"""Lines of the base that do harm in a submenu: its clock, and a word that marks a place for Ubuntu's own build and is
no command (GRUB shows an error and waits ten seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEntry:
    """One host's entry: ``host`` names its seed, ``description`` is for people, ``args`` go before the ``---``.

    ``medium`` is the casper UUID of the ISO; without one casper takes what the initrd was made with. ``match`` is how
    the menu knows the host's machine. ``called`` is the title of an entry that is no host's.
    """

    host: str
    description: str
    kernel: Kernel
    args: tuple[str, ...] = ()
    medium: str = ""
    match: Match | None = None
    called: str = ""

    @property
    def title(self) -> str:
        """What the menu shows: one line of bearable length, whatever the inventory holds."""
        about = one_line(self.description)
        title = self.called or f"Install {self.host}" + (f" - {about}" if about else "")
        return title if len(title) <= TITLE_LIMIT else title[: TITLE_LIMIT - 3] + "..."

    @property
    def entry_id(self) -> str:
        """What ``set default`` names; no title of the base's own entries can be equal to it."""
        return f"host-{self.host}"

    @property
    def kernel_line(self) -> str:
        """The kernel's arguments as /proc/cmdline is to show them, the ``---`` that ends the installer's part last.

        ``autoinstall`` skips the confirmation, ``ds=`` names the seed (with the trailing slash that cloud-init before
        23.1 needs), ``nopersistent`` keeps the stick as it is, ``fsck.mode=skip`` spares reading the whole medium,
        ``uuid=`` names the one medium that casper may take.
        """
        return " ".join([*self._words, "---"])

    @property
    def _words(self) -> tuple[str, ...]:
        seed = f"ds=nocloud;s=/cdrom{SEEDS_FOLDER}/{self.host}/"
        medium = (f"uuid={self.medium}",) if self.medium else ()
        return ("autoinstall", seed, "nopersistent", "fsck.mode=skip", *medium, *self.args)

    @property
    def grub_line(self) -> str:
        """The same arguments without the ``---``, written so that GRUB hands them on unchanged."""
        return " ".join(grub_word(word) for word in self._words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """What grub.cfg is rendered from.

    ``default_host`` is what the timeout starts on a machine that no entry matches; None stands for the local disk,
    which installs nothing. ``timeout_s`` is in seconds; ``name`` and ``build_id`` let a person tell one medium from
    another. ``detect`` is the entry that finds out whose machine it runs on, with ``auto`` the default. What firmware
    says where nobody has set a value is one of ``placeholders`` or fits one of ``placeholder_patterns`` (POSIX
    extended regular expressions for a whole text). With ``password_hash`` (GRUB's PBKDF2) all but the local disk asks.
    """

    name: str
    build_id: str
    entries: tuple[MenuEntry, ...]
    default_host: str | None
    timeout_s: int
    about: tuple[str, ...]
    detect: MenuEntry | None = None
    auto: bool = False
    placeholders: tuple[str, ...] = ()
    placeholder_patterns: tuple[str, ...] = ()
    password_hash: str = ""

    @property
    def medium(self) -> str:
        """The casper UUID of the ISO: its own, so that no other Ubuntu medium in the machine is taken for it."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"isoforge:{self.build_id}"))


def grub_word(text: str) -> str:
    """``text`` as one word of a GRUB script: every character that GRUB could read otherwise is escaped.

    Without blanks each such character gets a backslash, with blanks the whole is put in single quotes (GRUB manual,
    16.1.1 Quoting). A newline cannot be escaped by a backslash, so it may only stand in quotes.
    """
    if _PLAIN.fullmatch(text):
        return text
    if text and not re.search(r"\s", text):
        return "".join(char if _PLAIN.fullmatch(char) or not char.isascii() else f"\\{char}" for char in text)
    return "'" + text.replace("'", r"'\''") + "'"


def one_line(text: str) -> str:
    """``text`` without line breaks and control characters, which a menu cannot show."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def grub_cfg(menu: Menu, base: BaseIso) -> str:
    """The text of /boot/grub/grub.cfg; ``TemplateError`` if its template is at fault."""
    return _render("grub.cfg.j2", menu, base, base.menu)


def loopback_cfg(menu: Menu, base: BaseIso) -> str:
    """The text of /boot/grub/loopback.cfg, for GRUBs that start the ISO as a file.

    Its rule is Ubuntu's: no header and no timeout of its own, and each kernel line tells casper in
    ``iso-scan/filename`` which file the medium is.
    """
    return _render("loopback.cfg.j2", menu, base, base.loopback_menu)


def on_this_medium(base_menu: str, medium: str) -> str:
    """A menu of the base with ``uuid=`` on each line that starts the live system, right behind the kernel."""
    return _LIVE_KERNEL.sub(rf"\g<1> uuid={medium}", base_menu)


def _render(template: str, menu: Menu, base: BaseIso, base_menu: str) -> str:
    return render(
        template,
        filters={"grub": grub_word},
        menu=menu,
        base=base,
        base_entries=on_this_medium(_NOT_HERE.sub("", base_menu), menu.medium),
        default_id=f"host-{menu.default_host}" if menu.default_host else "local-disk",
        stamp=_stamp(menu),
    )


def _stamp(menu: Menu) -> str:
    """The stamp that tells the default entry has been used: the host's, or for any host the build's own."""
    if menu.default_host:
        return f"{menu.build_id}-{menu.default_host}"
    return menu.build_id if menu.auto else ""
