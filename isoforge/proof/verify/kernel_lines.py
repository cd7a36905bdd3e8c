"""Checks of the boot menus: is every kernel line one that brings up the installer with its seed?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from isoforge.iso_layout import (
    CASPER,
    CDROM,
    GRUB_CFG,
    ISO_SCAN,
    KERNEL_LINE_LIMIT,
    LOCAL_DISK,
    LOOPBACK_CFG,
    entry_id,
    is_reserved,
)
from isoforge.proof.manifest import HostFacts
from isoforge.proof.read.grub import BootMenu, Entry
from isoforge.proof.read.image import Image
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Found, SkipError, counted
from isoforge.proof.verify.files import shortened

_DEVICE = re.compile(r"^\([^)]*\)")
_SEED = re.compile(r"(?:^|;)(?:s|seedfrom)=([^;]*)")
_FLAVOUR = re.compile(r"(vmlinuz|initrd)|\.(efi|signed|gz|lz|lz4|xz|zst)$|\.(efi)\.signed$")
_HEADERS = (
    *(b"#cloud-config", b"#cloud-boothook", b"#include", b"#!", b"#part-handler", b"## template"),
    *(b"content-type", b"mime-version", b"\x1f\x8b"),
)
"""How user-data that cloud-init takes for something begins (cloud-init, handlers, INCLUSION_TYPES_MAP)."""


def kernel_lines(case: Case) -> Found:
    """Every entry of every menu that starts the live system is well-formed, and what it names is there."""
    if GRUB_CFG not in case.iso.tree and not case.iso.menus:
        return Found(compared="no menu", faults=(f"{GRUB_CFG} is missing: GRUB has no menu to show",))
    faults, count = [], 0
    for place, menu in case.iso.menus.items():
        faults += [f"{place}: {problem}" for problem in menu.problems]
        for entry in menu.entries:
            if entry.linux:
                count += 1
                where = f"{entry.file or place}:{entry.line}" + (f" {entry.title!r}" if entry.title else "")
                faults += [f"{where}: {fault}" for fault in _in_entry(case.iso, place, entry)]
    names = ", ".join(place.name for place in case.iso.menus)
    return Found(compared=f"{counted(count, 'line')} in {names}", faults=shortened(faults))


def _in_entry(iso: Image, place: PurePosixPath, entry: Entry) -> Iterator[str]:
    kernel = _place(entry.linux[0])
    if kernel is not None and kernel not in iso.tree:
        yield f"its kernel {kernel} is not on the ISO"
    if not is_live(entry):
        return
    yield from _in_initrd(iso, entry, kernel)
    if entry.cut:
        yield f"a bare ; cuts the kernel line: the kernel never gets {entry.cut!r}"
    words = entry.linux[1:]
    dashes = words.count("---")
    if dashes != 1 and not entry.cut:
        yield f"its kernel line has {dashes} of the --- that ends the installer's part, not one"
    length = len(" ".join(entry.linux).encode("utf-8", errors="surrogateescape"))
    if length > KERNEL_LINE_LIMIT:
        yield f"its kernel line has {length} bytes, more than {KERNEL_LINE_LIMIT}"
    before = words[: words.index("---")] if dashes else words
    if place == LOOPBACK_CFG and not any(word.startswith(ISO_SCAN) for word in before):
        yield f"it does not say {ISO_SCAN}: started from a file, casper finds no medium"
    yield from _in_uuid(iso, before)
    yield from _in_words(iso, before, words[len(before) :], literal=place.parent.name == "isolinux")


def is_live(entry: Entry) -> bool:
    """Whether an entry starts Ubuntu's live system, and not a memory test or another system's kernel."""
    told = {"boot=casper", "autoinstall", "---"}
    return f"{CASPER}/" in entry.linux[0] or any(word in told or word.startswith("ds=") for word in entry.linux[1:])


def _in_initrd(iso: Image, entry: Entry, kernel: PurePosixPath | None) -> Iterator[str]:
    if not entry.initrd:
        yield "it loads no initrd"
    for word in entry.initrd:
        file = _place(word)
        if file is None:
            continue
        if file not in iso.tree:
            yield f"its initrd {file} is not on the ISO"
        elif kernel and file.parent == kernel.parent and "initrd" in file.name and _flavour(file) != _flavour(kernel):
            yield f"{kernel} and {file} are no pair: kernel and initrd of different flavours"


def _in_uuid(iso: Image, words: Iterable[str]) -> Iterator[str]:
    """casper takes a medium for its own if a .disk/casper-uuid-* holds what ``uuid=`` says (casper, scripts/casper)."""
    for word in words:
        if word.startswith("uuid=") and word.removeprefix("uuid=") not in iso.casper_uuids:
            yield f"{word} belongs to another medium: no /.disk/casper-uuid-* holds it"


def _flavour(file: PurePosixPath) -> str:
    """What tells one pair of kernel and initrd from another in the name of either."""
    return _FLAVOUR.sub("", _FLAVOUR.sub("", file.name))


def _place(word: str) -> PurePosixPath | None:
    """The file on the ISO that a word of a menu names; None where a variable decides."""
    if "$" in word:
        return None
    return PurePosixPath("/", _DEVICE.sub("", word).lstrip("/"))


def _in_words(iso: Image, before: tuple[str, ...], after: tuple[str, ...], *, literal: bool) -> Iterator[str]:
    """What is wrong with the installer's words ``before`` the dashes and with those ``after`` them."""
    for word in after:
        if word == "autoinstall" or word.startswith("ds="):
            yield f"{word} stands behind the ---: the installed system gets it too"
    for word in (*before, *after):
        if word.startswith("autoinstall="):
            yield f"{word} is not the bare word autoinstall: the installer asks before it installs"
        if literal and re.search(r"[\\'\"]", word):
            yield f"isolinux hands {word} on with its quotes or backslashes, which cloud-init does not take"
        elif word.startswith("ds=nocloud"):
            yield from _in_seed(iso, word)


def _seed_address(word: str) -> str:
    """The address of the seed that a kernel word ``ds=nocloud;s=…`` names; empty if it is no such word."""
    found = _SEED.search(word.partition(";")[2]) if word.startswith("ds=nocloud") else None
    return found[1] if found else ""


def seed_folder(word: str) -> PurePosixPath | None:
    """The folder of the ISO that a kernel word names as the seed; None if it names none, or one found at boot."""
    address = _seed_address(word).removeprefix("file://")
    if not f"{address}/".startswith(f"{CDROM}/") or "$" in address or "__dmi." in address or "%s" in address:
        return None
    return PurePosixPath("/", address.removeprefix(str(CDROM)).strip("/"))


def _in_seed(iso: Image, word: str) -> Iterator[str]:
    """What is wrong with the seed that ``word`` names."""
    address, folder = _seed_address(word), seed_folder(word)
    if re.match(r"file://[^/]", address):
        yield f"{address} names a host, not a folder: file:/// has three slashes"
    if folder is None:
        return
    if not address.endswith("/"):
        yield f"the seed {address} lacks the slash at its end: cloud-init before 23.1 looks for {address}user-data"
    if folder not in iso.tree and folder != PurePosixPath("/"):
        yield f"its seed folder {folder} is not on the ISO"
        return
    for name in ("user-data", "meta-data"):
        if folder / name not in iso.tree:
            yield f"its seed has no {folder / name}: the installer would ask for everything"
    if folder / "user-data" in iso.tree:
        begin = iso.content(folder / "user-data")[:64].lstrip().lower()
        if not begin.startswith(_HEADERS):
            yield f"{folder / 'user-data'} does not begin with #cloud-config: cloud-init ignores it"


def menu(case: Case) -> Found:
    """The menu's default is one of its entries; on an ISO of ours each host has its entry, as the manifest says."""
    if GRUB_CFG not in case.iso.menus:
        raise SkipError("there is no GRUB menu")
    told = case.iso.menus[GRUB_CFG]
    faults = list(_in_default(told))
    if case.manifest is None:
        return Found(compared=counted(len(told.entries), "entry", "entries"), faults=tuple(faults))
    hosts = case.manifest.hosts
    for place in (GRUB_CFG, LOOPBACK_CFG):
        if place in case.iso.menus:
            faults += [f"{place}: {fault}" for fault in _in_hosts(case.iso.menus[place], hosts)]
    default = entry_id(case.manifest.default_host) if case.manifest.default_host else LOCAL_DISK
    if default not in {value.split(">")[-1] for value in told.variables.get("default", ())}:
        faults.append(f"the timeout does not start {default}, which the manifest names")
    if str(case.manifest.timeout_s) not in told.variables.get("timeout", ()):
        faults.append(f"the timeout is not {case.manifest.timeout_s} s, which the manifest says")
    return Found(compared=f"entries of {counted(len(hosts), 'host')}, default, timeout", faults=shortened(faults))


def _in_hosts(told: BootMenu, hosts: tuple[HostFacts, ...]) -> Iterator[str]:
    lines: dict[str, list[Entry]] = {}
    for entry in told.entries:
        words = [word for word in entry.linux[1:] if not word.startswith(ISO_SCAN)]
        lines.setdefault(" ".join(words), []).append(entry)
    for host in hosts:
        entries = lines.pop(host.kernel_line, [])
        if len(entries) != 1:
            yield f"{len(entries)} entries hand the kernel line of {host.name} on as the manifest says, not one"
            continue
        (entry,) = entries
        if (entry.linux[0], *entry.initrd) != (host.kernel, host.initrd):
            yield f"the entry of {host.name} starts {' and '.join((entry.linux[0], *entry.initrd))}"
        if entry.title != host.title:
            yield f"the entry of {host.name} is called {entry.title!r}, the manifest says {host.title!r}"
        if entry.inside != host.submenu:
            where = " > ".join(entry.inside) or "no submenu"
            yield f"the entry of {host.name} lies in {where}, the manifest says {' > '.join(host.submenu) or 'in none'}"
    for line, entries in lines.items():
        folders = list(filter(None, map(seed_folder, line.split())))
        if "autoinstall" in line.split() and not any(map(is_reserved, folders)):
            yield f"the entry {entries[0].title!r} installs, and is none of the manifest's hosts"


def _in_default(told: BootMenu) -> Iterator[str]:
    """A default that names no entry makes GRUB start the first one."""
    known = {name for entry in told.entries for name in (entry.title, entry.entry_id, *entry.inside)}
    for value in told.variables.get("default", ()):
        *ways, name = value.split(">")
        if name and not name.isdigit() and "$" not in name and name not in known | told.submenus | {"saved"}:
            yield f"the default {value!r} names no entry of the menu"
        elif strange := [way for way in ways if not way.isdigit() and way not in known | told.submenus]:
            yield f"the default {value!r} leads through {strange[0]!r}, which is no submenu of the menu"
