"""GRUB's passwords: a hash that protects a menu, made and read."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

from isoforge.errors import UsageError

ROUNDS = 10_000
"""What grub-mkpasswd-pbkdf2 takes: GRUB counts them again at each try, on the machine's one core."""

SALT_BYTES = 64

LONGEST_FILE = 65_536
"""Characters that are read of a file in search of a hash: what is longer was given by mistake."""

HASH = re.compile(r"grub\.pbkdf2\.sha512\.[1-9]\d{0,9}\.(?:[0-9A-Fa-f]{2})+\.[0-9A-Fa-f]{128}")


def hashed(password: str, *, salt: bytes | None = None, rounds: int = ROUNDS) -> str:
    """The hash of ``password`` as GRUB's password_pbkdf2 takes it; another one each time if ``salt`` is left out."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"grub.pbkdf2.sha512.{rounds}.{salt.hex().upper()}.{digest.hex().upper()}"


def read_hash(file: Path) -> str:
    """The hash in ``file``, as `hashed` or grub-mkpasswd-pbkdf2 made it; ``UsageError`` if there is none."""
    hint = "`isoforge menu-password` prints one"
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(LONGEST_FILE)
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it is no text"
        raise UsageError(f"the menu password's hash cannot be read from {file}: {reason}", hint=hint) from failure
    words = [word for word in text.split() if HASH.fullmatch(word)]
    if len(words) != 1:
        raise UsageError(f"{file} holds {len(words) or 'no'} hash{'es' * bool(words)} of a menu password", hint=hint)
    return words[0]
