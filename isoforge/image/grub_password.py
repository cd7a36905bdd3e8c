"""The hash of a GRUB menu's password: generated and read."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

from isoforge.errors import UsageError
from isoforge.regular_file import read_argument

ROUNDS = 10_000
"""The default of grub-mkpasswd-pbkdf2: GRUB repeats them at each attempt, on one core of the machine."""

SALT_BYTES = 64

MAX_FILE_SIZE = 65_536
"""Bytes of a file that are searched for a hash: a larger file was given by mistake."""

HASH = re.compile(r"grub\.pbkdf2\.sha512\.[1-9]\d{0,9}\.(?:[0-9A-Fa-f]{2})+\.[0-9A-Fa-f]{128}")


def hashed(password: str, *, salt: bytes | None = None, rounds: int = ROUNDS) -> str:
    """The hash of ``password`` for GRUB's password_pbkdf2; without a ``salt`` a random one is used."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"grub.pbkdf2.sha512.{rounds}.{salt.hex().upper()}.{digest.hex().upper()}"


def read_hash(file: Path) -> str:
    """The hash in ``file``, as printed by `hashed` or grub-mkpasswd-pbkdf2; ``UsageError`` if there is none."""
    hint = "`isoforge menu-password` prints one"
    try:
        text = read_argument(file, MAX_FILE_SIZE).decode("utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "not a text file"
        raise UsageError(f"cannot read the hash of the menu password from {file}: {reason}", hint=hint) from failure
    words = [word for word in text.split() if HASH.fullmatch(word)]
    if len(words) != 1:
        count = f"{len(words) or 'no'} hash{'es' * (len(words) != 1)}"
        raise UsageError(f"{file} contains {count} of a menu password instead of one", hint=hint)
    return words[0]
