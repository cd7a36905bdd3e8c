"""Encrypted values: SOPS files, decrypted in memory by the real sops and never shown.

A SOPS file keeps its keys readable and encrypts the values, so what it says about which key is known, with file and
line, before anybody decrypts it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from isoforge.errors import InventoryError
from isoforge.ownership import find_program
from isoforge.problems import Problem
from isoforge.regular_file import ABSENT
from isoforge.run import ExitError, run
from isoforge.yaml_limits import LimitError, read_text
from isoforge.yaml_reader import read
from isoforge.yaml_tree import HIDDEN, Node, Origin, dotted, empty, planted

_SECRETS_FILE = re.compile(r"secrets.*\.ya?ml|.+\.sops\.ya?ml")
_ENCRYPTED = "ENC["
_PARTLY = ("encrypted_regex", "unencrypted_regex", "encrypted_suffix", "encrypted_comment_regex",
           "unencrypted_comment_regex")  # fmt: skip

PASSED_ON = ("SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
             "XDG_CONFIG_HOME", "GNUPGHOME")  # fmt: skip
"""What sops is told about where keys are (its documentation, "Encrypting using age"); HOME always goes along."""


class SecretsError(InventoryError):
    """An encrypted file that cannot be decrypted: ``file`` is its path, ``reason`` why."""

    def __init__(self, file: Path, reason: str, *, hint: str) -> None:
        super().__init__(f"{file} {reason}", hint=hint)
        self.file = file
        self.reason = reason


def plain_text_secrets(trees: Iterable[Path]) -> Iterator[Problem]:
    """A problem for every secrets file below ``trees`` that sops has not encrypted, with the command that does it."""
    for tree in trees:
        for folder, folders, names in os.walk(tree, onerror=_reraise):
            for name in sorted([*names, *(one for one in folders if one.endswith((".yml", ".yaml")))]):
                if _SECRETS_FILE.fullmatch(name) and name != ".sops.yaml":
                    yield from _refuse_plain_text(Path(folder, name))


def _reraise(error: OSError) -> None:
    """A folder that cannot be read may hold secrets; a missing one holds none."""
    if error.errno not in ABSENT:
        raise error


def _refuse_plain_text(path: Path) -> Iterator[Problem]:
    def broken(id_: str, message: str) -> Problem:
        return Problem(id=id_, file=str(path), scope=owner(path), message=message)

    try:
        text = read_text(path)
    except LimitError as error:
        yield broken(error.fault.id, error.fault.message)
    except OSError as error:
        yield broken("file-unreadable", f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        yield broken("file-unreadable", "is not UTF-8 text")
    else:
        if not re.search(r"^sops:", text, re.MULTILINE):
            yield broken("secrets-not-encrypted", f"holds secrets in plain text; encrypt it: {encrypting(path)}")
        elif path.name not in ("secrets.sops.yaml", "secrets.sops.yml"):
            yield broken("secrets-file-name", "is not read under this name: rename it to secrets.sops.yaml")


def owner(path: Path) -> str:
    """The scope of what stands in a secrets file, by its folder: ``host_vars/web-1/…`` → ``hosts.web-1``."""
    kind = path.parent.parent.name.removesuffix("_vars")
    return f"{kind}s.{path.parent.name}" if kind in ("host", "group") else ""


def encrypting(path: Path) -> str:
    """The command that encrypts ``path`` in place."""
    here = Path.cwd()
    if any((folder / ".sops.yaml").is_file() for folder in (here, *here.parents)):
        return f"sops --encrypt --in-place {path}"
    return f"sops --encrypt --in-place --age $(age-keygen -y ~/.config/sops/age/keys.txt) {path}"


def hidden(path: Path, problems: list[Problem]) -> Node:
    """The keys of an encrypted file with their places; every value is `HIDDEN`.

    A file without sops' metadata, or that cannot be read, gives nothing (`plain_text_secrets` reports it); a plain-text
    value among encrypted ones goes into ``problems``.
    """
    nothing = empty(Origin(file=str(path), line=1))
    try:
        document = read(read_text(path), str(path))
    except (LimitError, OSError, UnicodeDecodeError):
        return nothing
    problems += [
        Problem(id=fault.id, file=str(path), line=fault.line, scope=owner(path), message=fault.message)
        for fault in document.faults
    ]
    if document.root is None or not isinstance(document.root.value, dict):
        return nothing
    sops = document.root.value.get("sops")
    if sops is None or not isinstance(sops.value, dict):
        return nothing
    values = {key: node for key, node in document.root.value.items() if key != "sops"}
    body = Node(value=values, origin=document.root.origin)
    if not any(key in sops.value for key in _PARTLY):
        problems += _plain_values(path, body, sops)
    return _masked(body)


def _plain_values(file: Path, body: Node, sops: Node) -> Iterator[Problem]:
    suffix = sops.at(("unencrypted_suffix",))
    for path, leaf in body.leaves():
        is_text = not isinstance(leaf.value, dict | list) and leaf.value not in (None, "")
        is_spared = suffix is not None and any(str(step).endswith(str(suffix.value)) for step in path)
        if is_text and not is_spared and not str(leaf.value).startswith(_ENCRYPTED):
            message = f"is plain text in an encrypted file: edit such files with `sops {leaf.origin.file}`"
            yield Problem(
                id="secret-not-encrypted",
                file=str(file),
                line=leaf.origin.line,
                scope=owner(file),
                key=dotted(path),
                message=message,
            )


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

    Raises ``SecretsError`` without any part of a value, if the file is not wholly encrypted, if no key opens it or if
    it was changed outside sops; ``ToolError`` if sops is missing.
    """
    problems: list[Problem] = []
    keys = hidden(path, problems)
    problems += [] if keys.value else _refuse_plain_text(path)
    if problems:
        raise SecretsError(path, problems[0].message, hint=f"edit it with: sops {path}")
    if not keys.value:
        return keys
    variables = tuple((name, os.environ[name]) for name in PASSED_ON if name in os.environ)
    return _placed(json.loads(_decrypted(path, path.stat().st_mtime_ns, variables)), keys)


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
def _decrypted(path: Path, _changed_ns: int, variables: tuple[tuple[str, str], ...]) -> str:
    """What sops makes of ``path``, as JSON; asked once for each state of the file, as hosts share group files."""
    try:
        args = ("--decrypt", "--input-type", "yaml", "--output-type", "json")
        return run(sops(), *args, path, env=dict(variables), log_output=False)  # what it says may quote the file
    except ExitError as failure:
        reason, hint = _reason(" ".join(failure.output.replace("|", " ").split()), path)
    raise SecretsError(path, reason, hint=hint)


def sops() -> str:
    """The sops to use: the one on PATH, or the one that lies beside this Python (the extra ``secrets``)."""
    beside = Path(sys.executable).parent / "sops"
    return find_program("sops") or (str(beside) if beside.is_file() else "sops")


def _reason(output: str, path: Path) -> tuple[str, str]:
    """What the ``output`` of a failed sops means, and what to do; never the output itself, which may quote the file."""
    if "did not match any of the recipients" in output or "no identity matched" in output:
        return "is encrypted for other keys than yours", (
            f"someone who can decrypt it adds yours: sops rotate -i --add-age YOUR_PUBLIC_KEY {path}"
        )
    if "failed to parse" in output:
        return "cannot be decrypted: the age key given to sops is not valid", "check SOPS_AGE_KEY_FILE"
    if "failed to load age identities" in output or "master key" in output or "data key" in output:
        return "cannot be decrypted: no key on this machine opens it", (
            "set SOPS_AGE_KEY_FILE, or put the key into ~/.config/sops/age/keys.txt"
        )
    if "MAC mismatch" in output or "Could not decrypt" in output or "integrity" in output:
        return "was changed outside sops, or is damaged", f"restore it, then edit it with: sops {path}"
    return "cannot be decrypted by sops", f"its output shows why: sops --decrypt {path} > /dev/null"
