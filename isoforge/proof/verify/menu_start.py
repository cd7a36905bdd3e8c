"""Check of what the menus start: each is evaluated as GRUB evaluates it, on every firmware and for every machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from isoforge import __version__
from isoforge.halves import in_halves
from isoforge.image.layouts import GRUB_FOLDER
from isoforge.iso_layout import (
    DETECT,
    GRUB_CFG,
    HOSTS_TABLE,
    ISO_SCAN,
    LOCAL_DISK,
    LOOPBACK_CFG,
    entry_id,
    is_reserved,
)
from isoforge.proof.manifest import HostFacts, Manifest
from isoforge.proof.read.grub_cache import Cache
from isoforge.proof.read.grub_machine import Medium
from isoforge.proof.read.grub_menu import Evaluation, Start, evaluate, every_entry, first_state, without_kernel
from isoforge.proof.read.grub_options import NEEDS_KERNEL
from isoforge.proof.read.grub_records import Note
from isoforge.proof.read.grub_state import ALL_STEPS, Budget
from isoforge.proof.read.image import Image
from isoforge.proof.read.kernel_args import seed_folder
from isoforge.proof.verify.case import Case
from isoforge.proof.verify.check import Answer, SkipError, counted, shortened
from isoforge.proof.verify.esp_menu import in_esp
from isoforge.proof.verify.situations import Hosts, Situation, bare_machine, read_table

PLATFORMS = {"pc": "BIOS", "efi": "UEFI"}
"""GRUB's names of the firmwares, and those of the boot catalog."""

STEPS_A_HOST = 1000
"""Commands that the evaluation may take for each host of the manifest, on all firmwares together."""

FEWEST_TO_SHARE = 200
"""From so many machines on the evaluation is shared with a second process."""

INSTALLED = "installed"
"""The id of the entry that starts what this build has installed before."""

BASE_MENU = "base-menu"
"""The id of the submenu with the base ISO's own entries: what they print and call is the base's."""


def start(case: Case) -> Answer:
    """On every firmware and machine the timeout starts what the manifest promises, and each entry boots its host."""
    image = case.iso
    platforms = _platforms(image)
    if GRUB_CFG not in image.tree or not platforms:
        raise SkipError("the ISO has no GRUB menu")
    medium = Medium(
        device="cd0",
        paths={path: node.kind for path, node in image.tree.items()},
        read=image.text,
        target=lambda path: image.tree[path].target,
        label=image.volume.volume_id,
    )
    in_partition = shortened(list(in_esp(image, medium)))
    if case.manifest is None:
        answer = _foreign(image, medium, platforms)
        return replace(answer, remarks=(*answer.remarks, *in_partition))
    answer = _Proof(image, medium, case.manifest).answer(platforms)
    return replace(answer, faults=(*answer.faults, *in_partition))


def _platforms(image: Image) -> list[str]:
    """The firmwares on which GRUB shows a menu of the ISO; isolinux's starts no GRUB."""
    catalog = image.boot_catalog
    isolinux = any(path.parts[1:2] == ("isolinux",) for path in image.tree)
    names = {boot.platform for boot in catalog.images} if catalog else set(PLATFORMS.values())
    return [key for key, name in PLATFORMS.items() if name in names and not (isolinux and key == "pc")]


def _foreign(image: Image, medium: Medium, platforms: Sequence[str]) -> Answer:
    """What the menu of an ISO that is not ours does on a machine without any values."""
    faults: list[str] = []
    remarks: list[str] = []
    starts: list[str] = []
    for platform in platforms:
        machine = bare_machine(image, platform)
        evaluation = evaluate(first_state(machine, medium), image.layout.first_menu(platform, image.tree))
        faults += evaluation.faults
        remarks += [f"not evaluated: {note}" for note in evaluation.unfollowed]
        remarks += [f"GRUB prints: {note}" for note in evaluation.errors]
        if evaluation.stopped:
            continue
        if evaluation.start is None:
            faults.append(f"{PLATFORMS[platform]}: GRUB shows no menu")
            continue
        faults += [f"{name}: GRUB prints error: {NEEDS_KERNEL}" for name in without_kernel(evaluation.state)]
        starts.append(f"{PLATFORMS[platform]} {described(evaluation.start)}")
        if "autoinstall" in evaluation.start.words and evaluation.start.wait_s is not None:
            remarks.append(f"{PLATFORMS[platform]} {described(evaluation.start)}: it installs without asking")
    unique = [list(dict.fromkeys(each)) for each in (faults, remarks)]
    return Answer(detail="; ".join(starts), faults=shortened(unique[0]), remarks=shortened(unique[1]))


def described(begun: Start) -> str:
    """A start as a person would say it."""
    name = begun.path[-1].title if begun.path else begun.how
    if begun.wait_s is None:
        return f"waits at {name!r}"
    if begun.password:
        return f"asks for a password after {begun.wait_s} s, for {name!r}"
    return f"starts {name!r} after {begun.wait_s} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The evaluation for some machines (`_Proof`); ``followed`` are the platforms on which it did not take too long."""

    faults: Mapping[str, list[str]]
    remarks: list[str]
    followed: Sequence[str]


class _Proof:
    """The evaluation of the menus of an ISO of ours; ``faults`` maps each to the machines that show it."""

    def __init__(self, image: Image, medium: Medium, manifest: Manifest) -> None:
        self.image = image
        self.medium = medium
        self.manifest = manifest
        self.hosts = {host.name: host for host in manifest.hosts}
        self.cache = Cache()
        self.budget = Budget(ALL_STEPS + STEPS_A_HOST * len(self.hosts))
        self.faults: dict[str, list[str]] = {}
        self.remarks: list[str] = []

    def answer(self, platforms: Sequence[str]) -> Answer:
        """Evaluate everything."""
        known = [host for host in read_table(self.image.text(HOSTS_TABLE)) if host.name in self.hosts]
        hosts = Hosts(known)
        installed = hosts.installed(known, self.manifest.build_id, self._default_stamp)
        situations = [*hosts.situations(known), *installed]
        parts = in_halves(lambda some: self._part(platforms, some), situations, least=FEWEST_TO_SHARE)
        for part in parts:
            for fault, where in part.faults.items():
                self.faults.setdefault(fault, []).extend(where)
            self.remarks += part.remarks
        for platform in (one for one in platforms if all(one in part.followed for part in parts)):
            self._entries(platform)
        if LOOPBACK_CFG in self.image.tree:
            self._loopback()
        firmwares = " and ".join(PLATFORMS[platform] for platform in platforms)
        faults = [f"{where[0]}{_and_more(where)}: {fault}" for fault, where in self.faults.items()]
        machines = f"the machines of {counted(len(known), 'host')} and on others"
        detail = f"{firmwares}: what starts on {machines}, after {self.manifest.timeout_s} s"
        return Answer(detail=detail, faults=shortened(faults), remarks=shortened(list(dict.fromkeys(self.remarks))))

    def _part(self, platforms: Sequence[str], situations: Sequence[Situation]) -> _Part:
        """Evaluate the menu for the machines of ``situations``."""
        part = _Proof(self.image, self.medium, self.manifest)
        part.cache, part.budget = self.cache, self.budget
        followed = list(platforms)
        for situation in situations:  # what both firmwares do is run once
            followed = [platform for platform in followed if part._machine(platform, situation)]
        return _Part(faults=part.faults, remarks=part.remarks, followed=followed)

    @property
    def _default_stamp(self) -> str:
        """The name of the stamp that a disk has, if what the timeout installs without a match has been installed."""
        if self.manifest.auto:
            return self.manifest.build_id
        return f"{self.manifest.build_id}-{self.manifest.default_host}" if self.manifest.default_host else ""

    def _fault(self, where: str, fault: object) -> None:
        self.faults.setdefault(str(fault), []).append(where)

    def _machine(self, platform: str, situation: Situation) -> bool:
        """Evaluate the menu for one machine; False if that took too long, as it then does for the others."""
        where = f"{PLATFORMS[platform]}, {situation.title}"
        machine = replace(bare_machine(self.image, platform), structures=situation.structures, disks=situation.disks)
        state = first_state(machine, self.medium, budget=self.budget)
        evaluation = evaluate(state, self.image.layout.first_menu(platform, self.image.tree), cache=self.cache)
        self._evaluated(where, evaluation)
        style = evaluation.state.value("timeout_style") or "menu"
        if style != ("hidden" if self.manifest.hidden_menu else "menu"):
            self._fault(where, f"timeout_style is {style!r}, so that nobody sees the menu or everybody does (manifest)")
        prefix = evaluation.state.value("prefix")
        if prefix != f"({self.medium.device}){GRUB_FOLDER}":
            self._fault(where, f"the menu sets prefix to {prefix!r}: GRUB does not find its modules")
        if evaluation.start is not None:
            self._start(where, evaluation.start, situation)
        elif not evaluation.stopped:
            self._fault(where, "GRUB shows no menu")
        return not evaluation.stopped

    def _start(self, where: str, begun: Start, situation: Situation) -> None:
        """Compare what the timeout starts with what the manifest promises."""
        if begun.wait_s != self.manifest.timeout_s:
            self._fault(where, f"GRUB {described(begun)}, expected after {self.manifest.timeout_s} s (manifest)")
        if begun.password and not self.manifest.menu_password:
            self._fault(where, f"GRUB {described(begun)}, expected none (manifest)")
        name = None if situation.installed else situation.host or self.manifest.default_host
        if name is None:
            expected = INSTALLED if situation.installed else entry_id(DETECT) if self.manifest.auto else LOCAL_DISK
            if begun.path and begun.path[-1].entry_id != expected:
                self._fault(where, f"GRUB {described(begun)}, expected {expected}")
            if expected != entry_id(DETECT) and begun.how == "linux":
                self._fault(where, f"GRUB {described(begun)}, which boots {begun.words[0]}")
        elif not begun.path or begun.path[-1].entry_id != entry_id(name):
            self._fault(where, f"GRUB {described(begun)}, expected the entry of {name}")
        else:
            if self.manifest.menu_password and not begun.password:
                self._fault(where, f"the entry of {name} asks for no password")
            for fault in _in_boot(begun, self.hosts.get(name)):
                self._fault(where, f"the entry of {name} {fault}")

    def _evaluated(self, where: str, evaluation: Evaluation) -> None:
        for fault in evaluation.faults:
            self._fault(where, fault)
        self._notes(where, evaluation.unfollowed, evaluation.errors)

    def _notes(self, where: str, unfollowed: Iterable[Note], errors: Iterable[Note]) -> None:
        for note in unfollowed:
            self._fault(where, f"{note.file}:{note.line} cannot be evaluated: {note.text}")
        for note in errors:
            text = f"{note.file}:{note.line}: GRUB prints error: {note.text}"
            if self.manifest.isoforge_version == __version__:
                self._fault(where, text)
            else:  # menus of earlier versions print errors where all is well
                self.remarks.append(text)

    def _entries(self, platform: str) -> None:
        """Every entry that somebody may choose: each host has one, and no other installs."""
        where = PLATFORMS[platform]
        machine = bare_machine(self.image, platform)
        state = first_state(machine, self.medium, budget=self.budget)
        self._walk(where, evaluate(state, self.image.layout.first_menu(platform, self.image.tree), cache=self.cache))
        if state.value("fallback") is not None:
            self._fault(where, f"the menu sets fallback to {state.get('fallback')!r}")

    def _loopback(self) -> None:
        """The menu for GRUBs that start the ISO as a file: it starts nothing by itself."""
        where = str(LOOPBACK_CFG)
        machine = bare_machine(self.image, "efi")
        state = first_state(machine, self.medium, {"iso_path": "/file.iso"}, budget=self.budget)
        evaluation = evaluate(state, str(LOOPBACK_CFG), cache=self.cache)
        self._evaluated(where, evaluation)
        if evaluation.start is not None and evaluation.start.wait_s is not None:
            self._fault(where, f"GRUB {described(evaluation.start)}, expected to wait for a key")
        self._walk(where, evaluation)

    def _walk(self, where: str, evaluation: Evaluation) -> None:
        """Look at every entry, in submenus too."""
        lines = {host.kernel_line: host for host in self.manifest.hosts}
        places: dict[str, set[tuple[str, int]]] = {}
        for begun, state in every_entry(evaluation.state, cache=self.cache):
            if begun.path[0].entry_id == BASE_MENU:
                self.remarks += [f"the base ISO's menu: {note}" for note in (*state.unfollowed, *state.errors)]
            else:
                self._notes(f"{where}, entry {begun.path[-1].title!r}", state.unfollowed, state.errors)
            words = [word for word in begun.words[1:] if not word.startswith(ISO_SCAN)]
            host = lines.get(" ".join(words))
            if "autoinstall" in words and host is not None:
                places.setdefault(host.name, set()).add((begun.path[-1].file, begun.path[-1].line))
                self._entry(where, begun, host)
            elif "autoinstall" in words and not any(map(is_reserved, filter(None, map(seed_folder, words)))):
                name = begun.path[-1].title
                self._fault(where, f"the entry {name!r} installs a machine, but belongs to no host of the manifest")
        for host in self.manifest.hosts:
            count = len(places.get(host.name, ()))
            if count != 1:
                self._fault(where, f"{counted(count, 'entry', 'entries')} of {host.name}, expected one")

    def _entry(self, where: str, begun: Start, host: HostFacts) -> None:
        for fault in _in_boot(begun, host):
            self._fault(where, f"the entry of {host.name} {fault}")
        if begun.path[-1].users is None and self.manifest.menu_password:
            self._fault(where, f"the entry of {host.name} asks for no password")


def _in_boot(begun: Start, host: HostFacts | None) -> Iterator[str]:
    """What is wrong with a start that must boot the installation of ``host``."""
    if host is None:
        yield "is of a host that the manifest does not have"
        return
    words = [word for word in begun.words[1:] if not word.startswith(ISO_SCAN)]
    if begun.how != "linux":
        yield f"boots no kernel: it ends with {begun.how}"
    elif (begun.words[0], *begun.initrd) != (host.kernel, host.initrd):
        yield f"boots {' and '.join((begun.words[0], *begun.initrd))}, expected {host.kernel} and {host.initrd}"
    elif " ".join(words) != host.kernel_line:
        yield f"boots with {' '.join(words)!r}, expected {host.kernel_line!r} (manifest)"


def _and_more(where: Sequence[str]) -> str:
    return f" (and {counted(len(where) - 1, 'other case')})" if len(where) > 1 else ""
