"""Password hashes for the installed system's crypt(3), computed by this machine's libcrypt."""

from __future__ import annotations

import ctypes
import enum
from typing import Any

from isoforge.errors import ToolError, UsageError

LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")
"""The names of libxcrypt's library: with glibc's old interface (Debian, Ubuntu), and without (Fedora)."""

MIN_LENGTH = 8
"""The minimum number of characters of a password."""

MIN_DIFFERENT = 4
"""The minimum number of different characters: aaaaaaaa is long enough, but weak."""

MAX_BYTES = 511
"""CRYPT_MAX_PASSPHRASE_SIZE of crypt.h, less the terminating zero."""

_WELL_KNOWN = ("password", "passw0rd", "12345678", "qwertyui", "changeme", "letmein", "ubuntu", "admin", "secret")
"""What an attacker tries first, also followed by digits and punctuation."""

_OUTPUT_BYTES = 192
"""CRYPT_GENSALT_OUTPUT_SIZE of crypt.h."""

_DATA_BYTES = 32768
"""The size of struct crypt_data in crypt.h."""


class Method(enum.StrEnum):
    """How a password is hashed. Ubuntu accepts both since 22.04, whose default is yescrypt."""

    SHA512 = "sha512"
    YESCRYPT = "yescrypt"


_PREFIX = {Method.SHA512: b"$6$", Method.YESCRYPT: b"$y$"}


def weakness(password: str) -> str:
    """Why ``password`` is too weak, without showing any of it; "" if it is not."""
    if not password:
        return "is empty"
    if not password.isprintable():
        return "contains characters that cannot be typed at a login prompt"
    if len(password) < MIN_LENGTH:
        return f"is shorter than {MIN_LENGTH} characters"
    if len(password.encode()) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    if len(set(password)) < MIN_DIFFERENT:
        return f"has fewer than {MIN_DIFFERENT} different characters"
    bare = password.lower().rstrip("0123456789!?.$#*-_")
    if password.lower() in _WELL_KNOWN or bare in _WELL_KNOWN or password.isdigit():
        return "is easy to guess"
    return ""


def hashed(password: str, method: Method = Method.SHA512) -> str:
    """The hash of ``password``, with a new random salt.

    Raises ``UsageError`` for a password that is weak, ``ToolError`` where the C library has no such method.
    """
    if why := weakness(password):
        raise UsageError(f"the password {why}")
    library = _library()
    setting = ctypes.create_string_buffer(_OUTPUT_BYTES)
    # no random bytes passed: libxcrypt reads them from the kernel (crypt_gensalt(3))
    has_setting = library.crypt_gensalt_rn(_PREFIX[method], ctypes.c_ulong(0), None, 0, setting, _OUTPUT_BYTES)
    data = ctypes.create_string_buffer(_DATA_BYTES)
    result = library.crypt_rn(password.encode(), setting, data, _DATA_BYTES) if has_setting else None
    if not result or not result.startswith(_PREFIX[method]):
        raise ToolError(f"this machine's libcrypt does not support {method}", hint="use --method sha512")
    return str(result.decode("ascii"))


def _library() -> Any:
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name, use_errno=True)
            for function in (library.crypt_gensalt_rn, library.crypt_rn):
                function.restype = ctypes.c_char_p
        except (OSError, AttributeError):
            continue
        return library
    raise ToolError("libcrypt is not installed", hint="hash the password with openssl passwd -6 instead")
