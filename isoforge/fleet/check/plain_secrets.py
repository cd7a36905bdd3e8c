"""Plain-text secrets: what anyone who has the ISO can read and should not."""

from __future__ import annotations

from typing import Any

from isoforge.fleet.check.commands import LISTS
from isoforge.fleet.check.findings import Findings
from isoforge.masking.spans import PASSWORD_HASH
from isoforge.masking.tree import found_in
from isoforge.seed_format import SCRIPTS
from isoforge.yaml_limits import KeyPath


def check(findings: Findings, data: Any) -> None:
    """Look at every text of the document; nothing of a secret is shown.

    Values that are secrets only by their key, such as the passphrase of a disk, have to be in a seed; they are left
    alone, and so are password hashes.
    """
    reported: set[KeyPath] = set()
    for secret in found_in(_with_bare_scripts(data)):
        path = secret.path[:-1] if _is_word_of_a_command(secret.path) else secret.path
        if secret.path[:3] == ("autoinstall", "ssh", "authorized-keys"):
            continue  # checked there, as an error
        if secret.certain and not secret.by_key and secret.kind != PASSWORD_HASH and path not in reported:
            reported.add(path)
            article = "an" if secret.kind[0] in "AEIOaeio" else "a"
            message = f"contains {article} {secret.kind} in plain text: anyone who has the ISO can read it"
            findings.warning("plain-text-secret", path, message, leak=True)


def _with_bare_scripts(data: Any) -> Any:
    """``data`` with the text of its script in place of each command of isoforge's own: the other words are the host's
    name and match keys, which differ from host to host and are no secrets."""
    section = data.get("autoinstall") if isinstance(data, dict) else None
    if not isinstance(section, dict):
        return data
    lists = {name: section[name] for name in LISTS if isinstance(section.get(name), list)}
    bare = {name: [_script(command) for command in commands] for name, commands in lists.items()}
    return {**data, "autoinstall": {**section, **bare}}


def _script(command: Any) -> Any:
    is_own = isinstance(command, list) and command[:2] == ["sh", "-c"] and command[3:4] and command[3] in list(SCRIPTS)
    return command[2] if is_own else command


def _is_word_of_a_command(path: KeyPath) -> bool:
    """Whether ``path`` ends in a word of a command that is a list: the problem is that of the command."""
    return len(path) > 2 and isinstance(path[-1], int) and str(path[-3]).endswith(("-commands", "runcmd", "bootcmd"))
