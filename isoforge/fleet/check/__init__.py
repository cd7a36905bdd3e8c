"""Every mistake in a seed, found before a disk is touched: each with its line, its address and what was meant."""

from __future__ import annotations

from isoforge.fleet.check import (
    access,
    commands,
    document,
    envelope,
    metadata,
    network,
    plain_secrets,
    releases,
    schema,
    storage,
    system,
)
from isoforge.fleet.check.document import Document
from isoforge.fleet.check.findings import Findings
from isoforge.problems import Problem

__all__ = ["check_meta_data", "check_user_data"]


def check_user_data(
    text: bytes | str,
    *,
    file: str,
    address: str = "",
    release: str | None = None,
    firmware: str | None = None,
) -> list[Problem]:
    """Every problem of one user-data document, in the order of its lines.

    ``text`` is the file as it is (bytes, so that a byte order mark is seen); ``file`` its name as the user would type
    it; ``address`` what each problem's address begins with (``hosts.NAME``). ``release`` is the base ISO's Ubuntu
    release (``24.04.2``): keys that came later are told; None if it is not known. ``firmware`` is ``uefi`` or
    ``bios`` if the host's is known: a list of storage actions serves only one of them. No part of a password, a
    key or a token is in a problem. Nothing is raised.
    """
    raw = text if isinstance(text, bytes) else text.encode("utf-8", errors="surrogatepass")
    found = Findings(Document(), file=file, address=address)
    if not envelope.check_size(found, raw):
        return found.in_order()
    written = envelope.decoded(found, raw)
    if written or not found.problems:
        envelope.check_first_line(found, written)
    if written.strip():
        found.document = document.read(written)
        for fault in found.document.faults:
            found.error(fault.route, fault.text, line=fault.line)
        if found.document.readable:
            _check_content(found, release, firmware)
    return found.in_order()


def _check_content(found: Findings, release: str | None, firmware: str | None) -> None:
    autoinstall = envelope.check_beside(found, found.document.data)
    plain_secrets.check(found, found.document.data)
    if not autoinstall:
        return
    schema.check(found, autoinstall, ("autoinstall",), schema.validator("autoinstall"))
    installs = releases.Release.of(release)
    releases.check(found, autoinstall, installs)
    access.check(found, autoinstall)
    network.check(found, autoinstall)
    storage.check(found, autoinstall, installs, firmware)
    commands.check(found, autoinstall, installs)
    system.check(found, autoinstall)
    envelope.check_target(found, autoinstall)


def check_meta_data(text: bytes | str, *, file: str, address: str = "") -> list[Problem]:
    """Every problem of one meta-data document; ``file`` and ``address`` as for `check_user_data`."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", errors="surrogatepass")
    found = Findings(Document(), file=file, address=address)
    if envelope.check_size(found, raw):
        written = envelope.decoded(found, raw)
        found.document = document.read(written)
        metadata.check(found)
    return found.in_order()
