"""`isoforge collect` as a process, with machines that report to it over the network: many, slow and hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sh

from isoforge.proof.manifest import BaseFacts, HostFacts, Manifest
from isoforge.run import run
from tests.conftest import ROOT

TOKEN = "t0ken-of-this-build"  # noqa: S105 - made up for these tests
OTHER = "t0ken-of-another-build"
BUILD, OTHER_BUILD = "0123456789ab", "ba9876543210"


def manifest(build: str, token: str, hosts: int) -> Manifest:
    base = BaseFacts(title="t", release="24.04", arch="amd64", volume_id="v", modified="2024042300000000")
    digests = {f"{name}_sha256": "0" * 64 for name in ("user_data", "meta_data", "vendor_data")}
    facts: dict[str, Any] = {
        "title": "t",
        "kernel": "k",
        "initrd": "i",
        "kernel_line": "l",
        "seed": "/nocloud/x/",
        **digests,
    }
    return Manifest(
        name=f"build-{build[0]}", build_id=build, base_iso=base, default_host=None, timeout_s=30, replaced=(),
        hosts=tuple(HostFacts(name=f"web-{number}", **facts) for number in range(hosts)),
        isoforge_version="0", xorriso_version="0", report=True,
        report_token_sha256=hashlib.sha256(token.encode()).hexdigest(),
    )  # fmt: skip


def report(host: str = "web-0", **more: Any) -> dict[str, Any]:
    return {
        "schema_version": 1, "id": f"report-{host}", "build": BUILD, "host": host, "state": "installed", "step": "",
        "time": "2026-01-02T03:20:00Z", "started_at": "2026-01-02T03:06:00Z", "duration_s": 840,
        "machine": {"serial": f"PC-{host}"}, **more,
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Collector:
    """A running `isoforge collect`."""

    folder: Path
    port: int
    process: Any = field(repr=False)

    def send(self, content: bytes, *, wait_s: float = 30) -> bytes:
        """What it answers to the bytes ``content``, up to the end of the connection."""
        return asyncio.run(exchange(self.port, content, wait_s))

    def post(self, body: object, token: str | None = TOKEN, path: str = "/") -> int:
        answer = self.send(request(body, token, path))
        return int(answer.split()[1]) if answer else 0

    def get(self, path: str) -> str:
        return self.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).decode().partition("\r\n\r\n")[2]

    def fleet(self) -> dict[str, str]:
        return {one["host"]: one["state"] for one in json.loads(self.get("/fleet.json")) if one["build"] == BUILD}

    def memory(self) -> int:
        """The most memory that it has had, in KiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", text)[0])


def request(body: object, token: str | None, path: str = "/") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(content)}"]
    head += [f"Authorization: Bearer {token}"] if token else []
    return "\r\n".join([*head, "", ""]).encode() + content


async def exchange(port: int, content: bytes, wait_s: float = 30) -> bytes:
    async with asyncio.timeout(wait_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(content)
                await writer.drain()
            with contextlib.suppress(ConnectionError):
                return await reader.read()
            return b""
        finally:
            writer.close()


@contextlib.contextmanager
def collecting(folder: Path, *options: str, hosts: int = 3) -> Iterator[Collector]:
    """Let it run in the block, on a free port, with the manifests of two builds."""
    for build, token in ((BUILD, TOKEN), (OTHER_BUILD, OTHER)):
        (folder / f"{build}.json").write_text(manifest(build, token, hosts if build == BUILD else 1).to_json())
    words = ["collect", f"{BUILD}.json", f"{OTHER_BUILD}.json", "--listen", "127.0.0.1:0"]
    heard = folder / "stderr"
    with heard.open("wb") as stream:
        process = isoforge(folder, *words, "--store", "reports.sqlite", *options, _bg=True, _bg_exc=False, _err=stream)
        try:
            deadline = time.monotonic() + 60
            while not (found := re.search(r"Receiving at https?://127\.0\.0\.1:(\d+)/", heard.read_text())):
                assert time.monotonic() < deadline, heard.read_text()
                time.sleep(0.05)
            yield Collector(folder=folder, port=int(found[1]), process=process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(sh.ErrorReturnCode):
                process.wait()


def isoforge(folder: Path, *words: str, **more: Any) -> Any:
    """Start isoforge in ``folder``."""
    python: Any = sh.Command(sys.executable)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return python("-m", "isoforge", *words, _cwd=str(folder), _env=env, _tty_out=False, _return_cmd=True, **more)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with collecting(tmp_path) as running:
        yield running


def test_a_report_is_kept_and_a_killed_receiver_has_lost_nothing(tmp_path: Path) -> None:
    with collecting(tmp_path) as collector:
        assert collector.fleet() == {"web-0": "waiting", "web-1": "waiting", "web-2": "waiting"}
        assert collector.post(report("web-1", state="installing", step="storage")) == 200
        assert collector.post(report("web-0")) == 200
        collector.process.kill()
    with collecting(tmp_path) as collector:
        assert collector.fleet() == {"web-0": "installed", "web-1": "installing", "web-2": "waiting"}
        assert collector.post(report("web-0")) == 200  # sent again: known already
        assert collector.fleet()["web-0"] == "installed"


def test_a_thousand_machines_that_report_at_once_lose_nothing(tmp_path: Path) -> None:
    async def everybody(port: int) -> list[bytes]:
        return await asyncio.gather(
            *(exchange(port, request(report(f"web-{number}"), TOKEN), 120) for number in range(1000))
        )

    with collecting(tmp_path, hosts=1000) as collector:
        answers = asyncio.run(everybody(collector.port))
        assert {answer.split(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
        states = collector.fleet()
        assert sum(state == "installed" for state in states.values()) == 1000
        assert collector.memory() < 300_000


def test_slow_clients_keep_nobody_else_waiting(collector: Collector) -> None:
    async def slowly() -> tuple[list[bytes], bytes]:
        slow = [await asyncio.open_connection("127.0.0.1", collector.port) for _ in range(500)]
        for _, writer in slow:
            writer.write(b"POST / HTTP/1.1\r\nX-A: ")
        answer = await exchange(collector.port, request(report(), TOKEN), 15)
        async with asyncio.timeout(60):
            ends = [await reader.read() for reader, _ in slow]  # each is closed, and without an answer
        for _, writer in slow:
            writer.close()
        return ends, answer

    ends, answer = asyncio.run(slowly())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert set(ends) == {b""}


def test_hostile_requests_are_refused_and_harm_nothing(collector: Collector) -> None:
    before = collector.memory()
    huge = b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000
    statuses = {
        "huge": collector.send(huge)[9:12],
        "too long": collector.send(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n")[9:12],
        "headers": collector.send(b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * 100_000)[9:12],
        "no length": collector.send(b"POST / HTTP/1.1\r\n\r\n")[9:12],
        "chunked": collector.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx")[9:12],
        "twice": collector.send(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")[9:12],
        "negative": collector.send(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n")[9:12],
        "noise": collector.send(b"\x16\x03\x01\x02\x00\r\n\r\n")[9:12],
    }
    refused = {"huge": (b"413", b""), "headers": (b"431", b"")}  # the answer can get lost while we still send
    assert all(statuses[name] in refused.get(name, ()) for name in refused)
    rest = {name: status for name, status in statuses.items() if name not in refused}
    assert rest == {
        "too long": b"413", "no length": b"411", "chunked": b"411", "twice": b"400", "negative": b"400",
        "noise": b"400",
    }  # fmt: skip
    assert collector.post(b"[" * 100_000) == 400
    assert collector.post(report(host="<script>alert(1)</script>")) == 400
    assert collector.post(report(), None) == 401
    assert collector.post(report(), "wrong") == 401
    assert collector.post(report(), OTHER) == 403
    assert collector.post(report(build=OTHER_BUILD)) == 403
    assert set(collector.fleet().values()) == {"waiting"}
    assert collector.memory() - before < 50_000
    assert collector.process.is_alive()


def test_the_installers_own_events_name_the_step_of_a_host_that_is_installed_and_nothing_else(
    collector: Collector,
) -> None:
    event = {"name": "subiquity/Install/install", "description": "", "event_type": "start", "origin": "x"}
    assert collector.post(event, None, "/events/web-0") == 403
    assert collector.post(report(state="installing", step="network")) == 200
    assert collector.post(event, None, "/events/web-0") == 202
    assert collector.post(report("web-1", state="installing", step="network")) == 200
    assert collector.post(event, None, "/events/web-1") == 202
    assert [one["step"] for one in json.loads(collector.get("/fleet.json"))][1] == "Install/install"


def test_with_a_certificate_it_is_https(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
        "-out", certificate)  # fmt: skip
    body = tmp_path / "body"
    body.write_text(json.dumps(report()))
    options = ("--tls-certificate", str(certificate), "--tls-key", str(key))
    with collecting(tmp_path, *options) as collector:
        settings = tmp_path / "settings"
        settings.write_text(f'header = "Authorization: Bearer {TOKEN}"\ncacert = "{certificate}"\n')
        url = f"https://127.0.0.1:{collector.port}/"
        assert run("curl", "-s", "-f", "-K", settings, "--data-binary", f"@{body}", url) == "kept\n"


def test_what_a_stick_brought_home_is_imported_once(tmp_path: Path) -> None:
    (tmp_path / "stick/isoforge").mkdir(parents=True)
    (tmp_path / "stick/isoforge/web-0.json").write_text(json.dumps(report()))
    (tmp_path / f"{BUILD}.json").write_text(manifest(BUILD, TOKEN, 2).to_json())
    words = ["collect", f"{BUILD}.json", "--store", "reports.sqlite", "--json"]
    for options in (["--from", "stick"], ["--from", "stick"], []):
        done = isoforge(tmp_path, *words, *options)
        states = {one["host"]: one["state"] for one in json.loads(done.stdout)}
        assert states == {"web-0": "installed", "web-1": "waiting"}


def chromium() -> str | None:
    return next(
        (str(one) for one in (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser")) if one.exists()), None
    )


@pytest.mark.skipif(chromium() is None and os.environ.get("CI") != "true", reason="apt-get install chromium")
def test_the_page_works_in_a_browser_on_a_phone_and_refreshes_itself(collector: Collector, tmp_path: Path) -> None:
    from tests.iso.browser import Browser

    evil = '<img src=x onerror="document.title=1">'
    assert collector.post(report("web-1", state="failed", step="storage", reason=evil)) == 200
    with Browser(str(chromium()), tmp_path / "profile", width=360, height=740) as browser:
        browser.open(f"http://127.0.0.1:{collector.port}/")
        assert browser.value("document.title") == "0 of 4 installed"
        assert evil in str(browser.value("document.body.innerText"))
        assert browser.value("document.querySelectorAll('img').length") == 0
        assert browser.value("document.documentElement.scrollWidth <= window.innerWidth") is True
        assert browser.value("document.getElementById('summary').getAttribute('role')") == "status"
        assert browser.labels("h1, table") == [("heading", "Installations"), ("table", "Hosts and their states")]
        assert ("rowheader", "web-1") in browser.labels("th[scope=row]")
        assert collector.post(report("web-0")) == 200
        deadline = time.monotonic() + 30
        while browser.value("document.title") != "1 of 4 installed" and time.monotonic() < deadline:
            time.sleep(0.1)
        assert browser.value("document.getElementById('summary').textContent") == "1 failed, 2 waiting, 1 installed"
        assert browser.complaints() == []
