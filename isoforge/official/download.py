"""An ISO downloaded: continued after a cut connection or by a later run, and named only if its SHA-256 is right."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from isoforge.atomic import refuse_without_room
from isoforge.errors import BaseIsoError, OutputError
from isoforge.official.part import Part, opened, part_path, parts_of
from isoforge.official.web import NetworkError, Reply, TransientError, Web, cut

log = logging.getLogger(__name__)

Listener = Callable[[str, int, int], object]
"""A function that is called with the name of a phase, and how many of how many bytes of it are done."""

MAX_VERSIONS = 4
"""How often a download begins again because the file on the server has changed, the first time included."""

MAX_BYTES = 32 << 30
"""No official ISO is nearly as large: a server that sends more would fill the disk."""

_KEPT = "the download continues where it stopped"


class _DamagedError(Exception):
    """The whole file has another SHA-256; ``is_joined``: it consists of what several requests have brought."""

    def __init__(self, sha256: str, *, is_joined: bool) -> None:
        super().__init__(sha256)
        self.sha256, self.is_joined = sha256, is_joined


def download(web: Web, url: str, goal: Path, *, sha256: str, listen: Listener) -> None:
    """Download ``url`` to ``goal``, whose content must have the digest ``sha256``.

    Until it is complete it is kept beside ``goal`` (`part_path`), from which a later call continues. Raises
    `NetworkError` if the network fails too often, ``OutputError`` if the part cannot be written (in both cases it is
    kept), ``BaseIsoError`` if the content is not the expected one: then it is removed.
    """
    try:
        try:
            _Download(web, url, goal, sha256, listen).run()
        except _DamagedError as failure:
            if not failure.is_joined:
                raise
            log.warning("warning: %s: the parts do not make the expected file; downloading it again as a whole", url)
            _Download(web, url, goal, sha256, listen).run()
    except _DamagedError as failure:
        raise BaseIsoError(
            f"{url} is not the official ISO: SHA-256 {failure.sha256}, but the signed list says {sha256}",
            hint="the mirror has a damaged or modified file: try again later, or another --mirror",
        ) from failure


class _Download:
    """One download: ``run`` ends with the file under its name, or with an error."""

    def __init__(self, web: Web, url: str, goal: Path, sha256: str, listen: Listener) -> None:
        self._web, self._url, self._goal, self._sha256, self._listen = web, url, goal, sha256, listen
        self._attempts = web.attempts(url)
        self._sources = 0
        self._total: int | None = None
        self._is_read = False

    def run(self) -> None:
        """Download to the end. A file that changes on the server meanwhile is begun again."""
        for _ in range(MAX_VERSIONS):
            with contextlib.ExitStack() as stack:
                part = self._filled(stack)
                if part is None:
                    continue
                sha256 = part.sha256()
                if sha256 != self._sha256:
                    part.remove()
                    raise _DamagedError(sha256, is_joined=self._sources > 1)
                part.finish(self._goal)
                return
        text = f"{self._url}: the size or the date of the file is another one with each request"
        raise NetworkError(text, hint="try again later, or another --mirror")

    def _filled(self, stack: contextlib.ExitStack) -> Part | None:
        """The complete part, open as long as ``stack``; None if the file on the server has changed."""
        part: Part | None = None
        while part is None or not self._is_complete(part):
            before = start = part.size if part else 0
            try:
                with self._web.open(self._url, start) as reply:
                    reply.refuse_web_page()
                    path = part_path(self._goal, sha256=self._sha256, total=reply.total, version=reply.version)
                    if part is None:
                        part = self._begun(stack, path, reply.total)
                        before = part.size
                    elif part.path != path:
                        part.remove()
                        self._sources = 0
                        self._is_read = False
                        log.warning("warning: %s has changed on the server; downloading it again", self._url)
                        return None
                    if part.size == 0 or start > 0:
                        self._receive(part, reply)
            except TransientError as failure:
                self._attempts.received(part.size - before if part else 0)
                self._attempts.failed(failure, kept=_KEPT if part and part.size else "")
        return part

    def _begun(self, stack: contextlib.ExitStack, path: Path, total: int | None) -> Part:
        """The part at ``path``, with what an earlier run has left in it; parts of other files are removed."""
        self._goal.parent.mkdir(parents=True, exist_ok=True)
        for other in parts_of(self._goal):
            if other != path:
                with contextlib.suppress(OutputError), opened(other) as obsolete:  # in use, or of another user
                    obsolete.remove()
        part = stack.enter_context(opened(path))
        if part.size:
            part.read(lambda done: self._listen(f"checking {part.path.name}", done, total or part.size))
            self._sources += 1
        self._total = total
        if total is not None:
            refuse_without_room(part.path, max(0, total - part.size))
        return part

    def _is_complete(self, part: Part) -> bool:
        return self._is_read or (self._total is not None and part.size >= self._total)

    def _receive(self, part: Part, reply: Reply) -> None:
        """Append what ``reply`` brings; of a server that cannot begin in the middle, what the part lacks."""
        if reply.start > part.size:
            raise TransientError("the server sent another range of bytes than the requested one")
        skipped, position = part.size - reply.start, reply.start
        self._sources += 1
        for chunk in reply.chunks():
            position += len(chunk)
            if position > MAX_BYTES:
                part.remove()
                raise NetworkError(f"{self._url}: the server sends more than any ISO has", hint="try another --mirror")
            part.write(chunk[skipped:])
            skipped = max(0, skipped - len(chunk))
            self._listen(f"downloading {self._goal.name}", position, reply.total or 0)
        if reply.total is not None and position < reply.total:
            raise TransientError(cut(position, reply.total))
        self._is_read = True
