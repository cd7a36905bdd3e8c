"""A mirror of Ubuntu's ISOs on this machine, with the faults of real ones, and keys that sign its lists."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from isoforge.official.sums import SigningKey
from isoforge.run import run

NAME = "ubuntu-24.04.4-live-server-amd64.iso"
ISO = bytes(range(251)) * 13_000
"""What the mirror has under that name: 3.3 MB."""


@dataclass
class Fault:
    """How a file is served wrongly: ``cut`` after these bytes, one number for each request, and so on."""

    cut: list[int] = field(default_factory=list)
    has_ranges: bool = True
    length: int | None = None
    status: list[int] = field(default_factory=list)
    redirect: str = ""
    content_type: str = "application/octet-stream"
    date: str = "Thu, 12 Feb 2026 14:46:22 GMT"
    then: bytes = b""
    """What the file contains from the second request on, with another date."""
    wait: threading.Event | None = None
    """Before the connection is closed, this is waited for."""


@dataclass
class Mirror:
    """The files by their path, the faults by path, and the requests so far: path and range."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def asked(self, name: str) -> list[str]:
        """The ranges that were requested of a file."""
        return [range_ for path, range_ in self.requests if path.endswith(name)]


@contextlib.contextmanager
def serving() -> Iterator[Mirror]:
    """A mirror without files."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self, mirror)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    mirror = Mirror(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()


def answer(request: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    """Serve the file of ``request`` as the mirror's faults want it."""
    path = request.path.lstrip("/")
    wanted = request.headers.get("Range", "")
    mirror.requests.append((path, wanted))
    fault = mirror.faults.get(path, Fault())
    request.close_connection = True
    if fault.redirect or path not in mirror.files or fault.status:
        status = 302 if fault.redirect else fault.status.pop(0) if fault.status else 404
        request.send_response(status)
        if fault.redirect:
            request.send_header("Location", fault.redirect)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    content, date = mirror.files[path], fault.date
    if fault.then and len(mirror.asked(path)) > 1:
        content, date = fault.then, "Fri, 13 Feb 2026 14:46:22 GMT"
    start = re.fullmatch(r"bytes=(\d+)-", wanted)
    first = int(start[1]) if start and fault.has_ranges else 0
    if first and first >= len(content):
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{len(content)}")
        request.send_header("Content-Length", "0")
        request.end_headers()
        return
    body = content[first:]
    request.send_response(206 if first else 200)
    if first:
        request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
    request.send_header("Content-Length", str(len(body) if fault.length is None else fault.length))
    request.send_header("Content-Type", fault.content_type)
    request.send_header("Last-Modified", date)
    request.end_headers()
    with contextlib.suppress(OSError):
        request.wfile.write(body[: fault.cut.pop(0)] if fault.cut else body)
        if fault.wait:
            fault.wait.wait(30)


def sums_of(**files: bytes) -> bytes:
    """A SHA256SUMS of files by their names."""
    return "".join(f"{hashlib.sha256(content).hexdigest()} *{name}\n" for name, content in files.items()).encode()


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key with its home, and the public half as `isoforge` wants it."""

    home: Path
    key: SigningKey

    def sign(self, text: bytes, *words: str) -> bytes:
        """The armored signature of ``text``."""
        (self.home / "text").write_bytes(text)
        out = self.home / "text.asc"
        out.unlink(missing_ok=True)
        gpg(self.home, *words, "--armor", "--output", str(out), "--detach-sign", str(self.home / "text"))
        return out.read_bytes()


def gpg(home: Path, *words: str) -> str:
    """Run gpg in that home."""
    return run("gpg", "--homedir", str(home), "--batch", "--no-tty", "--pinentry-mode", "loopback", *words)


def make_signer(home: Path, *, expires: str = "never") -> Signer:
    """A key of January 2026, ed25519, without a passphrase."""
    home.mkdir(mode=0o700)
    gpg(
        home,
        "--faked-system-time",
        "20260101T000000!",
        "--passphrase",
        "",
        "--quick-generate-key",
        "mirror@example.org",
        "ed25519",
        "sign",
        expires,
    )
    listed = gpg(home, "--with-colons", "--list-keys")
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
    keyring = home / "public.gpg"
    gpg(home, "--output", str(keyring), "--export", fingerprint)
    return Signer(home=home, key=SigningKey(fingerprint=fingerprint, keyring=keyring))


def revoke(signer: Signer) -> SigningKey:
    """The key of ``signer`` with the revocation that gpg has made for it."""
    (file,) = (signer.home / "openpgp-revocs.d").iterdir()
    certificate = signer.home / "revocation.asc"
    certificate.write_text(file.read_text().replace(":-----BEGIN", "-----BEGIN"))
    gpg(signer.home, "--import", str(certificate))
    keyring = signer.home / "revoked.gpg"
    gpg(signer.home, "--output", str(keyring), "--export", signer.key.fingerprint)
    return SigningKey(fingerprint=signer.key.fingerprint, keyring=keyring)


def dearmored(signer: Signer, signature: bytes) -> bytes:
    """The bytes of an armored ``signature``."""
    armored, out = signer.home / "one.asc", signer.home / "one.sig"
    armored.write_bytes(signature)
    out.unlink(missing_ok=True)
    gpg(signer.home, "--output", str(out), "--dearmor", str(armored))
    return out.read_bytes()
