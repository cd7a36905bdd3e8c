"""Password hashes as crypt(5) describes them: which ones let their user log in, and which ones are no secret."""

from __future__ import annotations

import re

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
"""Salts of hashes that stand in well-known documentation: the password behind them is known to everybody."""

MAKE_ONE = "make one with: isoforge passwd"


def locked(hashed: str) -> bool:
    """Whether nobody can log in with a password: ``!``, ``*``, or a hash behind a ``!`` (shadow(5))."""
    return hashed.startswith(("!", "*"))


def flaw(hashed: str) -> tuple[str, bool]:
    """What is wrong with a password hash, never showing any of it, and whether that stops the build; ("", False) if
    nothing is."""
    if locked(hashed):
        return "", False
    if hashed == "":
        return "is empty: anybody could log in", True
    for prefix, (name, form) in STRONG.items():
        if hashed.startswith(prefix):
            return _form_flaw(hashed, name, form)
    if hashed.startswith("$5$"):
        said, stops = _form_flaw(hashed, "SHA-256", SHA256)
        return (said, stops) if said else ("is a SHA-256 hash; SHA-512 ($6$) or yescrypt ($y$) is stronger", False)
    for prefix, name in WEAK.items():
        if hashed.startswith(prefix):
            return f"is a weak hash ({name}); {MAKE_ONE}", True
    if re.fullmatch(rf"{_SALT}{{13}}", hashed):
        return f"is a weak hash (DES) or plain text; {MAKE_ONE}", True
    if hashed.startswith("$"):
        return f"begins like a hash, but of no kind that Ubuntu knows; {MAKE_ONE}", True
    return f"is plain text, not a hash: nobody could log in with it; {MAKE_ONE}", True


def _form_flaw(hashed: str, name: str, form: str) -> tuple[str, bool]:
    digest = hashed.rpartition("$")[2]
    if not re.fullmatch(form, hashed):
        return (
            f"is no complete {name} hash ({len(digest)} characters after the last $): cut off, or a placeholder",
            True,
        )
    if len(set(digest)) < len(digest) // 8:
        return f"is a placeholder, not a real {name} hash", True
    if PUBLISHED_SALTS.intersection(hashed.split("$")):
        return "is a hash from published documentation, whose password is known to everybody", False
    return "", False
