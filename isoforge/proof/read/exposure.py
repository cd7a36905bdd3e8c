"""The secrets that anyone who has an ISO can read on it: where they are and of what kind, and nothing of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isoforge.errors import BaseIsoError
from isoforge.masking.document import secrets
from isoforge.masking.spans import PASSWORD_HASH
from isoforge.masking.text import find, mask
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.proof.read.inspect import contents
from isoforge.yaml_tree import dotted


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedSecret:
    """A secret on an ISO.

    ``host`` is the host whose seed contains it, "" if it is in a menu. ``file`` is the path on the ISO, ``line`` its
    line from 1, ``key`` the dotted key of the value ("" in a comment or outside YAML). ``certain`` is False for what
    may be a secret and may be none.
    """

    host: str
    file: str
    line: int
    key: str
    kind: str
    certain: bool


def exposed_secrets(iso: Path) -> tuple[ExposedSecret, ...]:
    """The secrets in the seeds and menus of the ISO at ``iso``, host by host in the order of the menu, menus last.

    Raises ``BaseIsoError`` if it is not an ISO image, or its directories cannot be read.
    """
    with Image(iso) as image:
        try:
            return (*_in_seeds(image), *_in_menus(image))
        except UnreadableError as reason:
            raise BaseIsoError(f"{iso}: {reason}", hint="run `isoforge verify` for the details") from reason


def _in_seeds(image: Image) -> Iterator[ExposedSecret]:
    for host in contents(image).hosts:
        for file in host.files:
            for secret in secrets(_text(image, PurePosixPath(file.path))):
                yield ExposedSecret(
                    host=host.name,
                    file=file.path,
                    line=secret.line,
                    key=mask(dotted(secret.path)),
                    kind=secret.kind,
                    certain=secret.certain or secret.kind == PASSWORD_HASH,
                )


def _in_menus(image: Image) -> Iterator[ExposedSecret]:
    """The secrets of grub.cfg and what it loads; only certain ones, for menus are full of ids and digests."""
    for path in image.menus:
        text = _text(image, path)
        for span in find(text):
            if span.certain or span.kind == PASSWORD_HASH:
                line = text.count("\n", 0, span.start) + 1
                yield ExposedSecret(host="", file=str(path), line=line, key="", kind=span.kind, certain=True)


def _text(image: Image, path: PurePosixPath) -> str:
    return image.content(path).decode("utf-8", errors="replace")
