"""Boot menus read as GRUB and isolinux read them: which entries there are, and what each hands to the kernel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from isoforge.iso_layout import TITLE_SUFFIX

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t]+|\\\n|(?<![^\s;{}&|])\#[^\n]*)
    | (?P<end>\n|;)
    | (?P<brace>[{}])
    | (?P<other>[&|<>]+)
    | (?P<word>(?: '[^']*' | "(?:[^"\\]|\\.)*" | \\. | \$\{[^}\n]*\} | [^\s{}|&;<>'"\\] )+)
    | (?P<stray>.)
    """,
    re.VERBOSE | re.DOTALL,
)
"""The tokens of a GRUB script (GRUB manual, 16.1 and grub-core/script/yylex.l)."""

_PART = re.compile(
    r"""'(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | \\(?P<escaped>.) | (?P<plain>[^'"\\]+)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTING = re.compile(r"""['"\\]""")
_KEYWORDS = frozenset({"then", "else", "do", "if", "elif", "while", "until", "!"})
_LINUX = frozenset({"linux", "linuxefi", "linux16"})
_INITRD = frozenset({"initrd", "initrdefi", "initrd16"})
_WITH_VALUE = frozenset({"--id", "--class", "--users", "--hotkey"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a boot menu.

    ``line`` is where it begins, in ``file`` unless that is the menu's own; ``inside`` are the titles of the submenus
    around it; ``linux`` are the words of the kernel command as the kernel gets them, the file first (empty if it starts
    no kernel), ``initrd`` the files of the initrd; ``cut`` is what an unquoted ``;`` cuts off the kernel command.
    Variables are not expanded.
    """

    title: str
    line: int
    file: str = ""
    entry_id: str = ""
    inside: tuple[str, ...] = ()
    linux: tuple[str, ...] = ()
    initrd: tuple[str, ...] = ()
    cut: str = ""

    @property
    def kernel_line(self) -> str:
        """The kernel's arguments, without the file."""
        return " ".join(self.linux[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class BootMenu:
    """A boot menu: its entries in their order, and every value that ``set`` gives to a variable outside of them.

    ``submenus`` are the ids of its submenus, ``sourced`` the files that it sources.
    """

    entries: tuple[Entry, ...]
    submenus: frozenset[str] = frozenset()
    sourced: tuple[str, ...] = ()
    variables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a GRUB script without its quotes, and the token that ended it."""

    words: tuple[str, ...]
    line: int
    ended_by: str


@dataclass(slots=True, kw_only=True)
class _Block:
    """An open block: a menu entry, a submenu, or any other (a function, a condition)."""

    kind: str
    title: str
    entry_id: str
    line: int
    file: str = ""
    linux: tuple[str, ...] = ()
    initrd: tuple[str, ...] = ()
    cut: str = ""


def read_grub(config: str, sourced: Callable[[str], str | None] = lambda _file: "") -> BootMenu:
    """The menu that a GRUB configuration describes.

    ``sourced`` returns the text of a file that it sources, None if that is missing, empty to skip it; without it no
    file is read. Files whose names contain variables are never read.
    """
    reader = _Reader(sourced)
    reader.read(config, "")
    reader.problems += [f"line {block.line}: unclosed {{" for block in reader.blocks]
    if reader.top.linux:
        reader.entries.append(_entry(reader.top, ()))
    return BootMenu(
        entries=tuple(reader.entries),
        submenus=frozenset(reader.submenus),
        sourced=tuple(reader.files),
        variables=reader.variables,
        problems=tuple(reader.problems),
    )


class _Reader:
    """Reads a menu, and each file that it sources where the menu sources it."""

    def __init__(self, sourced: Callable[[str], str | None]) -> None:
        self.sourced = sourced
        self.entries: list[Entry] = []
        self.submenus: set[str] = set()
        self.files: list[str] = []
        self.variables: dict[str, tuple[str, ...]] = {}
        self.problems: list[str] = []
        self.blocks: list[_Block] = []
        self.top = _Block(kind="", title="", entry_id="", line=1)

    def read(self, config: str, file: str) -> None:
        """Read the commands of ``config``, the text of ``file``."""
        before: Command | None = None
        for command in commands(config):
            self._command(command, before, file)
            if command.ended_by == "}":
                if self.blocks:
                    self.entries += _closed(self.blocks.pop(), self.blocks)
                else:
                    self.problems.append(f"{file and f'{file} '}line {command.line}: unmatched }}")
            before = command if command.words else before

    def _command(self, command: Command, before: Command | None, file: str) -> None:
        block = self.blocks[-1] if self.blocks else self.top
        words = command.words
        name = words[0] if words else ""
        if command.ended_by == "{":
            self.blocks.append(_opened(command, file))
            if self.blocks[-1].kind == "submenu":
                self.submenus.add(self.blocks[-1].entry_id)
        elif before and before.ended_by == ";" and before.words[0] in _LINUX and _is_rest(words):
            block.cut = " ".join(words)
        elif name in _LINUX:
            block.linux = words[1:]
            block.line = block.line if block.kind else command.line
        elif name in _INITRD:
            block.initrd = words[1:]
        elif name == "set" and len(words) > 1 and not block.kind:
            variable, _, value = words[1].partition("=")
            self.variables[variable] = (*self.variables.get(variable, ()), value)
        elif name == "source" and len(words) == 2 and "$" not in words[1]:
            self._source(words[1], f"{file and f'{file} '}line {command.line}")

    def _source(self, file: str, where: str) -> None:
        text = self.sourced(file)
        if file in self.files:
            self.problems.append(f"{where}: {file} is sourced a second time")
        elif text is None:
            self.problems.append(f"{where}: {file} is not on the ISO, its entries are missing")
        elif text:
            self.files.append(file)
            self.read(text, file)


def _is_rest(words: Sequence[str]) -> bool:
    """Whether the words after an unquoted ``;`` are not a command, but the rest of the kernel line before it."""
    return bool(words) and ("=" in words[0] or "---" in words)


def _opened(command: Command, file: str) -> _Block:
    kind = command.words[0] if command.words else ""
    words = iter(command.words[1:])
    title = entry_id = ""
    for word in words:
        option, _, value = word.partition("=")
        if option in _WITH_VALUE:
            value = value or next(words, "")
            entry_id = value if option == "--id" else entry_id
        elif not word.startswith("--") and not title:
            title = TITLE_SUFFIX.sub("", word)
    return _Block(kind=kind or "{", title=title, entry_id=entry_id, line=command.line, file=file)


def _closed(block: _Block, around: Sequence[_Block]) -> Iterator[Entry]:
    """The entry that ``block`` describes, if any; the kernel of any other block belongs to the entry around it."""
    if block.kind == "menuentry":
        yield _entry(block, tuple(outer.title for outer in around if outer.kind == "submenu"))
    elif block.linux and around and block.kind != "submenu":
        around[-1].linux, around[-1].initrd, around[-1].cut = block.linux, block.initrd, block.cut


def _entry(block: _Block, inside: tuple[str, ...]) -> Entry:
    return Entry(
        title=block.title,
        line=block.line,
        file=block.file,
        entry_id=block.entry_id,
        inside=inside,
        linux=block.linux,
        initrd=block.initrd,
        cut=block.cut,
    )


def commands(config: str) -> Iterator[Command]:
    """The commands of a GRUB script in their order, with the token that ended each; braces end one too."""
    words: list[str] = []
    line, start = 1, 1
    for token in _TOKEN.finditer(config):
        text, kind = token.group(), token.lastgroup
        start = start if words else line
        if kind == "word" and not (not words and text in _KEYWORDS):
            words.append(_unquoted(text))
        elif kind in ("end", "brace", "other"):
            yield Command(words=tuple(words), line=start, ended_by=text)
            words = []
        line += text.count("\n")
    yield Command(words=tuple(words), line=start, ended_by="")


def _unquoted(word: str) -> str:
    """A word without its quotes; in double quotes a backslash escapes only some characters."""
    if not _QUOTING.search(word):
        return word
    parts = []
    for part in _PART.finditer(word):
        if part["double"] is not None:
            parts.append(re.sub(r'\\([$"\\\n])', r"\1", part["double"]))
        else:
            parts.append(part["single"] or part["escaped"] or part["plain"] or "")
    return "".join(parts)


def read_isolinux(config: str) -> BootMenu:
    """The entries of an isolinux configuration, which knows neither quotes nor escapes (20.04 and before)."""
    entries: list[Entry] = []
    facts: dict[str, str] = {}
    start = 0
    for number, line in enumerate([*config.splitlines(), "label"], start=1):
        keyword, _, rest = line.strip().partition(" ")
        keyword, rest = keyword.lower(), rest.strip()
        if keyword == "label":
            if "kernel" in facts:
                entries.append(_isolinux_entry(facts, start))
            facts, start = {"label": rest}, number
        elif keyword == "menu" and rest.lower().startswith("label "):
            facts["title"] = rest[6:].replace("^", "").strip()
        elif keyword in ("kernel", "linux", "append", "initrd"):
            facts["kernel" if keyword == "linux" else keyword] = rest
    return BootMenu(entries=tuple(entries))


def _isolinux_entry(facts: dict[str, str], line: int) -> Entry:
    words = facts.get("append", "").split()
    initrds = [word.removeprefix("initrd=") for word in words if word.startswith("initrd=")]
    return Entry(
        title=facts.get("title") or facts.get("label", ""),
        line=line,
        entry_id=facts.get("label", ""),
        linux=(facts["kernel"], *(word for word in words if not word.startswith("initrd="))),
        initrd=tuple(file for words in (initrds or [facts.get("initrd", "")]) for file in words.split(",") if file),
    )
