"""Files that a build puts onto the ISO as they are (``multi --add SRC=/DEST``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isoforge.errors import UsageError
from isoforge.iso_layout import CASPER, ISOFORGE_FOLDER, ROOT_AUTOINSTALL, SEEDS_FOLDER
from isoforge.problems import one_line
from isoforge.regular_file import read_regular

MOST_BYTES = 1 << 30
"""What all of them may have together: they are held in memory until the ISO is written."""

MOST_FILES = 10_000

_TAKEN = (ISOFORGE_FOLDER, SEEDS_FOLDER, CASPER, *map(PurePosixPath, ("/.disk", "/boot", "/EFI", "/pool", "/dists")))
"""Folders of isoforge, of the live system, of GRUB, and of the signed package archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """The file or folder ``source`` on this machine, for ``target`` on the ISO."""

    source: Path
    target: PurePosixPath


def additions_of(options: Collection[str]) -> tuple[Addition, ...]:
    """What the values of --add describe, ``SRC=/DEST`` each; ``UsageError`` for an invalid one."""
    return tuple(_addition(option) for option in options)


def _addition(option: str) -> Addition:
    source, separator, target = option.rpartition("=")
    shown = one_line(option)
    if not separator or not source:
        raise UsageError(f"invalid value '{shown}' for --add", hint="expected SRC=/DEST, as in docs=/lab/docs")
    path = PurePosixPath(target)
    is_plain = target.startswith("/") and not target.startswith("//") and target.isprintable() and len(path.parts) > 1
    if not is_plain or ".." in path.parts:
        raise UsageError(f"--add {shown}: the path on the ISO must be absolute, without '..'")
    if path == ROOT_AUTOINSTALL or any(path.is_relative_to(taken) for taken in _TAKEN):
        raise UsageError(
            f"--add {shown}: {one_line(target)} belongs to the ISO itself", hint="use a folder of your own"
        )
    return Addition(source=Path(source), target=path)


def read_additions(additions: Collection[Addition], base: Collection[PurePosixPath]) -> dict[PurePosixPath, bytes]:
    """The content of every file of ``additions`` by its path on the ISO; ``base`` are the paths of the base ISO.

    Raises ``UsageError`` if one cannot be read, is no regular file or folder, has a name of the base ISO or of another
    addition (in upper or lower case), or if they are too large.
    """
    taken = {str(path).casefold(): path for path in base}
    contents: dict[PurePosixPath, bytes] = {}
    size = 0
    for addition in additions:
        for source, target in _files(addition):
            _refuse_taken(source, target, taken, contents)
            try:
                contents[target] = read_regular(source, MOST_BYTES - size)
            except OSError as failure:
                raise UsageError(f"--add {one_line(str(source))}: {_reason(failure, size)}") from failure
            size += len(contents[target])
            if len(contents) > MOST_FILES:
                raise UsageError(f"--add: more than {MOST_FILES} files")
    return contents


def _reason(failure: OSError, size: int) -> str:
    is_limit = "is larger than" in str(failure.strerror)
    return f"more than {MOST_BYTES >> 20} MiB together ({size >> 20} before it)" if is_limit else str(failure.strerror)


def _files(addition: Addition) -> Iterator[tuple[Path, PurePosixPath]]:
    """Each file of ``addition`` with its path on the ISO, in the order of their names."""
    source = addition.source
    if not source.is_dir():
        yield source, addition.target
        return
    names = 0
    for path in sorted(source.rglob("*")):
        names += 1
        if path.is_symlink():
            raise UsageError(f"--add {one_line(str(path))}: it is a link", hint="put the file itself there")
        if path.is_dir():
            continue
        relative = path.relative_to(source)
        if not str(relative).isprintable():
            raise UsageError(f"--add {one_line(str(path))}: its name has control characters, or is not UTF-8")
        yield path, addition.target / relative.as_posix()
    if not names:
        raise UsageError(f"--add {one_line(str(source))}: the folder is empty")


def _refuse_taken(
    source: Path, target: PurePosixPath, taken: dict[str, PurePosixPath], contents: dict[PurePosixPath, bytes]
) -> None:
    known = taken.get(str(target).casefold())
    above = next((one for one in target.parents if one in contents), None)
    if target in contents or above or any(target in one.parents for one in contents):
        raise UsageError(f"--add {one_line(str(source))}: {target} is added twice")
    if known is not None:
        raise UsageError(f"--add {one_line(str(source))}: the base ISO has {known} already", hint="choose another name")
