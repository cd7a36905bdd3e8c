"""Checks of the files on an ISO: both views, the base's files, md5sum.txt, the seeds, and what must not be there."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from isoforge.image.sectors import read_volume
from isoforge.image.tree import Node, read_tree
from isoforge.iso_layout import (
    AUTOINSTALL,
    CASPER,
    EARLY_COMMANDS,
    GRUB_CFG,
    ISOFORGE_FOLDER,
    LOOPBACK_CFG,
    MD5SUM_TXT,
    NOT_IN_MD5SUM_TXT,
    ROOT_AUTOINSTALL,
    SCRIPTS_FOLDER,
    SEED_FILES,
    SEEDS_FOLDER,
    is_reserved,
)
from isoforge.proof.manifest import HostFacts, Manifest, sha256
from isoforge.proof.read.boot_parts import REWRITTEN
from isoforge.proof.read.image import UnreadableError
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Answer, SkipError, counted, shortened
from isoforge.seed_format import GUARD, find_guard

_TEXTS = re.compile(r"/md5sum\.txt|/boot/grub/.*\.cfg|/isolinux/.*|/\.disk/casper-uuid-.*|/boot/boot\.cat")
"""What remasters of other makers change with good reason."""

_SQUASHFS = b"hsqs"
"""How a squashfs file system begins (Linux, fs/squashfs/squashfs_fs.h)."""

_LOADS_MENU = re.compile(r"^\s*(source|configfile)\s.*grub\.cfg", re.MULTILINE)

VIEW_LIMIT = 6
"""Paths that are listed of two views which differ: one line counts them all."""


def directories(case: Case) -> Answer:
    """The tree can be read, and every file of it ends within the image."""
    try:
        tree = case.iso.tree
    except UnreadableError:
        read_tree(case.iso.path)  # raises the reason
        raise
    faults = [
        f"{path} extends beyond the end of the image"
        for path, node in tree.items()
        if node.extent + node.size > case.iso.size
    ]
    faults += [f"{path} {node.problem}" for path, node in tree.items() if node.problem]
    faults += [f"{path} is incomplete: its last record says that more follows" for path in tree if tree[path].continues]
    faults += [
        f"{path} is not a squashfs file system: the live system does not start"
        for path, node in tree.items()
        if path.suffix == ".squashfs" and path.parent == CASPER
        if node.kind == "file" and case.iso.bytes_at(node.extent, len(_SQUASHFS)) != _SQUASHFS
    ]
    return Answer(detail=f"{counted(len(tree), 'file')}, directories and links", faults=shortened(faults))


def views(case: Case) -> Answer:
    """A USB stick's first partition shows what a CD shows: the same paths at the same offsets, so the same content."""
    first = next((part for part in case.iso.partitions if part.number == 1), None)
    if first is None or first.start == 0:
        raise SkipError("no partition has a file system of its own")
    if not case.iso.title and case.base is None and read_volume(case.iso.path, first.start) is None:
        raise SkipError("partition 1 has no file system of its own, and the ISO is not one of Ubuntu's")
    cd, usb = case.iso.tree, case.iso.usb_tree
    faults = [
        *(f"{path} is missing in the USB view" for path in cd if path not in usb),
        *(f"{path} is only in the USB view" for path in usb if path not in cd),
        *(
            f"{path} differs between USB view and CD view"
            for path, node in cd.items()
            if path in usb and _location(usb[path]) != _location(node)
        ),
    ]
    if faults:
        faults.insert(0, f"USB view and CD view differ in {counted(len(faults), 'path')} (was the ISO grown in place?)")
    return Answer(
        detail=f"CD view and USB view, {counted(len(cd), 'path')} with their offsets",
        faults=shortened(faults, VIEW_LIMIT),
    )


def _location(node: Node) -> tuple[str, int, int, str]:
    return (node.kind, node.extent, node.size, node.target)


def shadowing(case: Case) -> Answer:
    """No file on the ISO is read in place of the menu or of the seeds."""
    faults = []
    shadow = case.iso.layout.shadowing_menu
    if shadow in case.iso.tree and not _LOADS_MENU.search(case.iso.text(shadow)):
        faults.append(f"{shadow} shadows {GRUB_CFG}: UEFI machines show it instead of the menu")
    if ROOT_AUTOINSTALL in case.iso.tree:
        faults.append(f"{ROOT_AUTOINSTALL} is in the root folder: every entry without a seed would install by it")
    return Answer(detail=f"looked for {shadow} and {ROOT_AUTOINSTALL}", faults=tuple(faults))


def base_files(case: Case) -> Answer:
    """Every file of the base ISO is present and unchanged, except those that a build replaces."""
    before, tree = case.the_base.tree, case.iso.tree
    replaced = _replaced(case)
    differing = case.reading.differing if case.reading else frozenset()
    removed = set(case.manifest.hook.removed) if case.manifest and case.manifest.hook else set()
    faults, remarks, same = [], [], 0
    for path, node in before.items():
        now = tree.get(path)
        if now is None and str(path) in removed:
            continue
        if now is None:
            faults.append(f"{path} of the base ISO is missing")
        elif path in replaced or path in REWRITTEN:
            continue
        elif _same_kind(node, now) and now.extent + now.size <= case.iso.size and path not in differing:
            same += 1
        elif case.manifest is None and _TEXTS.fullmatch(str(path)):
            remarks.append(f"{path} differs from the base ISO's")
        else:
            faults.append(f"{path} differs from the base ISO's")
    if case.manifest:
        expected = _added(case)
        faults += [
            f"unexpected file on the ISO: {path}"
            for path in tree.keys() - before.keys() - expected
            if case.staged or not (ISOFORGE_FOLDER in path.parents or is_reserved(path))
        ]
    how = "byte by byte" if case.reading else "by type and size"
    return Answer(
        detail=f"{same} of the base ISO's files, {how}", faults=shortened(sorted(faults)), remarks=tuple(remarks)
    )


def _same_kind(one: Node, two: Node) -> bool:
    return (one.kind, one.size, one.target) == (two.kind, two.size, two.target)


def _replaced(case: Case) -> frozenset[PurePosixPath]:
    listed = {PurePosixPath(path) for path in case.manifest.replaced} if case.manifest else set()
    if case.manifest and case.manifest.hook:
        listed |= {PurePosixPath(file.path) for file in case.manifest.hook.changed}
    return frozenset(listed | case.staged.keys())


def _added(case: Case) -> frozenset[PurePosixPath]:
    """The paths that a build adds to the base ISO, and the folders that contain them."""
    additions = {PurePosixPath(file.path) for file in case.the_manifest.added}
    files = _seed_paths(case.the_manifest) | _replaced(case) | additions | {ISOFORGE_FOLDER, LOOPBACK_CFG}
    return files | {folder for path in files for folder in path.parents}


def _seed_paths(manifest: Manifest) -> frozenset[PurePosixPath]:
    """The files that the hosts of ``manifest`` may have."""
    names = (*SEED_FILES, AUTOINSTALL, EARLY_COMMANDS)
    others = {PurePosixPath(path) for host in manifest.hosts for path in host.file_digests}
    return frozenset(others | {PurePosixPath(host.seed) / name for host in manifest.hosts for name in names})


def seeds(case: Case) -> Answer:
    """Every seed, every file for an installed system or for detecting machines, and every script has the manifest's
    digest; there are no others."""
    digests = {
        PurePosixPath(host.seed) / name: digest
        for host in case.the_manifest.hosts
        for name, digest in host.seed_digests.items()
    }
    for host in case.the_manifest.hosts:
        digests |= {PurePosixPath(path): digest for path, digest in host.file_digests.items()}
    hook = case.the_manifest.hook
    replaced = {*case.the_manifest.replaced, *map(str, case.staged)}  # by isoforge, after the hook
    own = [file for file in hook.changed if file.path not in replaced] if hook else []
    others = (*case.the_manifest.added, *own, *case.the_manifest.detect_files, *case.the_manifest.scripts)
    others += case.the_manifest.report_files
    digests |= {PurePosixPath(file.path): file.sha256 for file in others}
    faults = []
    for path, digest in digests.items():
        if path not in case.iso.tree:
            faults.append(f"{path} is missing")
        elif sha256(case.iso.content(path)) != digest:
            faults.append(f"{path} differs from the manifest's")
    faults += [fault for host in case.the_manifest.hosts for fault in _in_guard(case, host)]
    ours = _seed_paths(case.the_manifest)
    faults += [
        f"unexpected script: {path} is not one of the manifest"
        for path in case.iso.tree
        if SCRIPTS_FOLDER in path.parents and path not in digests
    ]
    faults += [
        f"unexpected seed file: {path} belongs to no host of the manifest"
        for path, node in case.iso.tree.items()
        if SEEDS_FOLDER in path.parents and node.kind != "directory" and path not in ours and not is_reserved(path)
    ]
    hosts = counted(len(case.the_manifest.hosts), "host")
    return Answer(
        detail=f"{counted(len(digests), 'file')} of {hosts}, SHA-256 as in the manifest", faults=shortened(faults)
    )


def _in_guard(case: Case, host: HostFacts) -> Iterator[str]:
    """What the manifest states of the guard is in the seed itself: nothing else stops another machine."""
    path = PurePosixPath(host.seed) / "user-data"
    node = case.iso.find(path)
    if node is None or node.kind != "file":
        return
    guard = find_guard(case.iso.content(path), host.name)
    keys = guard.keys if guard else None
    if host.guarded != (keys is not None):
        stated, real = ("a guard", "none") if host.guarded else ("no guard", "one")
        yield f"{path} has {real}, the manifest states {stated}"
    elif keys is not None and host.match and keys != host.match:
        expected = ", ".join(host.match)
        yield f"the guard in {path} compares {', '.join(keys) or 'nothing'}, expected {expected} (manifest)"
    if guard and guard.script_sha256 is not None:
        script = case.iso.find(SCRIPTS_FOLDER / GUARD)
        if script is None or script.kind != "file":
            yield f"{path} calls {SCRIPTS_FOLDER / GUARD}, which is missing: no machine would be installed"
        elif sha256(case.iso.content(SCRIPTS_FOLDER / GUARD)) != guard.script_sha256:
            yield f"{path} expects another {SCRIPTS_FOLDER / GUARD}: no machine would be installed"


def staged(case: Case) -> Answer:
    """The files on the ISO are byte-identical to those that the build staged."""
    faults = []
    for path, content in case.staged.items():
        if path not in case.iso.tree:
            faults.append(f"{path} is missing")
        elif case.iso.content(path) != content:
            faults.append(f"{path} differs from the staged file")
    return Answer(detail=f"{counted(len(case.staged), 'staged file')}, byte by byte", faults=shortened(faults))


def md5sum(case: Case) -> Answer:
    """md5sum.txt is correct for every file that it lists and, on an ISO of ours, lists every file that it should."""
    if MD5SUM_TXT not in case.iso.tree:
        if case.base and MD5SUM_TXT in case.base.tree:
            return Answer(detail="md5sum.txt", faults=("md5sum.txt is missing",))
        raise SkipError("the ISO has no md5sum.txt")
    listed, faults = _listed(case.iso.text(MD5SUM_TXT))
    digests = case.reading.md5s if case.reading else _md5s_of_staged(case)
    correct = 0
    for path, digest in listed.items():
        node = case.iso.tree.get(path)
        if node is None or node.kind == "directory":
            faults.append(f"md5sum.txt lists {path}, which does not exist")
        elif path in digests and digests[path] != digest:
            faults.append(f"md5sum.txt is stale: {path} has another MD5")
        else:
            correct += path in digests
    unlisted = [
        path
        for path, node in case.iso.tree.items()
        if node.kind == "file" and path not in listed and path.name not in NOT_IN_MD5SUM_TXT
    ]
    remarks = []
    if case.manifest:
        faults += [f"md5sum.txt does not list {path}" for path in unlisted]
    elif unlisted:
        remarks.append(f"md5sum.txt does not list {counted(len(unlisted), 'file')}, for example {unlisted[0]}")
    how = "read" if case.reading else "changed and read"
    return Answer(
        detail=f"{counted(len(listed), 'line')}, {counted(correct, 'file')} {how}",
        faults=shortened(faults),
        remarks=tuple(remarks),
    )


def _listed(text: str) -> tuple[dict[PurePosixPath, str], list[str]]:
    """The MD5 of each file that md5sum.txt lists, and a fault for each line that is not valid."""
    listed, faults = {}, []
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.fullmatch(r"([0-9a-f]{32}) [ *](?:\./|/)?(.+)", line)
        if match:
            listed[PurePosixPath("/", match[2])] = match[1]
        elif line.strip():
            faults.append(f"line {number} of md5sum.txt is not valid: {line[:60]!r}")
    return listed, faults


def _md5s_of_staged(case: Case) -> Mapping[PurePosixPath, str]:
    """The MD5 of the files that a build changed, read from the ISO."""
    paths = [path for path in case.staged if path in case.iso.tree]
    return {path: hashlib.md5(case.iso.content(path), usedforsecurity=False).hexdigest() for path in paths}
