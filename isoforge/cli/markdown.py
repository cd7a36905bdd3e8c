"""A description of an ISO as Markdown for a pull request: safe to paste, whatever the ISO contains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from isoforge.proof.read.inspect import NOCLOUD_FILES

if TYPE_CHECKING:
    from isoforge.proof.read.inspect import Contents, HostSeed

_PLAIN = re.compile(r"[\w .,:;/()+=-]+", re.ASCII)
"""Text that is safe between backticks for every reader of Markdown, also in a table."""


def code(text: str) -> str:
    """``text`` in one line as code: it cannot become markup, a link, a mention or the end of a table cell.

    What is not plain becomes character references inside ``<code>``: a backslash does not help against each of
    backticks, bars and mentions in every reader (GitHub's is "GitHub Flavored Markdown", section 4.10).
    """
    words = " ".join(text.encode("utf-8", errors="replace").decode("utf-8").split())
    if not words:
        return ""
    if _PLAIN.fullmatch(words):
        return f"`{words}`"
    printable = (char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in words)
    return f"<code>{''.join(map(_escaped, printable))}</code>"


def _escaped(char: str) -> str:
    """``char``, or its character reference if Markdown could read it as markup."""
    return char if char != "_" and (char.isalpha() or _PLAIN.fullmatch(char)) else f"&#{ord(char)};"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def contents_markdown(contents: Contents, digest: str) -> str:
    """The ISO, its base and its hosts with the digests of their seeds; ``digest`` is the SHA-256 of the whole file."""
    facts = table(("", ""), ((name, code(value)) for name, value in _facts(contents, digest) if value))
    hosts = [host for host in contents.hosts if host.files]
    if not hosts:
        return f"### {code(contents.file)}\n\n{facts}"
    seeds = [_digests(host) for host in hosts]
    files = [name for name in NOCLOUD_FILES if any(name in digests for digests in seeds)]
    rows = (
        [code(host.name), "<br>".join(map(code, host.entries)), *(code(digests.get(name, "")) for name in files)]
        for host, digests in zip(hosts, seeds, strict=True)
    )
    return f"### {code(contents.file)}\n\n{facts}\n{table(('host', 'menu entry', *files), rows)}"


def _facts(contents: Contents, digest: str) -> Iterator[tuple[str, str]]:
    manifest = contents.manifest
    yield "SHA-256", digest
    yield "size", f"{contents.size} bytes"
    yield "base ISO", manifest.base_iso.title if manifest else contents.title
    yield "release", f"{contents.release} {contents.arch}".strip()
    if manifest:
        yield "built by", f"isoforge {manifest.isoforge_version}, build {manifest.build_id}"
        yield "timeout", f"{manifest.timeout_s} s, then {manifest.on_timeout}"


def _digests(host: HostSeed) -> dict[str, str]:
    """The SHA-256 of each file of a seed that is not empty, by the file's name."""
    return {file.path.rpartition("/")[2]: file.sha256 for file in host.files if file.size}
