"""What a build adds to the ISO for the reports of its seeds: the script, certificates, and the token of the build."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from isoforge.atomic import replace_together, unwritable
from isoforge.errors import InventoryError
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.seed.report import Receiver, commonest, receiver_of
from isoforge.iso_layout import REPORT_FOLDER, REPORT_TOKEN
from isoforge.ownership import refuse_foreign
from isoforge.regular_file import read_regular
from isoforge.workspace import Workspace

KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSource:
    """Where the token of a build comes from: the fleet's ``secret``, as it is (``is_token``) or as a key.

    The secret is an input of the build like any other: the same secret and the same build give the same token.
    """

    secret: bytes = field(repr=False)
    is_token: bool = False

    @property
    def digest(self) -> bytes:
        """What goes into the build id, which so differs where the token does."""
        return hashlib.sha256(b"isoforge report\n" + self.secret).digest()

    def token(self, build_id: str) -> bytes:
        """The token of the build with that id; it says nothing about the token of another build (RFC 2104)."""
        if self.is_token:
            return self.secret
        return hmac.new(self.secret, f"isoforge report {build_id}".encode(), hashlib.sha256).hexdigest().encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """The ``files`` for reports by their path on the ISO, without the token; its ``source``, if there is a receiver;
    and the ``receiver`` of most hosts, None if none of them reports."""

    files: Mapping[PurePosixPath, bytes] = field(default_factory=dict)
    source: TokenSource | None = None
    receiver: Receiver | None = None

    @property
    def inputs(self) -> dict[PurePosixPath, bytes]:
        """What the build id is computed from."""
        return {**self.files, **({REPORT_TOKEN: self.source.digest} if self.source else {})}

    def with_token(self, build_id: str) -> dict[PurePosixPath, bytes]:
        """All files of the build with that id."""
        token = {REPORT_TOKEN: self.source.token(build_id)} if self.source else {}
        return {**self.files, **token}

    def token_sha256(self, build_id: str) -> str | None:
        """The digest by which a receiver knows the token of the build with that id; None without a token."""
        return hashlib.sha256(self.source.token(build_id)).hexdigest() if self.source else None


def report_files(workspace: Workspace, hosts: Iterable[Host]) -> ReportFiles:
    """What the reports of ``hosts`` need on the ISO; nothing if none of them reports.

    Raises ``InventoryError`` if two of the hosts have different tokens, ``OutputError`` if the key cannot be written.
    """
    reporting = [(host, receiver) for host in hosts if (receiver := receiver_of(host))]
    if not reporting:
        return ReportFiles()
    files: dict[PurePosixPath, bytes] = {}
    for _, receiver in reporting:
        if receiver.ca_file and receiver.url:
            files[REPORT_FOLDER / receiver.ca_file] = receiver.ca.encode()
    with_url = [host for host, receiver in reporting if receiver.url]
    source = token_source(workspace, with_url) if with_url else None
    return ReportFiles(files=files, source=source, receiver=commonest(receiver for _, receiver in reporting))


def token_source(workspace: Workspace, hosts: Iterable[Host]) -> TokenSource:
    """The token of ``hosts`` from their ``report.token``; without one, the fleet's key, made if missing."""
    tokens = {host.values["report"]["token"] or "": host.name for host in hosts}
    if len(tokens) > 1:
        one, two, *_ = tokens.values()
        raise InventoryError(
            f"hosts {one} and {two} have different values of report.token, and an ISO has one token",
            hint="use one token for all of them, or build an ISO for each",
        )
    (token,) = tokens
    if token:
        return TokenSource(secret=str(token).encode(), is_token=True)
    return TokenSource(secret=_key(workspace.report_key))


def _key(file: Path) -> bytes:
    """The fleet's key in ``file``, made at random if there is none."""
    refuse_foreign(file)
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_together({file: f"{secrets.token_hex(KEY_BYTES)}\n".encode()}, private=True)
        key = read_regular(file, 1000).strip()
    except OSError as failure:
        raise unwritable(failure, file) from None
    if len(key) < KEY_BYTES:
        raise InventoryError(f"{file} is not a key: it is too short", hint=f"rm {file}: the next build makes a new one")
    return key
