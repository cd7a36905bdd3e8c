"""Bash syntax, which `sh` (dash, in the live system) does not know; seen without running anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_AT_COMMAND = r"(?:^|[;&|({\n]|\b(?:then|do|else|if|while|until)\s|!\s)\s*"

_BUILTINS = "declare|typeset|shopt|pushd|popd|let|mapfile|readarray"

_BASHISMS = (
    (re.compile(r"(?:^|[\s;&|(!])\[\[\s"), "[[ … ]]", "write [ … ]"),
    (re.compile(_AT_COMMAND + r"source\s"), "source", "write a dot"),
    (re.compile(r"<<<"), "<<<", "pipe the text in with printf"),
    (re.compile(r"(?<![<\d])[<>]\("), "<( … )", "use a temporary file"),
    (re.compile(r"&>"), "&>", "write >FILE 2>&1"),
    (re.compile(r"\|&"), "|&", "write 2>&1 |"),
    (re.compile(r"(?:^|[\s;&|])\w+\+?=\("), "an array", "use words or lines in a text"),
    (re.compile(r"(?:^|[\s;&|])\w+\+=(?!\()"), "+=", 'write x="$x…"'),
    (re.compile(_AT_COMMAND + r"function\s+\w"), "function", "write name() {"),
    (re.compile(r"\bset\s[^;\n]*\bpipefail\b"), "pipefail", "use `bash -c`"),
    (re.compile(r"(?<!\$)\{[\w-]+\.\.[\w-]+(\.\.\d+)?\}"), "{a..b}", "use seq"),
    (re.compile(r"(?<![\$\w])(?:[\w./-]*)\{[^\s{}'\"]*,[^\s{}'\"]*\}"), "{a,b}", "write the words out"),
    (re.compile(r"(?:^|[;&|({\n]|\s)\(\((?!\()"), "(( … ))", "write [ $((…)) -ne 0 ] or x=$((…))"),
    (re.compile(r"(?:^|\s)\[\s[^\]\n]*\s==\s"), "== in [ ]", "write ="),
    (re.compile(_AT_COMMAND + rf"(?:{_BUILTINS})\s"), "a bash builtin", "use `bash -c`"),
    (re.compile(r"(?<![\w\\])\$'"), "$'…'", "use printf"),
)

_BASHISMS_IN_DOUBLE_QUOTES = (
    (re.compile(r"\$\{!?\w+\[[^]]*\]"), "${x[…]}", "use words or lines in a text"),
    (re.compile(r"\$\{\w+(\^|,|/)"), "${x^}, ${x,} or ${x/a/b}", "use sed or tr"),
    (re.compile(r"\$\{\w+:\s*\d"), "${x:1}", "use cut"),
    (re.compile(r"\$\{!\w"), "${!x}", "use eval, or name it"),
    (re.compile(r"\$\(<"), "$(<FILE)", "write $(cat FILE)"),
)

_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1[^\n]*\n(.*?)(?:^\s*\2\s*$|\Z)", re.DOTALL | re.MULTILINE)
_NESTED = re.compile(r"(?:^|[\s;&|(/])((?:[\w/]*/)?(?:ba|da|z|k)?sh)\s+(?:-\w+\s+)*?-\w*c\w*\s+$")


_NESTED_REACH = 200
"""How far before a quote a ``sh -c`` is looked for, in pieces of the text: words and options are short."""


@lru_cache(maxsize=512)
def bashisms(command: str) -> tuple[tuple[str, str], ...]:
    """Each piece of bash syntax in a command that ``sh -c`` gets, as (what it is, what to write instead).

    Text in quotes and in here-documents is not the shell's; what is quoted after ``sh -c`` is looked into,
    what is quoted after ``bash -c`` is bash's own. Hosts share most of their commands: what is known is remembered.
    """
    return tuple(_bashisms(command))


def _bashisms(command: str) -> Iterator[tuple[str, str]]:
    code, inner = unquoted(_HEREDOC.sub(_without_body, command))
    seen: set[str] = set()
    half, _ = unquoted(_HEREDOC.sub(_without_body, command), keep_double=True)
    for rules, scanned in ((_BASHISMS, code), (_BASHISMS_IN_DOUBLE_QUOTES, half)):
        for pattern, name, fix in rules:
            if pattern.search(scanned) and name not in seen:
                seen.add(name)
                yield name, fix
    for quoted in inner:
        for name, fix in bashisms(quoted):
            if name not in seen:
                seen.add(name)
                yield name, fix


def _without_body(match: re.Match[str]) -> str:
    head, _, _ = match[0].partition("\n")
    return head.replace("<<", "< ", 1) + "\n"


@lru_cache(maxsize=512)
def unquoted(command: str, *, keep_double: bool = False) -> tuple[str, tuple[str, ...]]:
    """``command`` with what is in quotes, behind backslashes and in comments blanked out; and the scripts that it
    hands to ``sh -c`` in quotes. ``keep_double`` keeps what is in double quotes."""
    parts: list[str] = []
    scripts: list[str] = []
    at = 0
    while at < len(command):
        char = command[at]
        if char == "\\":
            parts.append("__")
            at += 2
        elif char in "'\"":
            end = _end_of_quote(command, at)
            shell = _NESTED.search("".join(parts[-_NESTED_REACH:])) if parts and parts[-1].isspace() else None
            if shell and shell[1].rsplit("/", 1)[-1] in {"sh", "dash"}:
                scripts.append(command[at + 1 : end])
            kept = keep_double and char == '"'
            parts.append(command[at : end + 1] if kept else char + "_" * (end - at - 1) + char)
            at = end + 1
        elif char == "#" and (at == 0 or command[at - 1] in " \t\n;"):
            end = command.find("\n", at)
            at = len(command) if end < 0 else end
        else:
            parts.append(char)
            at += 1
    return "".join(parts), tuple(scripts)


def _end_of_quote(command: str, start: int) -> int:
    quote = command[start]
    at = start + 1
    while at < len(command) and command[at] != quote:
        at += 2 if quote == '"' and command[at] == "\\" else 1
    return min(at, len(command))
