"""Secrets that stand behind their name in running text: ``password=…``, ``"apiKey": "…"``, ``psk …``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from isoforge.masking.names import is_path, is_reference, secret_kind
from isoforge.masking.spans import Span, unquoted

_NAME = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]++)(?:(?P<sign>\\?[\"']?[ \t]*+(?:=>|:=|[=:])(?!//|=)[ \t]*+)|(?P<blank>[ \t]++))"
)
_QUOTED = r"(?:\"(?:[^\"\\\n]|\\.)*+\"|'[^'\n]*+')"
_VALUE = re.compile(
    r"(?:\$\([^()\n]*+\)|`[^`\n]*+`|\$\{[^{}\n]*+\}|\{\{[^{}\n]*+\}\})[^\s\"'|;&]*+"
    rf"|{_QUOTED}(?:{_QUOTED}|[\w$@%+/-]++)*+|\\\"(?:[^\"\\\n]|\\[^\"])*+\\\""
    r"|[^\s\"'|;&]++[^\s|;&]*+|[\"'][^\n]*+"
)
"""A command's output or a variable, a quoted value, a word, or what is behind a quote that is not closed."""

_REST = re.compile(r"[^\n]*+")
_INDENT = re.compile(r"[ \t]*+")
_ENVIRONMENT = re.compile(
    r"[A-Z0-9_]*(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|SECRET_?KEY|AUTH_?KEY)"
)
_KEY_VALUE = re.compile(r"(?=[^\s\"',;&]{0,80}\d)[^\s\"',;&]{8,}")
"""A value of the name ``key`` that may be one, and not the name of a key."""

_LINE_END = re.compile(r"[ \t\"']*+(?:\n|\Z)")
_WRITTEN_OUT = re.compile(
    r"(?i)(?:^|[._-])(?:[a-z]*password|passwd|passphrase|[a-z]*secret|[a-z]*token|psk|pin|requirepass|masterauth|bindpw|rootpw"
    r"|\w*[_-]key)$"
)
"""The names that are followed by their value without a sign, in the files and languages that are written so."""

_SHORT = 4
_LONGEST = 1000
_DEEPEST = 200


def paired(text: str) -> Iterator[Span]:
    """The values in ``text`` that stand behind a name which means a secret."""
    line = at = 0
    while match := _NAME.search(text, at):
        at = match.end()
        name = match["name"]
        kind = secret_kind(name)
        if not kind and name.lower() not in ("key", "auth", "_auth"):
            continue
        line = max(line, text.rfind("\n", line, match.start()) + 1)
        if match["sign"] is None:
            span = _behind_blank(text, match, line, kind)
        elif kind == "authorization header":
            span = None  # has a shape of its own
        elif kind:
            span = _behind_sign(text, match, line, kind)
        else:
            value = _KEY_VALUE.match(text, match.end() + text.startswith(("'", '"'), match.end()))
            span = Span(*value.span(), "key") if value and not is_path(value[0]) else None
        if span is not None:
            yield span
            at = max(at, span.end)  # reading on inside would look at long values again and again


def _value_range(text: str, start: int) -> tuple[int, int]:
    value = _VALUE.match(text, start)
    return unquoted(text, *value.span()) if value else (start, start)


def _opens_line(text: str, match: re.Match[str], line: int) -> bool:
    """Whether only an indentation, a quote or the sign of a list or a comment is before ``match`` in its ``line``."""
    return match.start() - line < _DEEPEST and not text[line : match.start()].strip(" \t-#;\"'")


def _behind_sign(text: str, match: re.Match[str], line: int, kind: str) -> Span | None:
    sign = match["sign"]
    colon = ":" in sign or (sign.startswith(" ") and sign.endswith(" "))
    opens_line = _opens_line(text, match, line)
    next_char = text[match.end() : match.end() + 1]
    if colon and opens_line and next_char in ("", "\n", "|", ">"):
        return _block_below(text, match, line, kind)
    start, end = _value_range(text, match.end())
    quote = text[match.start() - 1] if match.start() else ""
    if sign == "=" and quote and quote in "'\"" and next_char != quote:  # the quotes are around the name, too
        closing = text.find(quote, start, start + _LONGEST)
        end = max(end, closing)
    if colon and opens_line and next_char not in ("'", '"', "{", "["):
        end = _REST.match(text, start).end()  # type: ignore[union-attr]  # it matches anywhere
    value = text[start:end]
    is_placed = is_path(value) and not kind.startswith("pass")
    if is_placed or is_reference(value) or is_reference(value.strip(" \t,}])\"'\\")):
        return None
    certain = (
        bool(_ENVIRONMENT.fullmatch(match["name"]))
        and sign.endswith("=")
        and len(value) >= _SHORT
        and not value.startswith(("$", "!", "*", "<", "{", "/", "%", "`"))
    )
    return Span(start, end, kind, certain)


def _block_below(text: str, match: re.Match[str], line: int, kind: str) -> Span | None:
    """The lines below the line of ``match`` that are indented deeper: a value in YAML's block style."""
    depth = _INDENT.match(text, line).end() - line  # type: ignore[union-attr]
    at = text.find("\n", match.end()) + 1
    start = end = at
    while 0 < at < len(text):
        line_end = text.find("\n", at)
        line_end = len(text) if line_end < 0 else line_end
        indent = _INDENT.match(text, at).end() - at  # type: ignore[union-attr]
        if indent <= depth and at + indent < line_end:
            break
        if at + indent < line_end:
            start = start if end > start else at + indent
            end = line_end
        at = line_end + 1
    return Span(start, end, kind) if end > start and not is_reference(text[start:end]) else None


def _behind_blank(text: str, match: re.Match[str], line: int, kind: str) -> Span | None:
    """The word after a name, where the line has nothing else or the word is none of a language."""
    start, end = _value_range(text, match.end())
    value = text[start:end]
    if (
        not kind
        or not _WRITTEN_OUT.search(match["name"])
        or is_reference(value)
        or value.startswith(("-", "/", "[", "(", "=", ":", "|"))
    ):
        return None
    alone = _opens_line(text, match, line) and _LINE_END.match(text, end) and "\n" in text
    if alone or (len(value) >= _SHORT and any(char.isdigit() for char in value)):
        return Span(start, end, kind)
    return None
