"""Password hashes as the installed system's crypt(3) takes them, made by this machine's own libcrypt."""

from __future__ import annotations

import ctypes
import enum
from typing import Any

from isoforge.errors import ToolError, UsageError

LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")
"""The names of libxcrypt's library: with glibc's old interface (Debian, Ubuntu), and without (Fedora)."""

SHORTEST = 8
"""How many characters a password has at least."""

FEWEST_KINDS = 4
"""How many of its characters differ, at least: aaaaaaaa has the length and nothing else."""

LONGEST_BYTES = 511
"""CRYPT_MAX_PASSPHRASE_SIZE of crypt.h, less the zero at its end."""

_WELL_KNOWN = ("password", "passw0rd", "12345678", "qwertyui", "changeme", "letmein", "ubuntu", "admin", "secret")
"""What is tried first by anybody; with digits and signs after it, too."""

_OUTPUT_BYTES = 192
"""CRYPT_GENSALT_OUTPUT_SIZE of crypt.h."""

_DATA_BYTES = 32768
"""The size of struct crypt_data in crypt.h."""


class Method(enum.StrEnum):
    """How a password is hashed. Ubuntu takes both since 22.04, whose own default is yescrypt."""

    SHA512 = "sha512"
    YESCRYPT = "yescrypt"


_PREFIX = {Method.SHA512: b"$6$", Method.YESCRYPT: b"$y$"}


def weakness(password: str) -> str:
    """Why ``password`` is refused, never showing any of it; "" if it is not."""
    if not password:
        return "is empty: anybody could log in"
    if not password.isprintable():
        return "has characters that cannot be typed at a login prompt"
    if len(password) < SHORTEST:
        return f"has fewer than {SHORTEST} characters"
    if len(password.encode()) > LONGEST_BYTES:
        return f"has more than {LONGEST_BYTES} bytes"
    if len(set(password)) < FEWEST_KINDS:
        return f"is made of fewer than {FEWEST_KINDS} different characters"
    bare = password.lower().rstrip("0123456789!?.$#*-_")
    if password.lower() in _WELL_KNOWN or bare in _WELL_KNOWN or password.isdigit():
        return "is among the first that anybody would try"
    return ""


def hashed(password: str, method: Method = Method.SHA512) -> str:
    """The hash of ``password``, each time with another salt.

    Raises ``UsageError`` for a password that is weak, ``ToolError`` where the C library has no such method.
    """
    if why := weakness(password):
        raise UsageError(f"the password {why}")
    library = _library()
    setting = ctypes.create_string_buffer(_OUTPUT_BYTES)
    # no random bytes given: libxcrypt takes them from the kernel (crypt_gensalt(3))
    made = library.crypt_gensalt_rn(_PREFIX[method], ctypes.c_ulong(0), None, 0, setting, _OUTPUT_BYTES)
    data = ctypes.create_string_buffer(_DATA_BYTES)
    found = library.crypt_rn(password.encode(), setting, data, _DATA_BYTES) if made else None
    if not found or not found.startswith(_PREFIX[method]):
        raise ToolError(f"this machine's libcrypt cannot make {method} hashes", hint="take --method sha512")
    return str(found.decode("ascii"))


def _library() -> Any:
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name, use_errno=True)
            for function in (library.crypt_gensalt_rn, library.crypt_rn):
                function.restype = ctypes.c_char_p
        except (OSError, AttributeError):
            continue
        return library
    raise ToolError("libcrypt is not on this machine", hint="openssl passwd -6 makes a hash, too")
