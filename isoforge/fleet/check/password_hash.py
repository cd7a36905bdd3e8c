"""Password hashes as crypt(5) describes them: which ones let their user log in, and which ones are no secret."""

from __future__ import annotations

import re
from typing import NamedTuple

_SALT = r"[./A-Za-z0-9]"

STRONG = {
    "$6$": ("SHA-512", rf"\$6\$(rounds=[1-9]\d{{3,8}}\$)?{_SALT}{{1,16}}\${_SALT}{{86}}"),
    "$y$": ("yescrypt", rf"\$y\${_SALT}+\${_SALT}{{1,86}}\${_SALT}{{43}}"),
    "$gy$": ("gost-yescrypt", rf"\$gy\${_SALT}+\${_SALT}{{1,86}}\${_SALT}{{43}}"),
    "$7$": ("scrypt", rf"\$7\${_SALT}{{11,97}}\${_SALT}{{43}}"),
    "$2b$": ("bcrypt", rf"\$2b\$(0[4-9]|[12]\d|3[01])\${_SALT}{{53}}"),
    "$2a$": ("bcrypt", rf"\$2a\$(0[4-9]|[12]\d|3[01])\${_SALT}{{53}}"),
    "$2y$": ("bcrypt", rf"\$2y\$(0[4-9]|[12]\d|3[01])\${_SALT}{{53}}"),
}
"""Prefix → name and form of the hashes that Ubuntu's libcrypt takes and that are good enough (crypt(5), "AVAILABLE
HASHING METHODS")."""

SHA256 = rf"\$5\$(rounds=[1-9]\d{{3,8}}\$)?{_SALT}{{1,16}}\${_SALT}{{43}}"

WEAK = {
    "$1$": "MD5",
    "$apr1$": "Apache's MD5",
    "$2x$": "a broken bcrypt",
    "$md5": "Sun's MD5",
    "$sha1": "SHA-1",
    "$3$": "NT",
    "_": "BSDi DES",
}

PUBLISHED_SALTS = frozenset({"exDY1mhS4KUYCE/2", "wdAcoXrU039hKYPd", "FhcddHFVZ7ABA4Gi"})
"""Salts of hashes that stand in well-known documentation: everybody knows the password behind them."""

MAKE_ONE = "create one with: isoforge passwd"


class Flaw(NamedTuple):
    """What is wrong with a hash: the problem's id, a sentence that shows none of it, and whether it stops the build."""

    id: str
    message: str
    is_error: bool = True


def locked(hashed: str) -> bool:
    """Whether nobody can log in with a password: ``!``, ``*``, or a hash behind a ``!`` (shadow(5))."""
    return hashed.startswith(("!", "*"))


def flaw(hashed: str) -> Flaw | None:
    """What is wrong with a password hash; None if nothing is."""
    if locked(hashed):
        return None
    if hashed == "":
        return Flaw("password-empty", "is empty: anybody could log in")
    for prefix, (name, form) in STRONG.items():
        if hashed.startswith(prefix):
            return _form_flaw(hashed, name, form)
    if hashed.startswith("$5$"):
        return _form_flaw(hashed, "SHA-256", SHA256) or Flaw(
            "password-hash-sha256", "is a SHA-256 hash; SHA-512 ($6$) or yescrypt ($y$) is stronger", is_error=False
        )
    for prefix, name in WEAK.items():
        if hashed.startswith(prefix):
            return Flaw("password-hash-weak", f"is a weak hash ({name}); {MAKE_ONE}")
    if re.fullmatch(rf"{_SALT}{{13}}", hashed):
        return Flaw("password-hash-weak", f"is a weak hash (DES) or plain text; {MAKE_ONE}")
    if hashed.startswith("$"):
        return Flaw("password-hash-invalid", f"begins like a hash, but of no kind that Ubuntu knows; {MAKE_ONE}")
    return Flaw("password-not-hashed", f"is plain text, not a hash: nobody could log in with it; {MAKE_ONE}")


def _form_flaw(hashed: str, name: str, form: str) -> Flaw | None:
    digest = hashed.rpartition("$")[2]
    if not re.fullmatch(form, hashed):
        length = f"{len(digest)} characters after the last $"
        return Flaw("password-hash-invalid", f"is not a complete {name} hash ({length}): cut off, or a placeholder")
    if len(set(digest)) < len(digest) // 8:
        return Flaw("password-hash-invalid", f"is a placeholder, not a real {name} hash")
    if PUBLISHED_SALTS.intersection(hashed.split("$")):
        message = "is a hash from published documentation: everybody knows its password"
        return Flaw("password-published", message, is_error=False)
    return None
