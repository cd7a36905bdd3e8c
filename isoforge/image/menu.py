"""The GRUB menu: an entry a host, flat or in submenus, and the files in which it looks up whose machine it runs on."""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from isoforge.image.base import BaseIso
from isoforge.image.entry import MenuEntry
from isoforge.image.match import sorted_by_file
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
_NOT_HERE = re.compile(r"^[ \t]*(set[ \t]+(timeout|timeout_style|default)=.*|grub_platform[ \t]*)\n?", re.MULTILINE)
"""Lines of the base that do harm in a submenu: its clock, and a word that marks a place for Ubuntu's own build and is
no command (GRUB shows an error and waits ten seconds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """What grub.cfg is rendered from.

    ``entries`` are in the order of the menu (`in_menu_order`). ``default_host`` is what the timeout starts on a machine
    that no entry matches; None stands for the local disk, which installs nothing. ``timeout_s`` is in seconds; ``name``
    and ``build_id`` let a person tell one medium from another. ``detect`` is the entry that finds out whose machine it
    runs on, with ``auto`` the default. What firmware says where nobody has set a value is one of ``placeholders`` or
    fits one of ``placeholder_patterns`` (POSIX extended regular expressions for a whole text). With ``password_hash``
    (GRUB's PBKDF2) all but the local disk asks.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where in the menu an entry is: its ``number`` from 1, and the submenus that lead to it, outermost first."""

    entry: MenuEntry
    number: int
    way: tuple[Submenu, ...] = ()

    @property
    def default(self) -> str:
        """What ``set default`` takes to start it."""
        return ">".join([*(submenu.entry_id for submenu in self.way), self.entry.entry_id])

    @property
    def shelf(self) -> str:
        """The file of its submenu; "" if it is in none."""
        return self.way[-1].shelf if self.way else ""


def spots(menu: Menu) -> Mapping[str, Spot]:
    """Where each host's entry is."""
    ways = {
        entry.host: way
        for submenu in submenus_of(menu.entries)
        for way in submenu.leaves()
        for entry in way[-1].entries
    }
    return {
        entry.host: Spot(entry=entry, number=number, way=ways.get(entry.host, ()))
        for number, entry in enumerate(menu.entries, start=1)
    }


def menu_files(menu: Menu, base: BaseIso) -> dict[PurePosixPath, str]:
    """Every text that GRUB reads, by its place on the ISO; ``TemplateError`` if a template is at fault."""
    files = {GRUB_CFG: grub_cfg(menu, base), LOOPBACK_CFG: loopback_cfg(menu, base)}
    known = spots(menu)
    for submenu in submenus_of(menu.entries):
        for *_, leaf in submenu.leaves():
            spotted = [known[entry.host] for entry in leaf.entries]
            shown = functools.partial(_rendered, "menu/entries.cfg.j2", menu=menu, submenu=leaf, spots=spotted)
            files[leaf.file] = shown(from_file=False)
            files[leaf.loopback_file] = shown(from_file=True)
    matches = sorted_by_file((spot.entry.match, spot) for spot in known.values() if spot.entry.match)
    for file, cases in matches.items():
        files[file] = _rendered(
            "menu/machines.cfg.j2",
            cases=[
                (conditions, [spot for match, spot in found if match.decides], len(found) > 1)
                for conditions, found in cases.items()
            ],
        )
    return files


def grub_cfg(menu: Menu, base: BaseIso) -> str:
    """The text of /boot/grub/grub.cfg; ``TemplateError`` if its template is at fault."""
    return _whole("grub.cfg.j2", menu, base, base.menu)


def loopback_cfg(menu: Menu, base: BaseIso) -> str:
    """The text of /boot/grub/loopback.cfg, for GRUBs that start the ISO as a file.

    Its rule is Ubuntu's: no header and no timeout of its own, and each kernel line tells casper in
    ``iso-scan/filename`` which file the medium is.
    """
    return _whole("loopback.cfg.j2", menu, base, base.loopback_menu)


def on_this_medium(base_menu: str, medium: str) -> str:
    """A menu of the base with ``uuid=`` on each line that starts the live system, right behind the kernel."""
    return _LIVE_KERNEL.sub(rf"\g<1> uuid={medium}", base_menu)


def _whole(template: str, menu: Menu, base: BaseIso, base_menu: str) -> str:
    known = spots(menu)
    default = known.get(menu.default_host or "")
    return _rendered(
        template,
        menu=menu,
        base=base,
        base_entries=on_this_medium(_NOT_HERE.sub("", base_menu), menu.medium),
        spots=list(known.values()),
        submenus=submenus_of(menu.entries),
        default=default,
        default_id=default.default if default else LOCAL_DISK,
        stamp=_stamp(menu),
        build_marker=build_marker(menu.build_id),
        machines=MACHINES_FOLDER,
        keys=sorted({entry.match.key for entry in menu.entries if entry.match}, key=LOOKUP_KEYS.index),
    )


def _rendered(template: str, **values: Any) -> str:
    return render(template, {"this_machine": THIS_MACHINE, "by_itself": BY_ITSELF, **values})


def _stamp(menu: Menu) -> str:
    """The stamp that tells the default entry has been used: the host's, or for any host the build's own."""
    if menu.default_host:
        return f"{menu.build_id}-{menu.default_host}"
    return menu.build_id if menu.auto else ""
