"""Checks of the files on an ISO: both views, the base's files, md5sum.txt, and what must not be there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from isoforge.image.tree import Node, read_tree
from isoforge.iso_layout import (
    AUTOINSTALL,
    BIOS_BOOT_IMAGE,
    BOOT_CATALOG,
    EARLY_COMMANDS,
    GRUB_CFG,
    ISOFORGE_FOLDER,
    MD5SUM_TXT,
    NOT_IN_MD5SUM_TXT,
    ROOT_AUTOINSTALL,
    SEED_FILES,
    SEEDS_FOLDER,
    SHADOWING_MENU,
    is_reserved,
)
from isoforge.proof.manifest import Manifest
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Found, SkipError, counted

REWRITTEN = frozenset({BOOT_CATALOG, BIOS_BOOT_IMAGE})
"""Files that hold addresses, which every writer of ISOs writes anew."""

_TEXTS = re.compile(r"/md5sum\.txt|/boot/grub/.*\.cfg|/isolinux/.*|/\.disk/casper-uuid-.*|/boot/boot\.cat")
"""What remasters of other makers change with good reason."""

_ON_TO_THE_MENU = re.compile(r"^\s*(source|configfile)\s.*grub\.cfg", re.MULTILINE)


def directories(case: Case) -> Found:
    """The tree can be read, and every file of it lies within the image."""
    try:
        tree = case.iso.tree
    except SkipError:
        read_tree(case.iso.path)  # says why
        raise
    faults = [f"{path} ends behind the image" for path, node in tree.items() if node.extent + node.size > case.iso.size]
    return Found(compared=f"{counted(len(tree), 'file')}, directories and links", faults=shortened(faults))


def views(case: Case) -> Found:
    """A stick's first partition shows what a CD shows: the same names at the same place, so the same content."""
    first = next((part for part in case.iso.gpt.partitions if part.number == 1), None) if case.iso.gpt else None
    if first is None or first.start == 0:
        raise SkipError("no partition holds a tree of its own")
    tree, stick = case.iso.tree, case.iso.stick
    differing = [
        *(f"{path} is missing on a stick (partition view)" for path in tree if path not in stick),
        *(f"{path} is only on a stick (partition view)" for path in stick if path not in tree),
        *(
            f"{path} is another one on a stick (partition view) than on a CD"
            for path, node in tree.items()
            if path in stick and _shown(stick[path]) != _shown(node)
        ),
    ]
    if differing:
        names = counted(len(differing), "name")
        differing.insert(0, f"a stick shows another tree than a CD, {names} differ: as after growing the ISO in place")
    return Found(
        compared=f"device view and partition view, {counted(len(tree), 'name')} with their places",
        faults=shortened(differing, 6),
    )


def _shown(node: Node) -> tuple[str, int, int, str]:
    return (node.kind, node.extent, node.size, node.target)


def shadowing(case: Case) -> Found:
    """Nothing on the ISO takes the place of the menu or of the seeds."""
    faults = []
    if SHADOWING_MENU in case.iso.tree and not _ON_TO_THE_MENU.search(case.iso.text(SHADOWING_MENU)):
        faults.append(f"{SHADOWING_MENU} shadows {GRUB_CFG}: UEFI machines show it in place of the menu")
    if ROOT_AUTOINSTALL in case.iso.tree:
        faults.append(f"{ROOT_AUTOINSTALL} lies at the root: every entry without a seed would install by it")
    return Found(compared=f"looked for {SHADOWING_MENU} and {ROOT_AUTOINSTALL}", faults=tuple(faults))


def base_files(case: Case) -> Found:
    """Every file of the base is still there and unchanged, except those that were to be replaced."""
    before, tree = case.the_base.tree, case.iso.tree
    replaced = _replaced(case)
    differing = case.reading.differing if case.reading else frozenset()
    faults, remarks, same = [], [], 0
    for path, node in before.items():
        now = tree.get(path)
        if now is None:
            faults.append(f"{path} of the base is missing")
        elif path in replaced or path in REWRITTEN:
            continue
        elif _same_kind(node, now) and now.extent + now.size <= case.iso.size and path not in differing:
            same += 1
        elif case.manifest is None and _TEXTS.fullmatch(str(path)):
            remarks.append(f"{path} differs from the base's")
        else:
            faults.append(f"{path} is not the base's")
    if case.manifest:
        wanted = _wanted(case)
        faults += [
            f"{path} is on the ISO, and nobody put it there"
            for path in tree.keys() - before.keys() - wanted
            if case.staged or not (ISOFORGE_FOLDER in path.parents or is_reserved(path))
        ]
    how = "to the byte" if case.reading else "by kind and size"
    return Found(
        compared=f"{same} of the base's files, {how}", faults=shortened(sorted(faults)), remarks=tuple(remarks)
    )


def _same_kind(one: Node, two: Node) -> bool:
    return (one.kind, one.size, one.target) == (two.kind, two.size, two.target)


def _replaced(case: Case) -> frozenset[PurePosixPath]:
    told = {PurePosixPath(place) for place in case.manifest.replaced} if case.manifest else set()
    return frozenset(told | case.staged.keys())


def _wanted(case: Case) -> frozenset[PurePosixPath]:
    """What a build adds to the base, and the folders that it lies in."""
    files = _seed_places(case.the_manifest) | _replaced(case) | {ISOFORGE_FOLDER}
    return files | {folder for path in files for folder in path.parents}


def _seed_places(manifest: Manifest) -> frozenset[PurePosixPath]:
    """Where the hosts of ``manifest`` have files."""
    names = (*SEED_FILES, AUTOINSTALL, EARLY_COMMANDS)
    return frozenset(PurePosixPath(host.seed) / name for host in manifest.hosts for name in names)


def seeds(case: Case) -> Found:
    """Every seed is the manifest's to the byte, with what finds out which is the machine's, and there is no other."""
    wanted = {
        PurePosixPath(host.seed) / name: digest
        for host in case.the_manifest.hosts
        for name, digest in host.seed_digests.items()
    }
    wanted |= {PurePosixPath(file.path): file.sha256 for file in case.the_manifest.detect_files}
    faults = []
    for place, digest in wanted.items():
        if place not in case.iso.tree:
            faults.append(f"{place} is missing")
        elif hashlib.sha256(case.iso.content(place)).hexdigest() != digest:
            faults.append(f"{place} is not the manifest's")
    ours = _seed_places(case.the_manifest)
    faults += [
        f"{path} is on the ISO, and no host of the manifest has it"
        for path, node in case.iso.tree.items()
        if SEEDS_FOLDER in path.parents and node.kind != "directory" and path not in ours and not is_reserved(path)
    ]
    hosts = counted(len(case.the_manifest.hosts), "host")
    return Found(
        compared=f"{counted(len(wanted), 'file')} of {hosts}, SHA-256 of the manifest", faults=shortened(faults)
    )


def staged(case: Case) -> Found:
    """What was written is what was staged, to the byte."""
    faults = []
    for place, content in case.staged.items():
        if place not in case.iso.tree:
            faults.append(f"{place} is missing")
        elif case.iso.content(place) != content:
            faults.append(f"{place} is not what was staged")
    return Found(compared=f"{counted(len(case.staged), 'file')}, to the byte", faults=shortened(faults))


def md5sum(case: Case) -> Found:
    """md5sum.txt is true for every file that it lists and, on an ISO of ours, lists every file that it should."""
    if MD5SUM_TXT not in case.iso.tree:
        if case.base and MD5SUM_TXT in case.base.tree:
            return Found(compared="md5sum.txt", faults=("md5sum.txt is missing",))
        raise SkipError("there is no md5sum.txt")
    listed, faults = _listed(case.iso.text(MD5SUM_TXT))
    digests = case.reading.md5s if case.reading else _md5s_of_staged(case)
    true = 0
    for place, digest in listed.items():
        node = case.iso.tree.get(place)
        if node is None or node.kind == "directory":
            faults.append(f"md5sum.txt lists {place}, which is not there")
        elif place in digests and digests[place] != digest:
            faults.append(f"md5sum.txt is stale: {place} has another MD5")
        else:
            true += place in digests
    unlisted = [
        path
        for path, node in case.iso.tree.items()
        if node.kind == "file" and path not in listed and path.name not in NOT_IN_MD5SUM_TXT
    ]
    remarks = []
    if case.manifest:
        faults += [f"md5sum.txt does not list {path}" for path in unlisted]
    elif unlisted:
        remarks.append(f"md5sum.txt does not list {counted(len(unlisted), 'file')}, {unlisted[0]} among them")
    how = "read" if case.reading else "changed and read"
    return Found(
        compared=f"{counted(len(listed), 'line')}, {counted(true, 'file')} {how}",
        faults=shortened(faults),
        remarks=tuple(remarks),
    )


def _listed(text: str) -> tuple[dict[PurePosixPath, str], list[str]]:
    """The MD5 of each file that md5sum.txt lists, and the lines that say nothing."""
    listed, faults = {}, []
    for number, line in enumerate(text.splitlines(), start=1):
        found = re.fullmatch(r"([0-9a-f]{32}) [ *](?:\./|/)?(.+)", line)
        if found:
            listed[PurePosixPath("/", found[2])] = found[1]
        elif line.strip():
            faults.append(f"line {number} of md5sum.txt is none: {line[:60]!r}")
    return listed, faults


def _md5s_of_staged(case: Case) -> Mapping[PurePosixPath, str]:
    """The MD5 of the files that a build changed, as they lie on the ISO."""
    there = [place for place in case.staged if place in case.iso.tree]
    return {place: hashlib.md5(case.iso.content(place), usedforsecurity=False).hexdigest() for place in there}


def shortened(faults: list[str], limit: int = 20) -> tuple[str, ...]:
    """``faults``, of which those beyond ``limit`` are counted and not told: a broken tree has thousands."""
    if len(faults) <= limit:
        return tuple(faults)
    return (*faults[:limit], f"and {len(faults) - limit} more")
