"""What a seed was rendered from, in a small file beside it: shows whether the inventory has changed since.

It contains no values, only digests. Encrypted values count by their ciphertext, so that no key is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from isoforge import __version__
from isoforge.errors import TemplateError
from isoforge.fleet.inventory.host import Host
from isoforge.fleet.seed.target_files import source_digests
from isoforge.regular_file import is_present, read_regular, require_regular
from isoforge.release import Release
from isoforge.yaml_limits import MOST_BYTES
from isoforge.yaml_tree import dotted

NAME = ".rendered.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """SHA-256 of everything that a seed was rendered from; ``release`` is the base ISO's, "" if none was named."""

    values: str
    secrets: str
    templates: str
    release: str


def source_of(host: Host, templates_sha256: str, release: Release | None) -> Source:
    """What a seed of ``host`` would be rendered from now; ``templates_sha256`` is `templates_digest`."""
    written = [[dotted(path), "" if leaf.secret else repr(leaf.value)] for path, leaf in host.node.leaves()]
    written += source_digests(host)
    secrets = [digest(read_regular(path, MOST_BYTES)) for path in host.secret_files if path.is_file()]
    return Source(
        values=digest(json.dumps([host.name, host.groups, sorted(written)]).encode()),
        secrets=digest(json.dumps(secrets).encode()),
        templates=templates_sha256,
        release=release.series if release else "",
    )


def content(source: Source, files: Mapping[str, bytes]) -> bytes:
    """The sidecar for ``files``, by name, that were rendered from ``source``."""
    document = {
        "schema_version": 1,
        "isoforge": __version__,
        "rendered_from": asdict(source),
        "files": {name: digest(body) for name, body in files.items()},
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def is_stale(host: Host, generated: Path, templates: Sequence[Path], *, release: Release | None = None) -> str | None:
    """Why the seed of ``host`` in ``generated`` is not what would be rendered now; None if it is.

    A seed without a sidecar was written by hand: it is never stale. A seed rendered for no release in particular suits
    every one.
    """
    folder = generated / host.name
    try:
        sidecar = json.loads(read_regular(folder / NAME, MOST_BYTES).decode("utf-8"))
        was, files = Source(**sidecar["rendered_from"]), dict(sidecar["files"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return f"{folder / NAME} cannot be read"
    for name, expected in files.items():
        path = folder / name
        try:
            now_sha256 = digest(read_regular(path, MOST_BYTES))
        except OSError:
            now_sha256 = ""
        if now_sha256 != expected:
            return f"{path} was changed after it was rendered"
    now = source_of(host, templates_digest(templates), release)
    if was.values != now.values:
        return "the inventory has changed since the seed was rendered"
    if was.secrets != now.secrets:
        return "the encrypted values have changed since the seed was rendered"
    if was.templates != now.templates:
        return "a template has changed since the seed was rendered"
    if now.release and was.release and was.release != now.release:
        return f"the seed was rendered for Ubuntu {was.release}, the base ISO is {now.release}"
    return None


def digest(body: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def templates_digest(templates: Sequence[Path]) -> str:
    """SHA-256 of all templates that a seed may use, with their names."""
    return _digest_of(_template_files(templates))


def _template_files(templates: Sequence[Path]) -> tuple[tuple[str, str, int], ...]:
    """Name, path and time of change of each template a seed may use: the first of a name wins.

    Templates of other texts on the ISO have an ending of their own (``SUMMARY.txt.j2``) and do not count.
    """
    files: dict[str, tuple[str, str, int]] = {}
    for folder in templates:
        if not is_present(folder):  # the user may have one, and has not
            continue
        for path, changed in _below(str(folder), set()):
            name = path[len(str(folder)) + 1 :]
            if "." not in os.path.basename(path).removesuffix(".j2"):  # noqa: PTH119  it is asked for each host
                files.setdefault(name, (name, path, changed))
    return tuple(files[name] for name in sorted(files))


def _below(folder: str, visited: set[tuple[int, int]]) -> Iterator[tuple[str, int]]:
    """Each template in ``folder`` and below it, and when it was changed; a folder that links lead back to counts once.

    Raises ``TemplateError`` for what is named like a template and is not a file, and for what cannot be read.
    """
    try:
        state = os.stat(folder)  # noqa: PTH116  it is asked for each host
        if (state.st_dev, state.st_ino) in visited:
            return
        visited.add((state.st_dev, state.st_ino))
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                is_template = entry.name.endswith(".j2")
                if is_template and not entry.is_file():
                    if entry.name.startswith("."):  # an editor's lock is a link that leads nowhere
                        continue
                    require_regular(Path(entry.path))
                if is_template:
                    yield entry.path, entry.stat().st_mtime_ns
                elif entry.is_dir():
                    yield from _below(entry.path, visited)
    except OSError as failure:
        raise TemplateError(f"cannot read {failure.filename}: {failure.strerror}") from failure


@lru_cache(maxsize=16)
def _digest_of(files: tuple[tuple[str, str, int], ...]) -> str:
    return digest(json.dumps([[name, digest(Path(path).read_bytes())] for name, path, _ in files]).encode())
