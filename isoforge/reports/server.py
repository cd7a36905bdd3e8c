"""The receiver: HTTP/1.1 for three kinds of requests, each of which is limited in size and in time as a whole."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import sqlite3
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field

from isoforge.reports.page import page, policy
from isoforge.reports.parse import MAX_BYTES, Report, ReportError, parse_event, parse_report
from isoforge.reports.store import Build, Store

log = logging.getLogger(__name__)

REQUEST_S = 20
"""Seconds that a request may take, from the connection to the answer, whatever it does in between."""

MAX_HEAD = 16 * 1024
"""Bytes of the request line and the headers."""

MAX_CONNECTIONS = 4096
"""Connections at a time; further ones are closed at once, and the machine tries again."""

_WORDS = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
          405: "Method Not Allowed", 408: "Request Timeout", 411: "Length Required", 413: "Content Too Large",
          431: "Request Header Fields Too Large", 503: "Service Unavailable"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request: its method, its path without the query, its headers by their lower-case names, and its body."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer: its status, its content, and further headers."""

    status: int
    content: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: tuple[str, ...] = ()


class _RefusedError(Exception):
    """A request that is answered with ``status`` before it was read to its end."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Receiver:
    """Answers requests with what is in the ``store``, and adds what they report to it.

    A report is answered with 200 only once it is on the disk. Reports that arrive meanwhile are written together.
    """

    def __init__(self, store: Store, *, with_page: bool = True) -> None:
        self.store = store
        self.with_page = with_page
        self._waiting: list[tuple[Report, float, asyncio.Future[bool]]] = []
        self._wake = asyncio.Event()
        self._connections = 0

    async def write(self) -> None:
        """Write the reports that wait, as long as the receiver runs."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            try:
                added = await asyncio.to_thread(self.store.add, [(report, when) for report, when, _ in batch])
            except sqlite3.Error as failure:
                log.warning("a report could not be kept: %s", failure)
                for *_, done in batch:
                    if not done.done():
                        done.set_exception(_RefusedError(503))
                continue
            for (*_, done), is_new in zip(batch, added, strict=True):
                if not done.done():
                    done.set_result(is_new)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request from a connection, answer it and close the connection."""
        self._connections += 1
        try:
            async with asyncio.timeout(REQUEST_S):
                if self._connections <= MAX_CONNECTIONS:
                    answer = await self._answer(reader)
                    writer.write(_encoded(answer))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # it was too slow, or has gone
        finally:
            self._connections -= 1
            writer.close()
            with suppress(OSError, TimeoutError, ssl.SSLError):
                async with asyncio.timeout(2):
                    await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        try:
            return await self.answer(await _read(reader))
        except _RefusedError as refusal:
            return Answer(status=refusal.status)

    async def answer(self, request: Request) -> Answer:
        """The answer to ``request``."""
        if request.method == "POST":
            if request.path.startswith("/events/"):
                return self._event(request)
            return await self._report(request) if request.path in ("/", "/report") else Answer(status=404)
        if request.method not in ("GET", "HEAD"):
            return Answer(status=405)
        if not self.with_page or request.path not in ("/", "/fleet.json"):
            return Answer(status=404)
        fleet = self.store.fleet()
        if request.path == "/fleet.json":
            content = json.dumps([asdict(one) for one in fleet]).encode()
            return Answer(status=200, content=content, kind="application/json")
        text = page(fleet, now=time.time())
        return Answer(status=200, content=text.encode(), kind="text/html; charset=utf-8", headers=policy(text))

    async def _report(self, request: Request) -> Answer:
        builds = self._builds_of(request)
        if not builds:
            return Answer(status=401, headers=("WWW-Authenticate: Bearer",))
        try:
            report = parse_report(request.body)
        except ReportError as error:
            return Answer(status=400, content=f"{error}\n".encode())
        if report.build not in {build.id for build in builds}:
            return Answer(status=403, content=b"the token is that of another build\n")
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((report, time.time(), done))
        self._wake.set()
        return Answer(status=200, content=b"kept\n" if await done else b"known already\n")

    def _builds_of(self, request: Request) -> list[Build]:
        """The builds whose token the request has; every digest is compared, in the same time."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(token.strip().encode()).hexdigest() if scheme.lower() == "bearer" else ""
        builds = self.store.builds.values()
        return [one for one in builds if one.token_sha256 and hmac.compare_digest(one.token_sha256, digest)]

    def _event(self, request: Request) -> Answer:
        """An event of the installer itself, which has no token: it can only name the step of a host that has reported
        with one that it is being installed."""
        host = request.path.removeprefix("/events/")
        try:
            step = parse_event(request.body)
        except ReportError as error:
            return Answer(status=400, content=f"{error}\n".encode())
        build = self.store.installing(host)
        if build is None:
            return Answer(status=403)
        if step:
            self.store.set_step(build, host, step)
        return Answer(status=202)


async def _read(reader: asyncio.StreamReader) -> Request:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise _RefusedError(431) from None
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _RefusedError(400)
    headers: dict[str, str] = {}
    for line in lines[1:-2]:
        name, colon, value = line.partition(":")
        if not colon or not name or name.lower() in headers:
            raise _RefusedError(400)
        headers[name.lower()] = value.strip()
    body = b""
    if words[0] == "POST":
        if "transfer-encoding" in headers or "content-length" not in headers:
            raise _RefusedError(411)
        length = headers["content-length"]
        if not (length.isascii() and length.isdigit()) or len(length) > 18:
            raise _RefusedError(400)
        if int(length) > MAX_BYTES:
            raise _RefusedError(413)
        body = await reader.readexactly(int(length))
    return Request(method=words[0], path=words[1].partition("?")[0], headers=headers, body=body)


def _encoded(answer: Answer) -> bytes:
    head = [
        f"HTTP/1.1 {answer.status} {_WORDS[answer.status]}",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(answer.content)}",
        "Connection: close",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        *answer.headers,
    ]
    return "\r\n".join([*head, "", ""]).encode() + answer.content


@asynccontextmanager
async def receiving(
    store: Store, *, address: str, port: int, tls: ssl.SSLContext | None = None, with_page: bool = True
) -> AsyncIterator[int]:
    """Receive at ``address`` and ``port`` (0: any free one) in the block, which gets the port."""
    receiver = Receiver(store, with_page=with_page)
    writing = asyncio.create_task(receiver.write())
    more = {"ssl_handshake_timeout": REQUEST_S / 2} if tls else {}
    server = await asyncio.start_server(
        receiver.connected, address, port, limit=MAX_HEAD, backlog=2048, ssl=tls, **more
    )
    try:
        async with server:
            yield server.sockets[0].getsockname()[1]
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
