"""Signatures of manifests, made and checked by OpenSSH's ssh-keygen: they prove who built an ISO.

The manifest has the SHA-256 of the whole ISO, so its signature covers every byte. ssh-keygen is on every machine that
is administered over SSH, its keys are where people keep them already, and ssh-agent holds those with a passphrase
(ssh-keygen(1), -Y sign and -Y verify).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from isoforge.errors import UsageError
from isoforge.masking.text import mask
from isoforge.ownership import temporary_folder
from isoforge.regular_file import read_argument
from isoforge.run import ExitError, run

SIGNERS_LIMIT = 1 << 20
"""Bytes that are read of a list of signers."""

NAMESPACE = "isoforge-manifest"
"""What is signed: a signature made for anything else, an e-mail or a git commit, does not count."""

SUFFIX = ".sig"

_SSH_KEYGEN = "ssh-keygen"

_KEY_TYPES = ("ssh-", "ecdsa-", "sk-")
"""How the type of a public key begins, the first word of its file; in a list of allowed signers names come first."""


class SignatureError(Exception):
    """A signature that is missing, or that none of the accepted keys made; the message says which."""


def sign(file: Path, key: Path) -> Path:
    """Sign ``file`` with ``key`` and return the signature, a new file beside it called ``<name>.sig``.

    ``key`` is a private key without a passphrase, or a public key whose private half ssh-agent holds. Raises
    ``UsageError`` if it is not usable, ``ToolError`` if ssh-keygen is missing.
    """
    signature = file.with_name(file.name + SUFFIX)
    signature.unlink(missing_ok=True)  # ssh-keygen would ask before it overwrites one
    try:
        run(_SSH_KEYGEN, "-q", "-Y", "sign", "-n", NAMESPACE, "-f", key.absolute(), file, env=_agent())
    except ExitError as failure:
        reason = (failure.output.strip().splitlines() or ["no reason was given"])[-1]
        raise UsageError(
            f"cannot sign with {key}: {mask(reason)}",
            hint="a key with a passphrase: load it with ssh-add, and give its public key (.pub) to --sign",
        ) from failure
    return signature


def read_signers(file: Path) -> str:
    """The keys whose signatures count, as ssh-keygen reads them: ``file`` is a public key, or a list of allowed signers
    (ssh-keygen(1), ALLOWED SIGNERS). The owner of a key by itself is called as the file.

    Raises ``UsageError`` if the file cannot be read.
    """
    hint = "--signer needs a public key, or a list of allowed signers"
    try:
        lines = read_argument(file, SIGNERS_LIMIT).decode("utf-8").splitlines()
    except OSError as failure:
        raise UsageError(f"cannot read {file}: {failure.strerror}", hint=hint) from failure
    except UnicodeDecodeError as failure:
        raise UsageError(f"{file} is not valid UTF-8", hint=hint) from failure
    name = re.sub(r"[^\w.@-]", "_", file.name)  # what is not a letter could be a pattern, or end the name
    return "".join(f"{name} {line}\n" if line.startswith(_KEY_TYPES) else f"{line}\n" for line in lines)


def signed_by(file: Path, signers: str) -> str:
    """Who signed ``file``, with the signature in ``<name>.sig`` beside it: the name that ``signers`` has for the key.

    Raises `SignatureError` if no key of ``signers`` (`read_signers`) made the signature, ``ToolError`` if ssh-keygen is
    missing.
    """
    signature = file.with_name(file.name + SUFFIX)
    if not signature.is_file():
        raise SignatureError(f"{signature} is missing: the manifest is not signed")
    with temporary_folder() as folder:
        allowed = folder / "allowed_signers"
        allowed.write_text(signers, "utf-8")
        try:
            name = run(_SSH_KEYGEN, "-Y", "find-principals", "-f", allowed, "-s", signature).split()[0]
            words = ("-Y", "verify", "-f", allowed, "-I", name, "-n", NAMESPACE, "-s", signature)
            run(_SSH_KEYGEN, *words, stdin=file.read_bytes())
        except ExitError as failure:
            reason = (failure.output.strip().splitlines() or ["it was made by another key"])[-1]
            raise SignatureError(f"{signature} is not a valid signature of the signer: {mask(reason)}") from failure
    return name


def _agent() -> Mapping[str, str]:
    """Where ssh-agent listens."""
    socket = os.environ.get("SSH_AUTH_SOCK")
    return {"SSH_AUTH_SOCK": socket} if socket else {}
