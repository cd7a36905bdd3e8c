"""A script of the user's that changes the unpacked base ISO before it is packed again (``multi --hook``)."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isoforge.errors import ToolError, UsageError
from isoforge.image.base import BaseIso
from isoforge.image.tree import Node, read_tree
from isoforge.iso_layout import ISOFORGE_FOLDER, MD5SUM_TXT, NOT_IN_MD5SUM_TXT, SEEDS_FOLDER
from isoforge.proof.manifest import FileFacts, HookFacts
from isoforge.regular_file import read_regular
from isoforge.run import ExitError, run

MOST_BYTES = 16 << 20
"""What the script itself may have."""

LAST_LINES = 5
"""Lines of a failing hook's output that its error shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooked:
    """What a hook has done: ``facts`` for the manifest, and md5sum.txt of the base with its changes."""

    facts: HookFacts
    md5sums: str


def refuse_unusable_hook(hook: Path) -> None:
    """Raise ``UsageError`` unless ``hook`` is a file that can be run."""
    if not hook.is_file():
        raise UsageError(f"--hook {hook}: {'it is not a regular file' if hook.exists() else 'it does not exist'}")
    if not os.access(hook, os.X_OK):
        raise UsageError(f"--hook {hook}: it is not executable", hint=f"chmod +x {hook}")


def run_hook(hook: Path, base: BaseIso, tree: Path, *, name: str) -> Hooked:
    """Run ``hook`` in ``tree``, the unpacked ``base``, for the build called ``name``, and find what it has changed.

    Its working directory is the tree; it gets the environment of `run.environment`, and ISOFORGE_TREE, ISOFORGE_NAME,
    ISOFORGE_RELEASE and ISOFORGE_ARCH. Raises ``ToolError`` with its last words if it fails, and for what it leaves
    that cannot be on an ISO of ours.
    """
    script = read_regular(hook, MOST_BYTES)
    before = _states(tree)
    env = {
        "ISOFORGE_TREE": str(tree),
        "ISOFORGE_NAME": name,
        "ISOFORGE_RELEASE": base.release,
        "ISOFORGE_ARCH": base.arch,
    }
    try:
        run(str(hook.resolve()), cwd=tree, env=env)
    except ExitError as failure:
        words = "; ".join(failure.output.strip().splitlines()[-LAST_LINES:]) or "no output"
        raise ToolError(f"the hook {hook} failed: {words}", hint="nothing was built") from failure
    after = _states(tree)
    listed = dict(_listed(base.md5sums))
    changed = []
    for path in sorted(after):
        if stat.S_ISREG(after[path][0]) and before.get(path) != after[path]:
            _refuse_reserved(hook, path)
            sha256, md5 = _digests(tree / path.relative_to("/"))
            if path != MD5SUM_TXT and (path not in before or listed.get(path) != md5):
                changed.append(FileFacts(path=str(path), sha256=sha256))
                if path in listed or path.name not in NOT_IN_MD5SUM_TXT:
                    listed[path] = md5
        elif path not in before and not stat.S_ISDIR(after[path][0]):
            raise ToolError(f"the hook {hook} left {path}, which is neither a file nor a folder")
    removed = [str(path) for path in sorted(before.keys() - after.keys())]
    for gone in removed:
        listed.pop(PurePosixPath(gone), None)
    facts = HookFacts(
        name=hook.name,
        sha256=hashlib.sha256(script).hexdigest(),
        changed=tuple(changed),
        removed=tuple(removed),
    )
    return Hooked(facts=facts, md5sums=_text(listed) if base.md5sums else "")


def settle_times(base: BaseIso, tree: Path, facts: HookFacts, seconds: float) -> None:
    """Give what the hook has changed in ``tree`` the time ``seconds`` of the epoch, and everything of the base ISO
    its own again: the same changes give the same ISO."""
    nodes: Mapping[PurePosixPath, Node] = read_tree(base.path)
    changed = {file.path for file in facts.changed}
    for folder, _, names in os.walk(tree, topdown=False):
        for full in (*(Path(folder, name) for name in names), Path(folder)):
            path = PurePosixPath("/", os.path.relpath(full, tree))
            node = None if str(path) in changed else nodes.get(path)
            moment = node.modified if node is not None else seconds
            os.utime(full, (moment, moment), follow_symlinks=False)


def _refuse_reserved(hook: Path, path: PurePosixPath) -> None:
    if any(path.is_relative_to(folder) for folder in (SEEDS_FOLDER, ISOFORGE_FOLDER)):
        raise ToolError(f"the hook {hook} wrote {path}: {SEEDS_FOLDER} and {ISOFORGE_FOLDER} are written by isoforge")


def _states(tree: Path) -> dict[PurePosixPath, tuple[int, int, int, int]]:
    """Type and mode, size, inode and time of change of everything in ``tree``, by its path on the ISO.

    Raises ``ToolError`` for a name that is not UTF-8, or has control characters.
    """
    states = {}
    for folder, folders, names in os.walk(tree):
        for name in (*folders, *names):
            full = os.path.join(folder, name)  # noqa: PTH118  tens of thousands of them
            state = os.lstat(full)
            path = PurePosixPath("/", os.path.relpath(full, tree))
            if not name.isprintable():
                raise ToolError(f"the name of {str(path)!r} has control characters, or is not UTF-8")
            states[path] = (state.st_mode, state.st_size, state.st_ino, state.st_ctime_ns)
    return {path: (*state[:3], 0 if stat.S_ISDIR(state[0]) else state[3]) for path, state in states.items()}


def _digests(file: Path) -> tuple[str, str]:
    """SHA-256 and MD5 of ``file``, read once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with file.open("rb") as content:
        while chunk := content.read(1 << 20):
            sha256.update(chunk)
            md5.update(chunk)
    return sha256.hexdigest(), md5.hexdigest()


def _listed(md5sums: str) -> list[tuple[PurePosixPath, str]]:
    lines = (line.partition("  ") for line in md5sums.splitlines())
    return [(PurePosixPath("/", name), digest) for digest, _, name in lines if name]


def _text(listed: Mapping[PurePosixPath, str]) -> str:
    return "".join(f"{digest}  .{path}\n" for path, digest in listed.items())
