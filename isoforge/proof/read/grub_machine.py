"""The machine that a GRUB script is evaluated for: its firmware, its SMBIOS table, its medium and its disks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from isoforge.proof.read.grub_lexer import GrubSyntaxError
from isoforge.proof.read.grub_syntax import Script, parse

END_OF_TABLE = 127
"""The type of the structure that ends an SMBIOS table (SMBIOS 3.7, 7.47)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """An SMBIOS structure: its type, and by their offsets its strings; ``uuid`` is at offset 8 of type 1."""

    kind: int
    strings: Mapping[int, str] = field(default_factory=dict)
    uuid: str = ""
    length: int = 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as GRUB sees it.

    ``platform`` is GRUB's name of the firmware, pc or efi, ``cpu`` that of the processor ("": amd64). ``structures``
    is the SMBIOS table. ``disks`` are its disks and partitions by GRUB's names, each with the paths of the files on it;
    a machine without any has empty disks.
    """

    platform: str
    cpu: str = ""
    structures: tuple[Structure, ...] = ()
    disks: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def firmware(self) -> str:
        """GRUB's name of the firmware."""
        return self.platform

    def field(self, kind: int | None, match: int, getter: str, offset: int) -> tuple[str, str]:
        """A field of the ``match``-th SMBIOS structure (of a ``kind``) as commands/smbios.c returns it.

        ``getter`` is b, w, d, q (numbers), s (a string) or u (the UUID). The second value is the error, "?" if the
        value is not known here.
        """
        if not self.structures:
            return "", "the SMBIOS entry point structure was not found"
        structures = [each for each in self.structures if kind is None or each.kind == kind]
        if match > len(structures):
            return "", "no structure matched the given options"
        structure = structures[match - 1]
        if offset >= structure.length:
            return "", "the given offset is outside the structure"
        value: str | None = None
        if getter == "b" and offset in (0, 1):
            value = str(structure.length if offset else structure.kind)
        elif getter == "b":
            value = str(sorted(structure.strings).index(offset) + 1) if offset in structure.strings else "0"
        elif getter == "s":
            value = structure.strings.get(offset)
        elif getter == "u" and structure.kind == 1 and offset == 8:
            value = structure.uuid or "00000000-0000-0000-0000-000000000000"
        else:
            return "", "?"
        return ("", "failed to retrieve the structure field") if value is None else (value, "")


@dataclass(frozen=True, kw_only=True)
class Medium:
    """The medium that GRUB was started from, ``device`` in GRUB's words.

    ``paths`` maps each path on it to "file", "directory" or "link"; ``read`` returns the text of a file. Links are
    followed by ``target``. ``label`` and ``uuid`` are those of its file system. ``scripts`` and ``reached`` are filled
    when a file is first read or looked for.
    """

    device: str
    paths: Mapping[PurePosixPath, str]
    read: Callable[[PurePosixPath], str]
    target: Callable[[PurePosixPath], str] = lambda _path: ""
    label: str = ""
    uuid: str = ""
    scripts: dict[PurePosixPath, Script | GrubSyntaxError] = field(default_factory=dict)
    reached: dict[str, PurePosixPath | None] = field(default_factory=dict)

    def find(self, path: str) -> PurePosixPath | None:
        """Where ``path`` leads, through links; None if it leads nowhere."""
        if path not in self.reached:
            self.reached[path] = self._find(path)
        return self.reached[path]

    def _find(self, path: str) -> PurePosixPath | None:
        reached = PurePosixPath("/")
        rest = [part for part in path.split("/") if part not in ("", ".")]
        for _ in range(1000):
            if not rest:
                return reached
            part = rest.pop(0)
            reached = reached.parent if part == ".." else reached / part
            kind = self.paths.get(reached, "directory" if reached == PurePosixPath("/") else "")
            if kind == "link":
                target = self.target(reached)
                rest = [part for part in target.split("/") if part not in ("", ".")] + rest
                reached = PurePosixPath("/") if target.startswith("/") else reached.parent
            elif not kind or (rest and kind != "directory"):
                return None
        return None

    def kind(self, path: str) -> str:
        """What ``path`` leads to: "file", "directory", or "" for nothing."""
        reached = self.find(path)
        if reached is None:
            return ""
        return self.paths.get(reached, "directory")

    def script(self, path: str, charge: Callable[[int], object]) -> Script | GrubSyntaxError | None:
        """The statements of a file, parsed once; the error if it has one, None if there is no such file.

        ``charge`` is called with the number of characters before they are parsed.
        """
        reached = self.find(path)
        if reached is None or self.paths.get(reached) != "file":
            return None
        if reached not in self.scripts:
            text = self.read(reached)
            charge(len(text))
            try:
                self.scripts[reached] = parse(text)
            except GrubSyntaxError as error:
                self.scripts[reached] = error
        return self.scripts[reached]

    @cached_property
    def folders(self) -> Mapping[PurePosixPath, Sequence[str]]:
        """The names in each directory."""
        folders: dict[PurePosixPath, list[str]] = {}
        for path in self.paths:
            if path.parts[1:]:
                folders.setdefault(path.parent, []).append(path.name)
        return folders

    def matching(self, pattern: str) -> list[str]:
        """The paths that fit a pattern of GRUB's, in which ``*`` and ``?`` stand for anything but a slash."""
        found = [""]
        for part in pattern.strip("/").split("/"):
            if "*" in part or "?" in part:
                expression = re.compile("".join(_WILD.get(char) or re.escape(char) for char in part), re.DOTALL)
                found = [
                    f"{folder}/{name}"
                    for folder in found
                    for name in self.folders.get(self.find(folder) or PurePosixPath("/-"), ())
                    if expression.fullmatch(name)
                ]
            else:
                found = [f"{folder}/{part}" for folder in found]
        return [path for path in found if self.find(path) is not None]


_WILD = {"*": "[^/]*", "?": "[^/]"}
