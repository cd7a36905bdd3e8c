"""Requests to mirrors over HTTP and HTTPS, directly or through the proxy that the environment names.

urllib of the standard library, see docs/why.md. Of its handlers only those for HTTP are used: a redirect to a file or
to FTP is refused, and so is one that leaves TLS.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import logging
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from isoforge import __version__
from isoforge.errors import ToolError

log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
"""How long a server may send nothing."""

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""The pauses before the next attempts, in seconds; after the last one, the next failure is final."""

PROGRESS = 1 << 20
"""Bytes after which an attempt counts as successful, and the pauses begin again with the first."""

_CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>\d+)-\d+|\*)/(?P<total>\d+|\*)")

_CHECK_NETWORK = "check the network and the proxy (https_proxy), or try another --mirror"
_LOG_IN = "a captive portal or a proxy answers in place of the server: log in to the network, or set https_proxy"


class NetworkError(ToolError):
    """The network, a proxy or a mirror does not work."""


class NotFoundError(NetworkError):
    """A mirror does not have a file."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none from HTTPS to HTTP: a request for TLS is answered through TLS, or not at all."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """The request for ``newurl``; the answer that names it is not read on, as it may have no end."""
        fp.close()
        if req.type == "https" and not newurl.lower().startswith("https:"):
            hint = "try another --mirror; one with http:// is allowed, as the list is signed"
            raise NetworkError(f"{req.full_url}: the server redirects from https to {newurl.split(':')[0]}", hint=hint)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_HANDLERS: tuple[type[urllib.request.BaseHandler], ...] = (
    urllib.request.ProxyHandler,
    urllib.request.UnknownHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    Redirects,
    urllib.request.HTTPErrorProcessor,
)


class TransientError(Exception):
    """A failure that may be gone in the next attempt; the message is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The beginning of an answer: where in the file its content starts, and how long the whole file is (None: unknown).

    ``version`` changes when the file on the server does: its date, or its ETag if it has none. The date comes first
    because servers that share a name, and mirrors, agree on the date, but seldom on ETags.
    """

    url: str
    start: int
    total: int | None
    version: str
    content_type: str
    body: http.client.HTTPResponse | io.BytesIO

    def chunks(self, size: int = 1 << 20) -> Iterator[bytes]:
        """The content as it comes; `TransientError` if the connection fails, a cut one simply ends."""
        while True:
            try:
                chunk = self.body.read1(size)
            except (OSError, http.client.HTTPException) as failure:
                raise TransientError(_reason(failure)) from failure
            if not chunk:
                return
            yield chunk

    def refuse_web_page(self) -> None:
        """Raise `NetworkError` if the answer is a web page."""
        if self.content_type in ("text/html", "application/xhtml+xml"):
            raise NetworkError(f"{self.url}: the answer is a web page", hint=_LOG_IN)


class Web:
    """Requests, and how often they are repeated: after ``pauses_s``."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._timeout_s, self._pauses_s = timeout_s, tuple(pauses_s)
        self._is_reached = False
        self._opener = urllib.request.OpenerDirector()
        for handler in _HANDLERS:
            self._opener.add_handler(handler())
        self._opener.addheaders = [("User-Agent", f"isoforge/{__version__}")]

    def attempts(self, url: str) -> Attempts:
        """The attempts to get ``url``."""
        return Attempts(url, self._pauses_s)

    def read(self, url: str, limit: int) -> bytes:
        """The whole file at ``url``, of at most ``limit`` bytes; raises `NetworkError`."""
        attempts = self.attempts(url)
        while True:
            try:
                with self.open(url) as reply:
                    reply.refuse_web_page()
                    return _whole(reply, limit)
            except TransientError as failure:
                attempts.failed(failure)

    @contextlib.contextmanager
    def open(self, url: str, start: int = 0) -> Iterator[Reply]:
        """The answer to a request for ``url``, from the byte ``start`` on if the server can do that.

        Where ``start`` is the end of the file or beyond it, the answer has no content. Raises `TransientError`, or
        `NetworkError` where another attempt would not help.
        """
        log.debug("requesting %s from byte %d", url, start)
        headers = {"Range": f"bytes={start}-"} if start else {}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the opener knows HTTP only
        try:
            answer: Any = self._opener.open(request, timeout=self._timeout_s)
        except urllib.error.HTTPError as failure:
            self._is_reached = True
            if failure.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                failure.close()
                raise _refusal(url, failure.code) from failure
            answer = failure
        except (OSError, http.client.HTTPException) as failure:
            raise self._no_answer(url, failure) from failure
        with contextlib.closing(answer):
            self._is_reached = True
            yield _reply(url, answer)

    def _no_answer(self, url: str, failure: Exception) -> Exception:
        """The error for a server that did not answer: final if it never did, and for an invalid certificate."""
        cause = failure.reason if isinstance(failure, urllib.error.URLError) else failure
        reason = _reason(cause)
        if isinstance(cause, ssl.SSLCertVerificationError):
            hint = (
                "install the certificate authority of your network, or use a --mirror with http://: the list is signed"
            )
            return NetworkError(f"{url}: {reason}", hint=hint)
        if "407" in reason:
            return NetworkError(
                f"{url}: {reason}", hint="the proxy requires a user name and a password, in https_proxy"
            )
        if self._is_reached:
            return TransientError(reason)
        return NetworkError(f"{url}: {reason}", hint=_CHECK_NETWORK)


class Attempts:
    """The attempts to get one file: counts those in a row that failed."""

    def __init__(self, url: str, pauses_s: Sequence[float], sleep: Callable[[float], object] = time.sleep) -> None:
        self._url, self._pauses_s, self._sleep = url, pauses_s, sleep
        self._failures = 0

    def received(self, size: int) -> None:
        """Count what an attempt has brought, in bytes."""
        if size >= PROGRESS:
            self._failures = 0

    def failed(self, failure: TransientError, *, kept: str = "") -> None:
        """Wait before the next attempt; `NetworkError` if there have been enough. ``kept`` says what remains."""
        if self._failures == len(self._pauses_s):
            hint = f"run the command again later{f': {kept}' if kept else ''}, or try another --mirror"
            raise NetworkError(f"{self._url}: {failure}, after {self._failures + 1} attempts", hint=hint) from failure
        pause_s = self._pauses_s[self._failures]
        self._failures += 1
        log.warning("warning: %s: %s; next attempt in %g s", self._url, failure, pause_s)
        self._sleep(pause_s)


def _reply(url: str, answer: http.client.HTTPResponse | urllib.error.HTTPError) -> Reply:
    """What the headers of ``answer`` say; `TransientError` for a Content-Range that cannot be understood."""
    headers: Any = answer.headers
    start, length = 0, headers.get("Content-Length", "")
    total = int(length) if length.isascii() and length.isdigit() else None
    if answer.status in (http.HTTPStatus.PARTIAL_CONTENT, http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        content_range = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if content_range is None:
            raise TransientError("the server sent a range of bytes without saying which")
        total = int(content_range["total"]) if content_range["total"] != "*" else None
        start = int(content_range["start"]) if content_range["start"] else total or 0
    body: Any = answer
    if answer.status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        body = io.BytesIO()  # what follows is the text of the error, not of the file
    return Reply(
        url=url,
        start=start,
        total=total,
        version=headers.get("Last-Modified") or headers.get("ETag") or "",
        content_type=headers.get_content_type() if headers.get("Content-Type") else "",
        body=body,
    )


def _whole(reply: Reply, limit: int) -> bytes:
    content = b""
    for chunk in reply.chunks():
        content += chunk
        if len(content) > limit:
            raise NetworkError(f"{reply.url}: the answer is larger than {limit} bytes", hint=_LOG_IN)
    if reply.total is not None and len(content) != reply.total:
        raise TransientError(cut(len(content), reply.total))
    return content


def cut(size: int, total: int) -> str:
    """How a connection ended early, in words."""
    return f"the connection was closed after {size} of {total} bytes"


def _refusal(url: str, code: int) -> Exception:
    """The error for a status code of HTTP."""
    status = f"HTTP status {code}"
    if code in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE):
        return NotFoundError(f"{url} does not exist ({status})", hint="check the release and the --mirror")
    if code == http.HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED:
        return NetworkError(f"{url}: {status}", hint=_LOG_IN)
    if code >= http.HTTPStatus.INTERNAL_SERVER_ERROR or code in (
        http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_EARLY, http.HTTPStatus.TOO_MANY_REQUESTS,
    ):  # fmt: skip
        return TransientError(status)
    return NetworkError(f"{url}: {status}", hint=_CHECK_NETWORK)


def _reason(failure: object) -> str:
    """Why the network failed, in words; never an address, which could be that of a proxy with its password."""
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {failure.verify_message}"
    if isinstance(failure, OSError):
        return failure.strerror or str(failure) or type(failure).__name__
    return str(failure) or type(failure).__name__
