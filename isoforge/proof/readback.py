"""Reading a draft back: an exit status is a rumour, so the image itself is asked what it became."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from isoforge.errors import ForgeError
from isoforge.image.base import GRUB_CFG, MD5SUM_TXT, BaseIso, read_boot_records, replay_args
from isoforge.image.menu import CMDLINE_LIMIT, MenuEntry, kernel_lines
from isoforge.image.sectors import read_gpt, read_volume
from isoforge.image.tree import Node, View, read_file, read_tree
from isoforge.image.xorriso import xorriso

_REWRITTEN = frozenset(
    PurePosixPath(name) for name in ("/boot.catalog", "/boot/grub/i386-pc/eltorito.img", str(MD5SUM_TXT))
)
_PLACE = re.compile(r"--interval:local_fs:\d+[ds]-\d+[ds]:([^:]*):.*", re.DOTALL)


def differences(
    draft: Path,
    base: BaseIso,
    staged: Mapping[PurePosixPath, bytes],
    entries: Sequence[MenuEntry],
    scratch: Path,
) -> list[str]:
    """Everything in which ``draft`` is not the base ISO with ``staged`` laid over it; empty if it is what was meant.

    Compares the boot records, the GPT, both views of the tree, the staged files byte by byte and the kernel lines of
    ``entries``; files that the base had are compared by place and size, not read again. ``scratch`` is an empty
    directory for the records that xorriso takes out. An image that cannot be read at all is a difference too.
    """
    try:
        tree, before = read_tree(draft), read_tree(base.path)
    except ForgeError as failure:
        return [failure.message]
    return [
        *_heard(_in_partitions(draft)),
        *_heard(_in_boot_records(draft, base, scratch)),
        *_heard(_in_views(draft, tree)),
        *_in_base_files(tree, before, frozenset(staged)),
        *_in_staged_files(draft, tree, staged),
        *_in_menu(staged[GRUB_CFG].decode(), entries),
    ]


def _heard(check: Iterator[str]) -> Iterator[str]:
    """What ``check`` finds; what it cannot read is a finding too."""
    try:
        yield from check
    except ForgeError as failure:
        yield failure.message


def _in_boot_records(draft: Path, base: BaseIso, scratch: Path) -> Iterator[str]:
    report = xorriso(
        "-indev", draft, "-report_el_torito", "as_mkisofs", "-osirrox", "on", "-extract_boot_images", scratch
    )
    now = {record.name: record for record in read_boot_records(scratch)}
    for record in base.boot_records:
        if record.name not in now:
            yield f"boot record {record.name} is missing"
        elif now.pop(record.name) != record:
            yield f"boot record {record.name} differs from the base's"
    yield from (f"boot record {name} is new" for name in now)
    if _shape(replay_args(draft, report)) != _shape(base.replay_args):
        yield "xorriso would replay other boot parameters than the base's"


def _shape(args: Sequence[str]) -> list[str]:
    """Replay arguments without the addresses and the file names that differ from image to image."""
    return [_PLACE.sub(r"\1", arg) for arg in args]


def _in_partitions(draft: Path) -> Iterator[str]:
    gpt = read_gpt(draft)
    yield from gpt.problems if gpt else ("the GPT is missing",)
    volume = read_volume(draft)
    if volume is None or volume.volume_id.lower() == "cidata":
        yield "the volume id is CIDATA, which cloud-init takes for a seed"


def _in_views(draft: Path, tree: Mapping[PurePosixPath, Node]) -> Iterator[str]:
    if read_tree(draft, View.PARTITION) != tree:
        yield "a stick shows other files than a CD: partition view and device view differ"


def _in_staged_files(
    draft: Path, tree: Mapping[PurePosixPath, Node], staged: Mapping[PurePosixPath, bytes]
) -> Iterator[str]:
    for path, content in staged.items():
        if path not in tree:
            yield f"{path} is missing"
        elif read_file(draft, tree[path]) != content:
            yield f"{path} is not what was staged"


def _in_base_files(
    tree: Mapping[PurePosixPath, Node], before: Mapping[PurePosixPath, Node], staged: frozenset[PurePosixPath]
) -> Iterator[str]:
    for path, node in before.items():
        now = tree.get(path)
        if now is None:
            yield f"{path} of the base is missing"
        elif path not in staged | _REWRITTEN and (now.kind, now.size, now.target) != (
            node.kind,
            node.size,
            node.target,
        ):
            yield f"{path} is not the base's"
    folders = {folder for path in staged for folder in path.parents}
    yield from (
        f"{path} is on the ISO, and nobody put it there" for path in tree.keys() - before.keys() - staged - folders
    )


def _in_menu(config: str, entries: Sequence[MenuEntry]) -> Iterator[str]:
    lines = kernel_lines(config)
    for entry in entries:
        line = f"{entry.kernel.vmlinuz} {entry.kernel_line}"
        if lines.count(line) != 1:
            yield f"GRUB would not hand the kernel line of {entry.host} on as it was meant"
        if len(line.encode()) > CMDLINE_LIMIT:
            yield f"the kernel line of {entry.host} is longer than {CMDLINE_LIMIT} bytes"
