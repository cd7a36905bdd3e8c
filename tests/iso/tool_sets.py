"""The tools of live systems: Ubuntu's own up to 25.04 (GNU), since 25.10 (uutils), and busybox."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

UUTILS = Path("/usr/lib/cargo/bin/coreutils")
"""Where Debian's rust-coreutils has its tools; Ubuntu 25.10 and later have them in /usr/bin."""

COREUTILS = ("cat", "cut", "date", "dd", "mkdir", "mv", "rm", "sha256sum", "sleep", "tail", "tee", "timeout", "touch")
SYSTEM = "/usr/bin:/bin:/usr/sbin:/sbin"

OTHERS = ("grep", "sed")
"""Not of coreutils: uutils has none of these. There is no awk: no script needs one, so it is all the same which."""

IN_CI = os.environ.get("CI") == "true"


@dataclass(frozen=True, kw_only=True)
class ToolSet:
    """Where the shell, the tools of coreutils and the others come from: a folder, or busybox (None: this machine's);
    ``more`` are programs of this machine that it has besides."""

    name: str
    coreutils: Path | None = None
    others: Path | None = None
    sh: str = "dash"
    more: tuple[str, ...] = ()

    def lay_out(self, folder: Path) -> Path:
        """Make ``folder`` the whole PATH of a machine: symlinks to the shell and the tools, and nothing else."""
        folder.mkdir(exist_ok=True)
        programs = {"sh": shutil.which(self.sh) or self.sh}
        programs |= {name: shutil.which(name, path=SYSTEM) or name for name in self.more}
        for names, source in ((COREUTILS, self.coreutils), (OTHERS, self.others)):
            for name in names:
                programs[name] = str(source / name if source and source.is_dir() else source or shutil.which(name))
        for name, program in programs.items():
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(program)
        return folder


BUSYBOX = Path(shutil.which("busybox") or "/bin/busybox")

TOOL_SETS = (
    ToolSet(name="gnu"),
    ToolSet(name="uutils", coreutils=UUTILS),
    ToolSet(name="busybox", coreutils=BUSYBOX, others=BUSYBOX),
)

BUSYBOX_ALONE = ToolSet(name="busybox-sh", coreutils=BUSYBOX, others=BUSYBOX, sh="busybox")


def every_tool_set() -> list[object]:
    """The parameters of a fixture: each tool set, skipped where rust-coreutils is missing, except in CI."""
    lacks = pytest.mark.skipif(not (IN_CI or UUTILS.is_dir()), reason="apt-get install rust-coreutils")
    return [pytest.param(one, id=one.name, marks=[lacks] if one.coreutils == UUTILS else []) for one in TOOL_SETS]
