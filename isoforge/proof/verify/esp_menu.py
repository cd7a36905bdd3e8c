"""The scripts of GRUB inside the EFI system partition: if there is one, it must lead on to the menu of the ISO."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from isoforge.image.layouts import LAYOUTS
from isoforge.iso_layout import GRUB_CFG
from isoforge.proof.read.boot_parts import esp_partition
from isoforge.proof.read.fat import Fat, FatError
from isoforge.proof.read.grub import commands
from isoforge.proof.read.grub_machine import Medium
from isoforge.proof.read.grub_menu import Evaluation, evaluate, first_state
from isoforge.proof.read.grub_state import Budget, State
from isoforge.proof.read.image import Image
from isoforge.proof.verify.boot_records import is_fat
from isoforge.proof.verify.situations import bare_machine

CONFIGS = (
    *("/EFI/BOOT/grub.cfg", "/EFI/ubuntu/grub.cfg", "/EFI/debian/grub.cfg"),
    *(str(GRUB_CFG), *dict.fromkeys(str(layout.shadowing_menu) for layout in LAYOUTS)),
)
"""Where GRUBs look for their first script in the partition that they were started from; official ISOs have none."""

_ESP = "esp"
"""The device of the partition in the evaluation; what a script reads of it is not followed."""

_FOLLOWED = frozenset({
    *("search", "set", "insmod", "configfile", "source", ".", "normal", "[", "test", "echo", "true", "false"),
    *("clear", "fi", "export"),
})  # fmt: skip
"""The commands of a script that leads on to the menu, and does the same on every machine."""

_SET = re.compile(r"(?:prefix|root)=")


def in_esp(image: Image, medium: Medium) -> Iterator[str]:
    """What is wrong with the GRUB scripts in the ESP of ``image``; ``medium`` is the ISO as GRUB sees it."""
    budget = Budget()
    first = image.layout.first_menu("efi", image.tree)
    menu = functools.cache(lambda: evaluate(first_state(bare_machine(image, "efi"), medium, budget=budget), first))
    number = 0
    for start in _starts(image):
        try:
            fat = Fat(lambda offset, size, start=start: image.bytes_at(start + offset, size))  # type: ignore[misc]
            for path in CONFIGS:
                for content in fat.files(path):
                    number += 1
                    text = content.decode("utf-8", errors="surrogateescape")
                    script = _Script(path=path, text=text, file=PurePosixPath(f"/\0{number}"))
                    for fault in (
                        *_in_commands(fat, text),
                        *_in_run(_state(image, medium, budget, script), script, menu()),
                    ):
                        yield f"{path} in the EFI system partition (ESP) {fault}"
        except FatError as error:
            yield f"the EFI system partition (ESP) cannot be searched for a grub.cfg: {error}"


def _starts(image: Image) -> list[int]:
    """The first byte of each FAT image that an UEFI may start."""
    partition, catalog = esp_partition(image), image.boot_catalog
    starts = [partition.start] if partition else []
    starts += [each.start for each in catalog.images if each.platform == "UEFI"] if catalog else []
    return [start for start in dict.fromkeys(starts) if is_fat(image, start, image.size)]


def _in_commands(fat: Fat, text: str) -> Iterator[str]:
    """Commands whose effect depends on the machine, and searches that may find the ESP itself."""
    for command in commands(text):
        words = command.words
        if not words or _SET.match(words[0]):
            continue
        if words[0] not in _FOLLOWED:
            yield f"cannot be followed: line {command.line}: {words[0]}"
        elif words[0] in ("set", "export") and not _SET.match(f"{words[-1]}="):
            yield f"cannot be followed: line {command.line}: {' '.join(words)}"
        elif words[0] == "search":
            for word in words[1:]:
                if "$" in word or (word.startswith("/") and fat.has(word)):
                    yield f"searches for {word}, which may be found in the ESP itself (line {command.line})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Script:
    """A script in the ESP: its path there, its text, and the ``file`` that it is in the evaluation, which has a name
    that no file of an ISO has."""

    path: str
    text: str
    file: PurePosixPath


def _state(image: Image, medium: Medium, budget: Budget, script: _Script) -> State:
    """The state of a GRUB that was started from the ESP and is about to read ``script``."""
    laid_over = replace(
        medium,
        paths={**medium.paths, script.file: "file"},
        read=lambda name: script.text if name == script.file else medium.read(name),
    )
    variables = {"root": _ESP, "prefix": f"({_ESP}){script.path.rpartition('/')[0]}"}
    state = first_state(bare_machine(image, "efi"), laid_over, variables, budget=budget)
    state.opaque.add(_ESP)
    return state


def _in_run(state: State, script: _Script, menu: Evaluation) -> Iterator[str]:
    """What GRUB shows after ``script``, compared with the ``menu`` of the ISO."""
    evaluation = evaluate(state, f"({state.medium.device}){script.file}")
    for note in evaluation.unfollowed:
        if note not in menu.unfollowed:
            where = f"line {note.line}" if note.file == str(script.file) else f"{note.file}:{note.line}"
            yield f"cannot be followed: {where}: {note.text}"
    for note in evaluation.errors:
        if note not in menu.errors:
            yield f"prints error: {note.text}"
    if not evaluation.stopped and (evaluation.start is None or _shown(evaluation) != _shown(menu)):
        yield f"does not lead to the menu of {GRUB_CFG}"


def _shown(evaluation: Evaluation) -> object:
    """The entries of the menu, and what the timeout starts."""
    return evaluation.start, evaluation.state.context.menu
