"""A new working tree: the example inventory, and what keeps private files out of git."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from isoforge.errors import OutputError, UsageError
from isoforge.templates import render, shipped_inventory

_AGE_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
"""A public key of age: bech32 with the prefix ``age`` (age's specification, "X25519 recipient stanza")."""


def create_tree(folder: Path, *, recipient: str | None = None) -> list[Path]:
    """Create a working tree in ``folder`` and return the files that are new or were extended.

    baremetal/inventory/ holds the commented examples, ``Makefile`` the guide's targets, ``.sops.yaml`` the rule by
    which secrets are encrypted (for ``recipient``, a public age key; only explained without one), ``.gitignore`` what
    git must not track. Existing files are kept. Raises ``OutputError`` if there is an inventory already,
    ``UsageError`` for an invalid recipient.
    """
    inventory = folder / "baremetal/inventory"
    if recipient is not None and not _AGE_RECIPIENT.fullmatch(recipient):
        raise UsageError(
            "--age-recipient is not a valid public age key",
            hint="print yours with age-keygen -y ~/.config/sops/age/keys.txt",
        )
    if inventory.exists():
        raise OutputError(f"{inventory} already exists", hint="use another folder")
    try:
        shutil.copytree(shipped_inventory(), inventory)
        files = sorted(path for path in inventory.rglob("*") if path.is_file())
        for name, template in (("Makefile", "init/Makefile.j2"), (".sops.yaml", "init/sops.yaml.j2")):
            if not (folder / name).exists():
                (folder / name).write_text(render(template, {"recipient": recipient}), "utf-8")
                files.append(folder / name)
        if _ignore(folder / ".gitignore"):
            files.append(folder / ".gitignore")
    except OSError as failure:
        raise OutputError(f"cannot write {failure.filename or folder}: {failure.strerror}") from failure
    return files


def _ignore(file: Path) -> bool:
    """Add the missing lines to the .gitignore ``file``; returns whether there were any."""
    before = file.read_text("utf-8") if file.exists() else ""
    lines = render("init/gitignore.j2", {}).splitlines()
    missing = [line for line in lines if line not in before.splitlines()]
    if not any(line and not line.startswith("#") for line in missing):
        return False
    gap = "" if not before or before.endswith("\n") else "\n"
    file.write_text(before + gap + "\n".join(missing) + "\n", "utf-8")
    return True
