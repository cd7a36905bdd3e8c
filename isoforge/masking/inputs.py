"""Secrets that are fed to programs: echoed into a pipeline, in here-documents, and those that go into files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from isoforge.masking.names import is_reference, is_written_out, secret_kind
from isoforge.masking.programs import CONSUMERS, EVERYONE, NEEDED, RUNNERS
from isoforge.masking.shell import Command
from isoforge.masking.spans import Span, unquoted

_FORMAT = re.compile(r"(?:%[-\d.]*[sdbq]|\\[nrt0]|[\s:'\"])*")
_SUDO_STDIN = re.compile(r"-[A-Za-z]*S[A-Za-z]*|--stdin")
_ASSIGNMENT = re.compile(r"\w+=")
_SECRET_FILES = re.compile(
    r"(?:\.netrc|\.pgpass|.*\.key|credentials|.*\.secret|.*keyfile|id_[a-z0-9]+|.*psk|luks.*|(?:.*[._-])?key)"
)


def consumed(command: Command) -> str:
    """What kind of secret the command reads from its input, "login" for ``user:X`` lines; "" for none."""
    for one in command.all():
        bare = [word.bare for word in one.words]
        named = next((EVERYONE[word] for word in bare if word in EVERYONE), "")
        if named:
            return named
        for name in _programs(bare):
            if name == "sudo" and any(_SUDO_STDIN.fullmatch(option) for option in bare):
                return "password"
            if CONSUMERS.get(name) and (name not in NEEDED or {*NEEDED[name]} & {*bare}):
                return "login" if name == "chpasswd" else CONSUMERS[name]
    return ""


def _programs(words: Sequence[str]) -> list[str]:
    """The names in a command that may be programs: the first one, or all if the first runs others."""
    names = [word.rpartition("/")[2] if "bin/" in word else word for word in words]
    names = names[next((n for n, name in enumerate(names) if not _ASSIGNMENT.match(name)), 0) :]
    return names if names and names[0] in RUNNERS else names[:1]


def written(text: str, command: Command, kind: str) -> Iterator[Span]:
    """What a command earlier in the pipeline writes: the arguments of echo and printf, here-documents."""
    yield from in_input(text, command.fed, kind)
    names = [word.bare.rpartition("/")[2] for word in command.words]
    begin = next((number for number, name in enumerate(names) if name in ("echo", "printf", "yes")), None)
    if begin is None:
        return
    for number, word in enumerate(command.words[begin + 1 :]):
        start, end = unquoted(text, word.start, word.end)
        is_format = names[begin] == "printf" and number == 0 and _FORMAT.fullmatch(text[start:end])
        if not is_format and not (word.text.startswith("-") and len(word.text) <= 3):
            yield from in_input(text, [(start, end)], kind)


def in_input(text: str, ranges: Sequence[tuple[int, int]], kind: str) -> Iterator[Span]:
    """The secrets in an input; of ``user:X`` lines what is behind the colon."""
    for begin, limit in ranges:
        for match in re.compile(r"[^\n]+").finditer(text, begin, limit):
            start, end = unquoted(text, *match.span())
            colon = text.find(":", start, end) if kind == "login" else -1
            start = colon + 1 if colon >= 0 else start
            while end > start and text[end - 1] in "'\" \t":
                end -= 1
            value = text[start:end]
            if end > start and not is_reference(value.removesuffix("\\n").strip()):
                yield Span(start, end, "password" if kind == "login" else kind, certain=is_written_out(value))


def in_secret_file(text: str, pipeline: Sequence[Command], last: Command) -> Iterator[Span]:
    """What is written into a file whose name means a secret: ``echo X > /etc/wifi.psk``, ``… | tee token``."""
    names = [word.bare for word in last.targets]
    words = [word.bare for word in last.words]
    if any(word.rpartition("/")[2] in ("tee", "dd") for word in words):
        names += [word.removeprefix("of=") for word in words if "/" in word]
    for name in names:
        base = name.rpartition("/")[2]
        kind = secret_kind(base.partition(".")[0] or base) or ("key" if _SECRET_FILES.fullmatch(base) else "")
        if kind and not base.endswith(("passwd", ".pub", ".crt")) and "=" not in base:
            for command in pipeline:
                yield from _as_doubt(written(text, command, kind))


def _as_doubt(spans: Iterator[Span]) -> Iterator[Span]:
    for span in spans:
        yield span._replace(certain=False)
