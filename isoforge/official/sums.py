"""Ubuntu's lists of ISOs: SHA256SUMS, and the signature of it in SHA256SUMS.gpg, checked with gpgv.

The key is Ubuntu's "CD Image Automatic Signing Key (2012)", which signs the lists on releases.ubuntu.com and
cdimage.ubuntu.com. Its file beside this module is that key alone, as `gpg --export-options export-minimal --export`
writes it from /usr/share/keyrings/ubuntu-archive-keyring.gpg in Debian's package ubuntu-keyring (2023.11.28.1-0.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from isoforge.ownership import temporary_folder
from isoforge.run import ExitError, run
from isoforge.signature import SignatureError

SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.gpg"
"""The names of a list and of its signature."""

SIZE_LIMIT = 1 << 20
"""Bytes that are read of a list or of a signature: real ones have about 1000."""

_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64}) [ *](?P<name>[^/\s][^/\s]*)")
_STATUS = re.compile(r"^\[GNUPG:\] (?P<keyword>[A-Z_]+) ?(?P<rest>.*)$", re.MULTILINE)

_STRONG_DIGESTS = ("8", "9", "10")
"""SHA-256, SHA-384 and SHA-512 as OpenPGP numbers them (RFC 9580, 9.5): a signature over SHA-1 could be forged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key whose signatures count: the fingerprint of the primary key, and the file that contains it."""

    fingerprint: str
    keyring: Path


UBUNTU_KEY = SigningKey(
    fingerprint="843938DF228D22F7B3742BC0D94AA3F0EFE21092",
    keyring=Path(__file__).with_name("ubuntu-cdimage-2012.gpg"),
)


def shipped_key() -> SigningKey:
    """Ubuntu's key, which the package contains."""
    return UBUNTU_KEY


@dataclass(frozen=True, slots=True, kw_only=True)
class SumsList:
    """A list: its text, its signature (empty: it has none), and where it comes from, a URL or a path."""

    source: str
    text: bytes
    signature: bytes

    @property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of each file by its name; names with folders and names that have two digests are skipped."""
        digests: dict[str, str] = {}
        twice = set()
        for line in self.text.decode("utf-8", errors="replace").splitlines():
            if match := _LINE.fullmatch(line):
                name, sha256 = match["name"], match["sha256"]
                if digests.setdefault(name, sha256) != sha256:
                    twice.add(name)
        return {name: sha256 for name, sha256 in digests.items() if name not in twice}

    def require_signature(self, key: SigningKey | None = None) -> None:
        """Raise `SignatureError` unless ``key`` (default: Ubuntu's) has signed the list; ``ToolError`` without gpgv.

        An exit status of 0 is not enough: gpgv also accepts signatures that were valid until a certain day, keys that
        have expired, and any other key in the keyring. There must be exactly one signature, gpgv has to call it good,
        and its VALIDSIG line has to name this primary key and a strong digest (GnuPG, doc/DETAILS).
        """
        key = key or shipped_key()
        if not self.signature:
            raise SignatureError(f"{self.source} is not signed")
        status = self._gpgv_status(key)
        valid = [rest.split() for keyword, rest in status if keyword == "VALIDSIG"]
        keywords = [keyword for keyword, _ in status]
        if keywords.count("NEWSIG") != 1 or keywords.count("GOODSIG") != 1 or len(valid) != 1:
            raise SignatureError(f"{self.source} has no valid signature ({_reason(keywords)})")
        (fields,) = valid
        if len(fields) < 10 or fields[9] != key.fingerprint:
            raise SignatureError(f"{self.source} is signed by the key {fields[-1]}, not by {key.fingerprint}")
        if fields[7] not in _STRONG_DIGESTS:
            raise SignatureError(f"{self.source} is signed with a weak digest")

    def _gpgv_status(self, key: SigningKey) -> list[tuple[str, str]]:
        """The status lines of gpgv (keyword, rest); `SignatureError` if it refuses the signature."""
        with temporary_folder() as folder:
            text, signature = folder / SUMS, folder / SIGNATURE
            text.write_bytes(self.text)
            signature.write_bytes(self.signature)
            keyring = key.keyring.absolute()
            words = ("--homedir", folder, "--status-fd", "1", "--keyring", keyring, signature, text)
            try:
                output = run("gpgv", *words)
            except ExitError as failure:
                lines = [line.removeprefix("gpgv: ").strip() for line in failure.output.splitlines()]
                reason = (lines or ["no reason was given"])[-1]
                raise SignatureError(f"{self.source} has no valid signature ({reason})") from failure
        return [(match["keyword"], match["rest"]) for match in _STATUS.finditer(output)]


def _reason(keywords: list[str]) -> str:
    """Why gpgv ended with 0 although the signature does not count."""
    known = {"EXPSIG": "it has expired", "EXPKEYSIG": "its key has expired", "REVKEYSIG": "its key was revoked"}
    return next((known[keyword] for keyword in keywords if keyword in known), "exactly one good signature is required")
