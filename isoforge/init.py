"""A working tree for those who start: the example inventory, and what keeps private things out of git."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from isoforge.errors import OutputError, UsageError
from isoforge.templates import render, shipped_inventory

_AGE_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
"""A public key of age: bech32 with the prefix ``age`` (age's specification, "X25519 recipient stanza")."""


def start(folder: Path, *, recipient: str | None = None) -> list[Path]:
    """Lay a first fleet out in ``folder`` and return the files that are new or longer.

    baremetal/inventory/ holds the commented examples, ``Makefile`` the guide's targets, ``.sops.yaml`` the rule by
    which secrets are encrypted (for ``recipient``, the public half of an age key; only explained without one),
    ``.gitignore`` what git must not see. Raises ``OutputError`` if there is an inventory already; what is
    there is kept. ``UsageError`` for a recipient that is none.
    """
    inventory = folder / "baremetal/inventory"
    if recipient is not None and not _AGE_RECIPIENT.fullmatch(recipient):
        raise UsageError("the recipient is no public key of age", hint="age-keygen -y ~/.config/sops/age/keys.txt")
    if inventory.exists():
        raise OutputError(f"{inventory} is there already", hint="start in another folder")
    try:
        shutil.copytree(shipped_inventory(), inventory)
        written = sorted(path for path in inventory.rglob("*") if path.is_file())
        for name, template in (("Makefile", "init/Makefile.j2"), (".sops.yaml", "init/sops.yaml.j2")):
            if not (folder / name).exists():
                (folder / name).write_text(render(template, {"recipient": recipient}), "utf-8")
                written.append(folder / name)
        if _ignore(folder / ".gitignore"):
            written.append(folder / ".gitignore")
    except OSError as failure:
        raise OutputError(f"{failure.filename or folder} cannot be written: {failure.strerror}") from failure
    return written


def _ignore(file: Path) -> bool:
    """Add to the .gitignore ``file`` the lines that it lacks; whether there were any."""
    before = file.read_text("utf-8") if file.exists() else ""
    wanted = render("init/gitignore.j2", {}).splitlines()
    lacking = [line for line in wanted if line not in before.splitlines()]
    if not any(line and not line.startswith("#") for line in lacking):
        return False
    gap = "" if not before or before.endswith("\n") else "\n"
    file.write_text(before + gap + "\n".join(lacking) + "\n", "utf-8")
    return True
