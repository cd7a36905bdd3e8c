"""The reference pages made from the code: docs/cli.md, docs/isoforge.1, docs/problems.md, tables of docs/inventory.md.

`make docs` writes them; a test fails when they are out of date.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from isoforge import __version__
from isoforge.cli.main import app
from isoforge.errors import ForgeError
from isoforge.fleet.inventory.reference import MARK, markdown
from scripts.problem_page import problems_page

DOCS = Path(__file__).parents[1] / "docs"

HELP = "-h, --help"

OWN_WORDS = {
    "install_completion": "Let the shell that you use complete verbs, options and hosts.",
    "show_completion": "Print what --install-completion would install.",
}
"""What is said of typer's own options."""

WIDTH = 78
"""Columns of a line of roff (mandoc -T lint)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """An option or an argument of a verb: as it is typed, what it takes, and its default, both "" without one."""

    typed: tuple[str, ...]
    takes: str
    default: str
    meaning: str
    is_option: bool
    is_required: bool
    is_repeated: bool
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb ("" is isoforge itself): its other names, what it does, an example, and its words."""

    name: str
    aliases: tuple[str, ...]
    paragraphs: tuple[str, ...]
    example: str
    words: tuple[Word, ...]

    @property
    def usage(self) -> tuple[str, ...]:
        """What is typed, word by word; what need not be stands in brackets."""
        parts = ["isoforge", *([self.name] if self.name else [])]
        for word in self.words:
            if word.is_option and word.is_required:
                parts.append(f"{word.typed[0]} {word.takes}")
        parts += ["[OPTION]..."]
        for word in self.words:
            if not word.is_option:
                shown = word.takes + ("..." if word.is_repeated else "")
                parts.append(shown if word.is_required else f"[{shown}]")
        return tuple(parts) if self.name else (*parts, "VERB", "...")


def verbs() -> list[Verb]:
    """isoforge itself, then each of its verbs in the order of `isoforge --help`, without the hidden ones."""
    command: Any = typer.main.get_command(app)
    known = dict(command.commands)
    found = [_verb("", command, ())]
    for name, verb in known.items():
        if not verb.hidden:
            aliases = [other for other, hidden in known.items() if hidden.hidden and hidden.help == verb.help]
            found.append(_verb(name, verb, tuple(aliases)))
    return found


def _verb(name: str, command: Any, aliases: tuple[str, ...]) -> Verb:
    text, _, example = (command.help or "").partition("Example:")
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    words = [_word(param) for param in command.params if not getattr(param, "hidden", False)]
    return Verb(
        name=name,
        aliases=aliases,
        paragraphs=tuple(filter(None, paragraphs)),
        example=" ".join(example.split()),
        words=tuple(words),
    )


def _word(param: Any) -> Word:
    is_option = param.param_type_name == "option"
    is_flag = is_option and param.is_flag
    kind = str(param.type_descriptor.annotation) if hasattr(param, "type_descriptor") else param.type.name
    takes = (param.metavar or _kind(kind)) if is_option else (param.metavar or param.name.upper()).strip("[].")
    default = "" if is_flag or param.default in (None, Path()) or callable(param.default) else str(param.default)
    return Word(
        typed=tuple(sorted((*param.opts, *param.secondary_opts), key=lambda one: one.startswith("--"))),
        takes="" if is_flag else takes.rstrip("]."),
        default=default,
        meaning=OWN_WORDS.get(param.name) or " ".join((param.help or "").split()),
        is_option=is_option,
        is_required=param.required,
        is_repeated=bool(getattr(param, "multiple", False)) or param.nargs == -1,
        variable=str(param.envvar or ""),
    )


def _kind(kind: str) -> str:
    """The placeholder of an option's value, from its annotation ("pathlib.Path") or Click's name ("float range")."""
    placeholders = {"path": "PATH", "int": "NUMBER", "integer": "NUMBER", "float": "NUMBER"}
    return next((word for name, word in placeholders.items() if re.search(rf"\b{name}\b", kind.lower())), "TEXT")


def exit_codes() -> list[tuple[str, str]]:
    """Every exit code with its meaning, from the errors that bear them."""
    rows = {0: "Success.", 1: "A bug in isoforge: please report it with the file that the hint names."}
    todo: list[type[ForgeError]] = [ForgeError]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if "exit_code" in vars(kind) and kind.exit_code > 1:
            rows[kind.exit_code] = (kind.__doc__ or "").partition("\n")[0]
    signals = {129: "Hung up: the terminal was closed.", 130: "Interrupted.", 143: "Terminated."}
    return [(str(code), meaning) for code, meaning in sorted({**rows, **signals}.items())]


# Markdown


def cli_page() -> str:
    """docs/cli.md."""
    every = verbs()
    index = [f"| [`{verb.name}`](#isoforge-{verb.name}) | {_text(verb.paragraphs[0])} |\n" for verb in every[1:]]
    codes = [f"| {code} | {_text(meaning)} |\n" for code, meaning in exit_codes()]
    return "".join(
        [
            "# The command line\n\n<!-- This page is generated from the code: make docs. -->\n\n",
            "The result goes to stdout, everything else to stderr. As a manual page: `man -l docs/isoforge.1`, or,\n",
            "where pip installed isoforge, `man isoforge`.\n\n",
            "| verb | what it does |\n|---|---|\n",
            *index,
            *(f"\n## `isoforge{f' {verb.name}' if verb.name else ''}`\n\n{_section(verb)}" for verb in every),
            "\n## Exit codes\n\nEach has an example [on a page of its own](exit-codes.md).\n\n",
            "| code | meaning |\n|---|---|\n",
            *codes,
        ]
    )


def _section(verb: Verb) -> str:
    lines = [f"`{' '.join(verb.usage)}`", *map(_text, verb.paragraphs)]
    if verb.example:
        lines.append(f"Example: `{verb.example}`")
    if verb.aliases:
        lines.append(f"Also called {', '.join(f'`{name}`' for name in verb.aliases)}.")
    rows = [f"| {_cell(word)} | {_default(word)} | {_text(word.meaning)} |\n" for word in verb.words]
    listed = f"\n\n| | default | meaning |\n|---|---|---|\n{''.join(rows)}" if rows else "\n"
    return "\n\n".join(lines) + listed


def _cell(word: Word) -> str:
    return f"`{', '.join(word.typed)}{' ' + word.takes if word.takes else ''}`" if word.is_option else f"`{word.takes}`"


def _default(word: Word) -> str:
    if word.is_required:
        return "required"
    variable = f"`${word.variable}`, else " if word.variable else ""
    return f"{variable}`{word.default}`" if word.default else variable.removesuffix(", else ")


def _text(text: str) -> str:
    """Words of a docstring as Markdown: what stands between backticks stays."""
    pieces = text.split("`")
    pieces[::2] = [re.sub(r"([<*\[|\\])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)


# roff


def man_page() -> str:
    """docs/isoforge.1, in the macros of man(7)."""
    itself, *rest = verbs()
    return "\n".join(
        [
            '.\\" This page is generated from the code: make docs.',
            f'.TH ISOFORGE 1 "" "isoforge {__version__}" "User Commands"',
            ".SH NAME",
            "isoforge \\- one bootable Ubuntu ISO that installs a whole fleet",
            ".SH SYNOPSIS",
            *_synopsis(itself),
            ".SH DESCRIPTION",
            *_paragraphs(itself),
            ".PP",
            _roff("The result goes to stdout, everything else to stderr."),
            ".SH OPTIONS",
            *_words(itself),
            ".TP",
            f"\\fB{_roff(HELP)}\\fP",
            *_lines("Say what isoforge, or a verb, does and takes."),
            ".SH VERBS",
            *(line for verb in rest for line in _part(verb)),
            ".SH EXIT STATUS",
            *(line for code, meaning in exit_codes() for line in (".TP", f"\\fB{code}\\fP", *_lines(meaning))),
            ".SH ENVIRONMENT",
            *(
                line
                for name, meaning in _variables(rest)
                for line in (".TP", f"\\fB{_roff(name)}\\fP", *_lines(meaning))
            ),
            ".SH SEE ALSO",
            ".BR age (1),",
            ".BR sops (1),",
            ".BR xorriso (1)",
            "",
        ]
    )


def _part(verb: Verb) -> Iterator[str]:
    yield f".SS {_roff(verb.name)}"
    yield from _synopsis(verb)
    yield ".PP"
    yield from _paragraphs(verb)
    if verb.aliases:
        yield from (".PP", _roff(f"Also called {', '.join(verb.aliases)}."))
    if verb.example:
        yield from (".PP", "Example:", ".PP", ".in +4n", ".nf", _roff(verb.example), ".fi", ".in")
    yield from _words(verb)


def _synopsis(verb: Verb) -> Iterator[str]:
    first, *rest = verb.usage
    bold = [first, *([verb.name] if verb.name else [])]
    yield f"\\fB{_roff(' '.join(bold))}\\fP {_roff(' '.join(rest[len(bold) - 1 :]))}"


def _paragraphs(verb: Verb) -> Iterator[str]:
    for number, paragraph in enumerate(verb.paragraphs):
        if number:
            yield ".PP"
        yield from _lines(paragraph)


def _words(verb: Verb) -> Iterator[str]:
    for word in verb.words:
        takes = f" \\fI{_roff(word.takes)}\\fP" if word.is_option and word.takes else ""
        typed = "\\fP, \\fB".join(map(_roff, word.typed))
        yield ".TP"
        yield f"\\fB{typed}\\fP{takes}" if word.is_option else f"\\fI{_roff(word.takes)}\\fP"
        default = f" [{word.default}]" if word.default else ""
        yield from _lines(word.meaning + default)


def _variables(every: list[Verb]) -> list[tuple[str, str]]:
    options = {word.variable: word.typed[-1] for verb in every for word in verb.words if word.variable}
    return [
        *((name, f"The default of {option}.") for name, option in options.items()),
        ("NO_COLOR", "No colours, on a terminal too."),
        ("SOPS_AGE_KEY, SOPS_AGE_KEY_FILE", "The age key that decrypts secrets, or its file; passed on to sops."),
        (
            "SOURCE_DATE_EPOCH",
            "The date of the ISO in seconds since 1970 (default: derived from the base ISO).",
        ),
    ]


def _lines(text: str) -> Iterator[str]:
    """``text`` in lines of roff."""
    yield from textwrap.wrap(_roff(text.replace("`", "")), WIDTH, break_on_hyphens=False, break_long_words=False)


def _roff(text: str) -> str:
    """``text`` as roff prints it: backslashes, hyphens that are typed, and a line that would be a request."""
    shown = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return f"\\&{shown}" if shown.startswith((".", "'")) else shown


def pages() -> dict[Path, str]:
    """Each page that is made from the code, and the text it must have."""
    inventory = DOCS / "inventory.md"
    by_hand, mark, _ = inventory.read_text("utf-8").partition(MARK)
    if not mark:
        raise ForgeError(f"{inventory} has no line {MARK!r}: the tables behind it cannot be renewed")
    return {
        DOCS / "cli.md": cli_page(),
        DOCS / "isoforge.1": man_page(),
        DOCS / "problems.md": problems_page(),
        inventory: f"{by_hand}{MARK}\n\n{markdown()}",
    }


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, "utf-8")
