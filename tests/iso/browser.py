"""A real browser for a test: Chromium, driven by its own chromedriver over HTTP (W3C WebDriver)."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import sh

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key of an element's id (WebDriver, 12.2)."""


class Browser:
    """Chromium without a window, as a phone whose screen has ``width`` and ``height`` pixels."""

    def __init__(self, program: str, folder: Path, *, width: int, height: int) -> None:
        self.program, self.folder, self.width, self.height = program, folder, width, height

    def __enter__(self) -> Browser:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        driver: Any = sh.Command("chromedriver")
        self.driver = driver(f"--port={port}", _bg=True, _bg_exc=False, _tty_out=False, _return_cmd=True)
        metrics = {"width": self.width, "height": self.height, "pixelRatio": 2.0}
        options = {
            "binary": self.program,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.folder}"],
            "mobileEmulation": {"deviceMetrics": metrics},
        }
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        deadline = time.monotonic() + 60
        while True:
            try:
                self._call("GET", "/status")
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        self.session = "/session/" + self._call("POST", "/session", capabilities={"alwaysMatch": wanted})["sessionId"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._call("DELETE", self.session)
        self.driver.terminate()
        with contextlib.suppress(sh.ErrorReturnCode):
            self.driver.wait()

    def _call(self, method: str, path: str, **body: Any) -> Any:
        content = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, content, method=method)  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.loads(answer.read())["value"]

    def open(self, address: str) -> None:
        self._call("POST", f"{self.session}/url", url=address)

    def value(self, script: str) -> Any:
        """What the expression ``script`` gives in the page."""
        return self._call("POST", f"{self.session}/execute/sync", script=f"return {script};", args=[])

    def labels(self, selector: str) -> list[tuple[str, str]]:
        """Role and name of the elements that fit ``selector``, as a screen reader gets them."""
        found = self._call("POST", f"{self.session}/elements", using="css selector", value=selector)
        places = [f"{self.session}/element/{one[ELEMENT]}" for one in found]
        return [
            (self._call("GET", f"{place}/computedrole"), self._call("GET", f"{place}/computedlabel"))
            for place in places
        ]

    def complaints(self) -> list[str]:
        """What the browser has written to its console, such as what the page's policy forbids."""
        return [one["message"] for one in self._call("POST", f"{self.session}/se/log", type="browser")]
