"""The GRUB menu: one entry per host, flat or in submenus, and the files with which it identifies the machine."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from isoforge.image.base import BaseIso
from isoforge.image.colors import MenuColors
from isoforge.image.entry import MenuEntry
from isoforge.image.kernel_variables import Setting
from isoforge.image.layouts import LOADS_MENU
from isoforge.image.match import sorted_by_file
from isoforge.image.serial_ports import serial_ports
from isoforge.image.submenus import Submenu, submenus_of
from isoforge.iso_layout import (
    BY_ITSELF,
    GRUB_CFG,
    LOCAL_DISK,
    LOOKUP_KEYS,
    LOOPBACK_CFG,
    MACHINES_FOLDER,
    THIS_MACHINE,
    build_marker,
)
from isoforge.templates import render

_LIVE_KERNEL = re.compile(r"^([ \t]*linux(?:efi)?[ \t]+\S*/casper/\S+)", re.MULTILINE)
_NOT_IN_SUBMENU = re.compile(
    r"^[ \t]*(set[ \t]+(timeout|timeout_style|default)=.*|grub_platform[ \t]*)\n?", re.MULTILINE
)
"""Lines of the base that must not be in a submenu: its timeout, and a marker of Ubuntu's own build that is not a
command (GRUB shows an error and waits ten seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """The contents of the menu, from which grub.cfg is rendered.

    ``entries`` are in the order of the menu (`in_menu_order`). ``default_host`` is what the timeout starts on a machine
    that no entry matches; None is the local disk, which installs nothing. ``timeout_s`` is in seconds; ``name``
    and ``build_id`` distinguish this medium from others. ``detect`` is the entry that detects the machine and installs
    the matching host, with ``auto`` the default. Where no value was set, firmware has one of the ``placeholders`` or a
    text that matches one of ``placeholder_patterns`` (POSIX extended regular expressions for a whole text). With
    ``password_hash`` (GRUB's PBKDF2) all entries but the local disk require the password. A ``hidden`` menu shows up
    only when Esc is pressed before the timeout. ``signed_serial``: the GRUB for UEFI can drive serial ports.
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
    colors: MenuColors = MenuColors.DEFAULT
    hidden: bool = False
    signed_serial: bool = False

    @property
    def medium(self) -> str:
        """The casper UUID of the ISO: its own, so that casper cannot mount another Ubuntu medium instead."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"isoforge:{self.build_id}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The position of ``entry`` in the menu: its ``number`` from 1, and the submenus it is in, outermost first."""

    entry: MenuEntry
    number: int
    submenus: tuple[Submenu, ...] = ()

    @property
    def default(self) -> str:
        """The value of ``set default`` that starts it."""
        return ">".join([*(submenu.entry_id for submenu in self.submenus), self.entry.entry_id])

    @property
    def file_stem(self) -> str:
        """The stem of the file of its submenu; "" if it is in none."""
        return self.submenus[-1].file_stem if self.submenus else ""


def positions(menu: Menu) -> Mapping[str, Position]:
    """The position of each host's entry."""
    paths = {
        entry.host: path
        for submenu in submenus_of(menu.entries)
        for path in submenu.leaves()
        for entry in path[-1].entries
    }
    return {
        entry.host: Position(entry=entry, number=number, submenus=paths.get(entry.host, ()))
        for number, entry in enumerate(menu.entries, start=1)
    }


def menu_files(menu: Menu, base: BaseIso) -> dict[PurePosixPath, str]:
    """Every text that GRUB reads, by its path on the ISO; ``TemplateError`` if a template is at fault."""
    files = {GRUB_CFG: grub_cfg(menu, base), LOOPBACK_CFG: loopback_cfg(menu, base)}
    if base.shadowing:
        files[base.shadowing] = LOADS_MENU
    by_host = positions(menu)
    for submenu in submenus_of(menu.entries):
        for *_, leaf in submenu.leaves():
            inside = [by_host[entry.host] for entry in leaf.entries]
            rendered = functools.partial(_rendered, "menu/entries.cfg.j2", menu=menu, submenu=leaf, positions=inside)
            files[leaf.file] = rendered(from_file=False)
            files[leaf.loopback_file] = rendered(from_file=True)
    by_file = sorted_by_file((position.entry.match, position) for position in by_host.values() if position.entry.match)
    for file, cases in by_file.items():
        files[file] = _rendered(
            "menu/machines.cfg.j2",
            cases=[
                (conditions, [position for match, position in matches if match.decides], len(matches) > 1)
                for conditions, matches in cases.items()
            ],
        )
    return files


def grub_cfg(menu: Menu, base: BaseIso) -> str:
    """The text of /boot/grub/grub.cfg; ``TemplateError`` if its template is at fault."""
    setting = base.setting
    own = base.menu.replace(setting.original, "", 1) if setting.original else base.menu
    return _whole("grub.cfg.j2", menu, base, own, setting)


def loopback_cfg(menu: Menu, base: BaseIso) -> str:
    """The text of /boot/grub/loopback.cfg, for GRUBs that start the ISO as a file.

    As in Ubuntu's own, it has no header and no timeout, and each kernel line names the ISO file for casper in
    ``iso-scan/filename``.
    """
    return _whole("loopback.cfg.j2", menu, base, base.loopback_menu, Setting())


def on_this_medium(base_menu: str, medium: str) -> str:
    """A menu of the base with ``uuid=`` on each line that starts the live system, directly after the kernel."""
    return _LIVE_KERNEL.sub(rf"\g<1> uuid={medium}", base_menu)


def _whole(template: str, menu: Menu, base: BaseIso, base_menu: str, setting: Setting) -> str:
    by_host = positions(menu)
    default = by_host.get(menu.default_host or "")
    return _rendered(
        template,
        menu=menu,
        base=base,
        setting=setting,
        base_entries=on_this_medium(_NOT_IN_SUBMENU.sub("", base_menu), menu.medium),
        positions=list(by_host.values()),
        submenus=submenus_of(menu.entries),
        default=default,
        default_id=default.default if default else LOCAL_DISK,
        ports=list(serial_ports(menu.entries)),
        stamp=_stamp(menu),
        build_marker=build_marker(menu.build_id),
        machines=MACHINES_FOLDER,
        keys=sorted({entry.match.key for entry in menu.entries if entry.match}, key=LOOKUP_KEYS.index),
    )


def _rendered(template: str, **values: Any) -> str:
    return render(template, {"this_machine": THIS_MACHINE, "by_itself": BY_ITSELF, **values})


def _stamp(menu: Menu) -> str:
    """The stamp on a disk that the default entry has installed: the host's, or for any host the build's own."""
    if menu.default_host:
        return f"{menu.build_id}-{menu.default_host}"
    return menu.build_id if menu.auto else ""
