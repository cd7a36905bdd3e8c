"""Encrypted values: SOPS files, decrypted in memory by the real sops and never shown.

A SOPS file keeps its keys readable and encrypts the values, so what it says about which key is known, with file and
line, before anybody decrypts it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from isoforge.errors import InventoryError
from isoforge.problems import Problem, refuse_if_any
from isoforge.run import ExitError, run
from isoforge.yaml_tree import HIDDEN, Node, Origin, dotted, empty, planted, read

_SECRETS_FILE = re.compile(r"secrets.*\.ya?ml|.+\.sops\.ya?ml")
_ENCRYPTED = "ENC["
_PARTLY = ("encrypted_regex", "unencrypted_regex", "encrypted_suffix", "encrypted_comment_regex",
           "unencrypted_comment_regex")  # fmt: skip

PASSED_ON = ("SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
             "XDG_CONFIG_HOME", "GNUPGHOME")  # fmt: skip
"""What sops is told about where keys are (its documentation, "Encrypting using age"); HOME always goes along."""


def plain_text_secrets(trees: Iterable[Path]) -> Iterator[Problem]:
    """A problem for every secrets file below ``trees`` that sops has not encrypted, with the command that does it."""
    for tree in trees:
        for folder, _, names in os.walk(tree):
            for name in sorted(names):
                if _SECRETS_FILE.fullmatch(name) and name != ".sops.yaml":
                    yield from _refuse_plain_text(Path(folder, name))


def _refuse_plain_text(path: Path) -> Iterator[Problem]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as failure:
        yield Problem(file=str(path), address="(file)", text=f"cannot be read: {failure.strerror}")
        return
    if not re.search(r"^sops:", text, re.MULTILINE):
        said = f"holds secrets in plain text; encrypt it: {encrypting(path)}"
        yield Problem(file=str(path), address="(file)", text=said)
    elif path.name not in ("secrets.sops.yaml", "secrets.sops.yml"):
        yield Problem(file=str(path), address="(file)", text="is not read under this name: call it secrets.sops.yaml")


def encrypting(path: Path) -> str:
    """The command that encrypts ``path`` where it lies."""
    here = Path.cwd()
    if any((folder / ".sops.yaml").is_file() for folder in (here, *here.parents)):
        return f"sops --encrypt --in-place {path}"
    return f"sops --encrypt --in-place --age $(age-keygen -y ~/.config/sops/age/keys.txt) {path}"


def hidden(path: Path, problems: list[Problem]) -> Node:
    """The keys of an encrypted file with their places; every value is `HIDDEN`.

    A file without sops' metadata gives nothing here (`plain_text_secrets` reports it); a value in plain text among
    encrypted ones goes into ``problems``.
    """
    nothing = empty(Origin(file=str(path), line=1))
    try:
        document = read(path.read_text(encoding="utf-8"), str(path), problems)
    except (OSError, UnicodeDecodeError):
        problems.append(Problem(file=str(path), address="(file)", text="cannot be read"))
        return nothing
    if document is None or not isinstance(document.value, dict):
        return nothing
    sops = document.value.get("sops")
    if sops is None or not isinstance(sops.value, dict):
        return nothing
    body = Node(value={key: node for key, node in document.value.items() if key != "sops"}, origin=document.origin)
    if not any(key in sops.value for key in _PARTLY):
        problems += _plain_values(body, sops)
    return _masked(body)


def _plain_values(body: Node, sops: Node) -> Iterator[Problem]:
    suffix = sops.at(("unencrypted_suffix",))
    for path, leaf in body.leaves():
        is_text = not isinstance(leaf.value, dict | list) and leaf.value not in (None, "")
        is_spared = suffix is not None and any(str(step).endswith(str(suffix.value)) for step in path)
        if is_text and not is_spared and not str(leaf.value).startswith(_ENCRYPTED):
            text = f"stands in plain text in an encrypted file: change such files with `sops {leaf.origin.file}`"
            yield Problem(file=leaf.origin.file, line=leaf.origin.line, address=dotted(path), text=text)


def _masked(node: Node) -> Node:
    value: Any = HIDDEN
    if isinstance(node.value, dict):
        value = {key: _masked(child) for key, child in node.value.items()}
    elif isinstance(node.value, list):
        value = [_masked(child) for child in node.value]
    elif node.value is None:
        value = None
    return Node(value=value, origin=node.origin, secret=True)


def revealed_file(path: Path) -> Node:
    """The decrypted values of ``path``, each marked as secret, with the lines of the encrypted file.

    Raises ``InventoryError`` in one line, without any part of a value, if the file is not wholly encrypted, if no
    key opens it or if it was changed outside sops; ``ToolError`` if sops is missing.
    """
    problems: list[Problem] = []
    keys = hidden(path, problems)
    refuse_if_any(problems)
    if not keys.value:
        refuse_if_any(_refuse_plain_text(path))
        return keys
    told = tuple((name, os.environ[name]) for name in PASSED_ON if name in os.environ)
    return _placed(json.loads(_decrypted(path, path.stat().st_mtime_ns, told)), keys)


def _placed(value: Any, keys: Node) -> Node:
    """``value`` as a tree with the places of ``keys``, its encrypted likeness."""
    if isinstance(value, dict) and isinstance(keys.value, dict):
        entries = {key: _placed(child, keys.value.get(key, keys)) for key, child in value.items()}
        return Node(value=entries, origin=keys.origin, secret=True)
    if isinstance(value, list) and isinstance(keys.value, list) and len(value) == len(keys.value):
        items = [_placed(child, below) for child, below in zip(value, keys.value, strict=True)]
        return Node(value=items, origin=keys.origin, secret=True)
    return planted(value, keys.origin, secret=True)


@lru_cache(maxsize=4096)
def _decrypted(path: Path, _changed_ns: int, told: tuple[tuple[str, str], ...]) -> str:
    """What sops makes of ``path``, as JSON; asked once for each state of the file, as hosts share group files."""
    try:
        args = ("--decrypt", "--input-type", "yaml", "--output-type", "json")
        return run(sops(), *args, path, env=dict(told), log_output=False)  # what it says may quote the file
    except ExitError as failure:
        reason, hint = _reason(" ".join(failure.output.replace("|", " ").split()), path)
    raise InventoryError(f"{path} {reason}", hint=hint)


def sops() -> str:
    """The sops to use: the one on PATH, or the one that lies beside this Python (the extra ``secrets``)."""
    beside = Path(sys.executable).parent / "sops"
    return shutil.which("sops") or (str(beside) if beside.is_file() else "sops")


def _reason(said: str, path: Path) -> tuple[str, str]:
    """What sops' last words mean, and the cure; never the words themselves, which may quote the file."""
    if "did not match any of the recipients" in said or "no identity matched" in said:
        return "is encrypted for other keys than yours", (
            f"somebody who can read it adds yours: sops rotate -i --add-age YOUR_PUBLIC_KEY {path}"
        )
    if "failed to parse" in said:
        return "cannot be decrypted: the age key that sops was given is none", "check SOPS_AGE_KEY_FILE"
    if "failed to load age identities" in said or "master key" in said or "data key" in said:
        return "cannot be decrypted: there is no key on this machine that opens it", (
            "set SOPS_AGE_KEY_FILE, or put the key into ~/.config/sops/age/keys.txt"
        )
    if "MAC mismatch" in said or "Could not decrypt" in said or "integrity" in said:
        return "was changed outside sops, or is damaged", f"restore it, then change it with: sops {path}"
    return "cannot be decrypted by sops", f"see what it says: sops --decrypt {path} > /dev/null"
