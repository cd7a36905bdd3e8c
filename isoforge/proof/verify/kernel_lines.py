"""Checks of the boot menus: is every kernel line one that brings up the installer with its seed?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from isoforge.image.medium import interrupted
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
from isoforge.proof.read.kernel_args import seed_folder
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.cd_boot import is_seed_iso
from isoforge.proof.verify.check import Answer, SkipError, counted, shortened
from isoforge.proof.verify.seed_folder import in_seed

_DEVICE = re.compile(r"^\([^)]*\)")
_FLAVOUR = re.compile(r"(vmlinuz|initrd)|\.(efi|signed|gz|lz|lz4|xz|zst)$|\.(efi)\.signed$")
_QUOTES = re.compile(r"[\\'\"]")
_PREVENTS = re.compile(
    r"(init|rdinit|systemd\.unit|break|rescue|cloud-init)=.*|break|single|rescue|emergency|cloud-init\.disabled"
)
"""Kernel arguments that keep cloud-init or the installer from being started (bootparam(7), systemd(1), cloud-init)."""

_AUTOINSTALL_PATH = "subiquity.autoinstallpath="


_Seeds = dict[tuple[str, bool], tuple[str, ...]]


def kernel_lines(case: Case) -> Answer:
    """Every entry of every menu that starts the live system is well-formed, and the files that it names exist."""
    if is_seed_iso(case.iso):
        raise SkipError("a seed ISO has no menu")
    if GRUB_CFG not in case.iso.tree and not case.iso.menus:
        return Answer(detail="no menu", faults=(f"{GRUB_CFG} is missing: GRUB has no menu to show",))
    faults, count = [], 0
    seeds: _Seeds = {}
    for path, menu in case.iso.menus.items():
        faults += [f"{path}: {problem}" for problem in menu.problems]
        for entry in menu.entries:
            if entry.linux:
                count += 1
                where = f"{entry.file or path}:{entry.line}" + (f" {entry.title!r}" if entry.title else "")
                faults += [f"{where}: {fault}" for fault in _in_entry(case.iso, path, entry, seeds)]
    names = ", ".join(path.name for path in case.iso.menus)
    return Answer(detail=f"{counted(count, 'kernel line')} in {names}", faults=shortened(faults))


def _in_entry(iso: Image, menu_file: PurePosixPath, entry: Entry, seeds: _Seeds) -> Iterator[str]:
    """``seeds`` keeps what is wrong with the seed of each word: several menus name the same."""
    kernel = _file(entry.linux[0])
    if kernel is not None:
        yield from _in_file(iso, kernel, "kernel")
    if not is_live(entry):
        return
    yield from _in_initrd(iso, entry, kernel)
    if entry.cut:
        yield f"an unquoted ; cuts the kernel line: the kernel does not get {entry.cut!r}"
    words = entry.linux[1:]
    dashes = words.count("---")
    if dashes != 1 and not entry.cut:
        yield f"the kernel line has {dashes} of the --- that ends the installer's part, expected one"
    length = len(" ".join(entry.linux).encode("utf-8", errors="surrogateescape"))
    if length > KERNEL_LINE_LIMIT:
        yield f"the kernel line has {length} bytes, the limit is {KERNEL_LINE_LIMIT}"
    before = words[: words.index("---")] if dashes else words
    yield from _in_installing(iso, before)
    if menu_file == LOOPBACK_CFG and not any(word.startswith(ISO_SCAN) for word in before):
        yield f"{ISO_SCAN} is missing: started from a file, casper finds no medium"
    yield from _in_uuid(iso, before)
    yield from _in_words(before, words[len(before) :], literal=menu_file.parent.name == "isolinux")
    for word in words:
        if word.startswith("ds=nocloud") and not (menu_file.parent.name == "isolinux" and _QUOTES.search(word)):
            key = word, "autoinstall" in before
            if key not in seeds:
                seeds[key] = tuple(in_seed(iso, word, installs=key[1]))
            yield from seeds[key]


def _in_installing(iso: Image, words: tuple[str, ...]) -> Iterator[str]:
    """What keeps a kernel line from installing, if it has ``autoinstall``."""
    if "autoinstall" not in words:
        return
    for word in words:
        if _PREVENTS.fullmatch(word) and word != "cloud-init=enabled":
            yield f"with {word} the installer is not started"
    sources = [word for word in words if word.startswith("ds=")]
    if len(sources) > 1:
        yield f"the kernel line names {len(sources)} data sources: {' '.join(sources)}"
    for path in (word.removeprefix(_AUTOINSTALL_PATH) for word in words if word.startswith(_AUTOINSTALL_PATH)):
        if path.startswith(f"{CDROM}/") and iso.find(PurePosixPath(path.removeprefix(str(CDROM)))) is None:
            yield f"the autoinstall file {path} is not on the ISO"


def is_live(entry: Entry) -> bool:
    """Whether an entry starts Ubuntu's live system, and not a memory test or another system's kernel."""
    live_args = {"boot=casper", "autoinstall", "---"}
    return f"{CASPER}/" in entry.linux[0] or any(
        word in live_args or word.startswith("ds=") for word in entry.linux[1:]
    )


def _in_initrd(iso: Image, entry: Entry, kernel: PurePosixPath | None) -> Iterator[str]:
    if not entry.initrd:
        yield "the entry loads no initrd"
    for word in entry.initrd:
        file = _file(word)
        if file is None:
            continue
        faults = list(_in_file(iso, file, "initrd"))
        yield from faults
        if (
            not faults
            and kernel
            and file.parent == kernel.parent
            and "initrd" in file.name
            and _flavour(file) != _flavour(kernel)
        ):
            yield f"{kernel} and {file} do not belong together: they are of different flavours"


def _in_file(iso: Image, path: PurePosixPath, what: str) -> Iterator[str]:
    node = iso.find(path, grub=True)
    if node is None:
        yield f"the {what} {path} is not on the ISO"
    elif node.kind == "file" and not node.size:
        yield f"the {what} {path} is empty"


def _in_uuid(iso: Image, words: Iterable[str]) -> Iterator[str]:
    """casper accepts a medium if a .disk/casper-uuid-* contains the value of ``uuid=`` (casper, scripts/casper)."""
    for word in words:
        if word.startswith("uuid=") and word.removeprefix("uuid=") not in iso.casper_uuids:
            yield f"{word} belongs to another medium: no /.disk/casper-uuid-* contains it"


def _flavour(file: PurePosixPath) -> str:
    """The part of a file name that kernel and initrd of one flavour have in common."""
    return _FLAVOUR.sub("", _FLAVOUR.sub("", file.name))


def _file(word: str) -> PurePosixPath | None:
    """The file on the ISO that a word of a menu names; None if it contains a variable."""
    if "$" in word:
        return None
    return PurePosixPath("/", _DEVICE.sub("", word).lstrip("/"))


def _in_words(before: tuple[str, ...], after: tuple[str, ...], *, literal: bool) -> Iterator[str]:
    """What is wrong with the installer's arguments ``before`` the dashes and with those ``after`` them."""
    for word in after:
        if word == "autoinstall" or word.startswith("ds="):
            yield f"{word} comes after the ---: the installed system gets it too"
    for word in (*before, *after):
        if word.startswith("autoinstall="):
            yield f"{word} must be autoinstall without a value: the installer asks before it installs"
        if literal and _QUOTES.search(word):
            yield f"isolinux passes on {word} with its quotes or backslashes, which cloud-init does not accept"


def menu(case: Case) -> Answer:
    """The menu's default is one of its entries; on an ISO of ours each host has its entry, as in the manifest."""
    if GRUB_CFG not in case.iso.menus:
        raise SkipError("the ISO has no GRUB menu")
    if case.iso.content(GRUB_CFG).startswith(interrupted()):
        fault = "an update of this medium was interrupted, and it installs nothing: run isoforge update again"
        return Answer(detail=str(GRUB_CFG), faults=(fault,))
    grub_menu = case.iso.menus[GRUB_CFG]
    faults = list(_in_default(grub_menu))
    if case.manifest is None:
        return Answer(detail=counted(len(grub_menu.entries), "entry", "entries"), faults=tuple(faults))
    hosts = case.manifest.hosts
    for path in (GRUB_CFG, LOOPBACK_CFG):
        if path in case.iso.menus:
            faults += [f"{path}: {fault}" for fault in _in_hosts(case.iso.menus[path], hosts)]
    default = entry_id(case.manifest.default_host) if case.manifest.default_host else LOCAL_DISK
    if default not in {value.split(">")[-1] for value in grub_menu.variables.get("default", ())}:
        faults.append(f"the default entry is not {default} (manifest)")
    style = "hidden" if case.manifest.hidden_menu else "menu"
    if style not in grub_menu.variables.get("timeout_style", ()):
        faults.append(f"timeout_style is not {style} (manifest)")
    if str(case.manifest.timeout_s) not in grub_menu.variables.get("timeout", ()):
        faults.append(f"the timeout is not {case.manifest.timeout_s} s (manifest)")
    return Answer(detail=f"entries of {counted(len(hosts), 'host')}, default, timeout", faults=shortened(faults))


def _in_hosts(grub_menu: BootMenu, hosts: tuple[HostFacts, ...]) -> Iterator[str]:
    variables = {f"${name}" for name in grub_menu.variables}  # what they add is for the check `start`
    lines: dict[str, list[Entry]] = {}
    for entry in grub_menu.entries:
        words = [word for word in entry.linux[1:] if not word.startswith(ISO_SCAN) and word not in variables]
        lines.setdefault(" ".join(words), []).append(entry)
    for host in hosts:
        entries = lines.pop(host.kernel_line, [])
        if len(entries) != 1:
            yield f"{len(entries)} entries have the manifest's kernel line of {host.name}, expected one"
            continue
        (entry,) = entries
        if (entry.linux[0], *entry.initrd) != (host.kernel, host.initrd):
            yield f"the entry of {host.name} starts {' and '.join((entry.linux[0], *entry.initrd))}"
        if entry.title != host.title:
            yield f"the title of the entry of {host.name} is {entry.title!r}, expected {host.title!r} (manifest)"
        if entry.inside != host.submenu:
            submenu, expected = (" > ".join(titles) or "no submenu" for titles in (entry.inside, host.submenu))
            yield f"the entry of {host.name} is in {submenu}, expected {expected} (manifest)"
    for line, entries in lines.items():
        folders = list(filter(None, map(seed_folder, line.split())))
        if "autoinstall" in line.split() and not any(map(is_reserved, folders)):
            yield f"the entry {entries[0].title!r} installs a machine, but belongs to no host of the manifest"


def _in_default(grub_menu: BootMenu) -> Iterator[str]:
    """A default that names no entry makes GRUB start the first one."""
    known = {name for entry in grub_menu.entries for name in (entry.title, entry.entry_id, *entry.inside)}
    for value in grub_menu.variables.get("default", ()):
        *submenus, name = value.split(">")
        if name and not name.isdigit() and "$" not in name and name not in known | grub_menu.submenus | {"saved"}:
            yield f"the default {value!r} is not an entry of the menu"
        elif unknown := [each for each in submenus if not each.isdigit() and each not in known | grub_menu.submenus]:
            yield f"the default {value!r} contains {unknown[0]!r}, which is not a submenu of the menu"
