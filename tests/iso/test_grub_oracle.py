"""GRUB itself is the oracle: its parser accepts what ours accepts, and grub-emu runs scripts and menus as we do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoforge.errors import ToolError
from isoforge.proof.read.grub_lexer import GrubSyntaxError
from isoforge.proof.read.grub_machine import Machine, Medium, Structure
from isoforge.proof.read.grub_menu import Evaluation, evaluate, first_state
from isoforge.proof.read.grub_state import State
from isoforge.proof.read.grub_syntax import parse
from isoforge.proof.read.image import Image
from isoforge.run import run
from tests.conftest import ROOT

SYNTAX = sorted((ROOT / "tests/corpus/grub").glob("*.cfg"))
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r| *\[ [^ ]+ +[0-9.]+[KM]?i?B +[0-9]+% +[0-9.]+[KM]?i?B/s \]")
"""What GRUB prints to move the cursor, and its progress while it reads a file."""

emulator = pytest.mark.skipif(shutil.which("grub-emu") is None, reason="grub-emu is not installed")

WORDS = st.sampled_from(
    [
        "echo",
        "a",
        "$x",
        '"$x y"',
        "'q $x'",
        r"\;",
        "a=b",
        "${x}",
        "if",
        "in",
        "!",
        "[",
        "]",
        "=",
        "x#y",
        '""',
        "$1",
        "é",
    ]
)
BAD_WORDS = st.sampled_from(["$", '"$"', "${x-y}", "|", "&", "<", "[[", "]]", "}", '"', "'", ";;"])


def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    line = st.lists(inner, min_size=1, max_size=3).map("; ".join)
    ends = st.sampled_from(["; ", "\n", " ;\n\n", " # c\n"])
    return st.one_of(
        st.tuples(line, ends, line, ends).map(lambda parts: "if {}{}then {}{}fi".format(*parts)),
        st.tuples(line, ends, line, line).map(lambda parts: "if {}{}then {}; else {}; fi".format(*parts)),
        st.tuples(line, line, line).map(lambda parts: "if {}; then {}; elif {}; then a; fi".format(*parts)),
        st.tuples(ends, line, ends).map(lambda parts: "for x in a b{}do {}{}done".format(*parts)),
        st.tuples(line, ends, line).map(lambda parts: "while {}{}do {}; done".format(*parts)),
        line.map(lambda text: f"menuentry 'x' {{ {text} }}"),
        line.map(lambda text: f"submenu x {{\n{text}\n}}"),
        line.map(lambda text: f"function f {{\n{text}\n}}"),
    )


COMMANDS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
SCRIPTS = st.lists(st.recursive(COMMANDS, blocks, max_leaves=5), min_size=1, max_size=4).map("\n".join)
DAMAGED = st.tuples(SCRIPTS, BAD_WORDS, st.floats(0, 1)).map(
    lambda parts: parts[0][: int(len(parts[0]) * parts[2])] + parts[1] + parts[0][int(len(parts[0]) * parts[2]) :]
)


def accepts(text: str) -> bool:
    try:
        parse(text)
    except GrubSyntaxError:
        return False
    return True


def grub_accepts(text: str, folder: Path) -> bool:
    """A script of nothing but functions is refused by the program, and accepted by GRUB: so there is a command."""
    file = folder / "script.cfg"
    file.write_text(f"{text}\ntrue\n")
    try:
        run("grub-script-check", file)
    except ToolError:
        return False
    return True


@settings(max_examples=150)
@given(text=st.one_of(SCRIPTS, DAMAGED))
def test_grub_and_we_agree_whether_a_text_is_a_script(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assert accepts(f"{text}\ntrue\n") == grub_accepts(text, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("file", SYNTAX, ids=[file.stem for file in SYNTAX])
def test_grub_and_we_agree_about_each_text_of_the_corpus(file: Path, tmp_path: Path) -> None:
    cases = file.read_text().split("#----\n")
    assert len(cases) > 10
    for text in cases:
        assert accepts(f"{text}\ntrue\n") == grub_accepts(text, tmp_path) == (file.stem == "accepted"), text


def emulated(text: str, folder: Path) -> list[str]:
    """The lines that GRUB prints when it runs ``text`` and then stops."""
    (folder / "grub.cfg").write_text(f"{text}\nreboot\n")
    printed = ESCAPE.sub("", run("timeout", "10", "grub-emu", "-d", folder))
    return [
        line.replace(str(folder), "/boot/grub") for line in printed.splitlines() if line and "Welcome to" not in line
    ]


def evaluated(text: str, files: Mapping[str, str] | None = None) -> tuple[State, Evaluation]:
    contents = {PurePosixPath(path): content for path, content in (files or {}).items()}
    contents[PurePosixPath("/boot/grub/grub.cfg")] = f"{text}\nreboot\n"
    paths = {folder: "directory" for path in contents for folder in path.parents}
    medium = Medium(device="host", paths={**paths, **dict.fromkeys(contents, "file")}, read=contents.__getitem__)
    state = first_state(Machine(platform="emu"), medium)
    return state, evaluate(state)


@emulator
@pytest.mark.parametrize("file", sorted((ROOT / "tests/corpus/grub/run").glob("*.cfg")), ids=lambda file: file.stem)
def test_scripts_print_what_they_print_in_grub(file: Path, tmp_path: Path) -> None:
    text = file.read_text()
    state, _ = evaluated(text)
    printed = [line for line in "\n".join(state.printed).splitlines() if line]
    assert printed == emulated(text, tmp_path)
    assert len(printed) > 10


VALUES = st.sampled_from(["", "a", "b", "a b", "  a", "5", "0x5", "010", "-3", "x=y", "é"])
TESTS = st.recursive(
    st.one_of(
        st.tuples(VALUES, st.sampled_from(["=", "!=", "-eq", "-lt", "-ge", "-pgt", "-plt"]), VALUES).map(list),
        st.tuples(st.sampled_from(["-n", "-z"]), VALUES).map(list),
        VALUES.map(lambda value: [value]),
    ),
    lambda inner: st.one_of(
        inner.map(lambda words: ["!", *words]),
        inner.map(lambda words: ["(", *words, ")"]),
        st.tuples(inner, st.sampled_from(["-a", "-o"]), inner).map(lambda parts: [*parts[0], parts[1], *parts[2]]),
    ),
    max_leaves=4,
)
STEPS = st.one_of(
    st.tuples(st.sampled_from("xyz"), VALUES).map(lambda pair: f"set {pair[0]}='{pair[1]}'"),
    TESTS.map(lambda words: "[ " + " ".join(f"'{word}'" for word in words) + " ]\necho $?"),
    st.sampled_from(["echo $x$y", 'echo "$x" $y', "f $x $y", 'f "$x" "$z"', "unset x", "x=$y", "! true", "f; echo $?"]),
    st.sampled_from(["for z in $x $y c; do echo $z; done", "if [ $x = $y ]; then echo same; else echo other; fi"]),
    st.sampled_from(["while [ x$y != xaab ]; do if [ x$y = x ]; then y=a; else y=aab; fi; done", "return 1", "nosuch"]),
    st.sampled_from(["if regexp --set=1:x '^(.)' \"$y\"; then echo $x; fi", "eval echo $x", "shift", "break"]),
)


@emulator
@settings(max_examples=40)
@given(steps=st.lists(STEPS, min_size=5, max_size=30))
def test_random_scripts_print_what_they_print_in_grub(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    text = 'function f { echo "$# [$1][$2]"; if [ "$1" = a ]; then return 2; fi; }\n' + "\n".join(steps)
    state, _ = evaluated(text)
    printed = [line for line in "\n".join(state.printed).splitlines() if line]
    assert printed == emulated(text, tmp_path_factory.mktemp("emulated"))


MENU = """\
menuentry 'First > one' --id first { echo started first; reboot; }
menuentry second { echo started second; reboot; }
submenu 'Third' --id third {
    menuentry 'inner 1' { echo started "$chosen"; reboot; }
    menuentry 'inner 2' --id two { echo started two of "$1"; reboot; }
}
submenu short --id short { set default=b; set timeout=0; menuentry a --id a { echo started a; reboot; }
menuentry b --id b { echo started b; reboot; } }
menuentry 'seventh' { echo started seventh; set x=1; export x; configfile $prefix/other.cfg; }
"""
DEFAULTS = [
    "",
    "0",
    "1",
    "2",
    "2>1",
    "third",
    "third>two",
    "third>inner 1",
    "Third>1",
    "third>nosuch",
    "nosuch",
    "99",
    "1x",
]
DEFAULTS += ["First >> one", "first", "second", "short", "short>a", "0x1", "01", "-1", "4", "saved", " 1", "third>0>1"]


@emulator
@pytest.mark.parametrize("default", DEFAULTS)
def test_the_timeout_starts_what_it_starts_in_grub(default: str, tmp_path: Path) -> None:
    other = "echo other $x; set timeout=0; menuentry o { echo started o; reboot; }"
    (tmp_path / "other.cfg").write_text(other)
    text = f"set timeout=0\nset default='{default}'\n{MENU}"
    text = text.replace("reboot", "set end=1; reboot")
    state, evaluation = evaluated_menu(text, {"/boot/grub/other.cfg": other})
    assert evaluation.start is not None
    assert evaluation.start.how == "reboot"
    (tmp_path / "grub.cfg").write_text(text)
    printed = ESCAPE.sub("", run("timeout", "10", "grub-emu", "-d", tmp_path))
    assert [line for line in state.printed if line.startswith("started")] == [
        line[line.index("started") :] for line in printed.splitlines() if "started" in line
    ]


def evaluated_menu(text: str, files: Mapping[str, str]) -> tuple[State, Evaluation]:
    contents = {PurePosixPath(path): content for path, content in files.items()}
    contents[PurePosixPath("/boot/grub/grub.cfg")] = text
    paths = {folder: "directory" for path in contents for folder in path.parents}
    medium = Medium(device="host", paths={**paths, **dict.fromkeys(contents, "file")}, read=contents.__getitem__)
    state = first_state(Machine(platform="emu"), medium)
    return state, evaluate(state)


SMBIOS = """\
function smbios {
    set answer=
    if [ $2 = 0x01 -a "$3 $4" = "--get-byte 0" ]; then set answer=1; fi
    if [ $2 = 0x02 -a "$3 $4" = "--get-byte 0" ]; then set answer=127; fi
    if [ $2 = 0x01 -a "$3 $4" = "--get-byte 1" ]; then set answer=27; fi
    if [ $2 = 0x01 -a "$3 $4" = "--get-byte 5" ]; then set answer=0; fi
    if [ $2 = 0x01 -a "$3 $4" = "--get-byte 7" ]; then set answer=1; fi
    if [ $2 = 0x01 -a "$3" = "--get-string" ]; then set answer='@'; fi
    if [ $2 = 0x01 -a "$3" = "--get-uuid" ]; then set answer=00000000-0000-0000-0000-000000000000; fi
    set "$6=$answer"
}
"""
"""grub-emu has no SMBIOS: this is a table of one system with a serial number."""


@emulator
@pytest.mark.parametrize(
    "serial", ["PC0EXMP1", " pc0EXMP2 ", "unlisted", "None", "To be filled by O.E.M.", "0000-0000"]
)
def test_grub_finds_the_host_that_we_find_in_a_real_menu(good: Path, serial: str, tmp_path: Path) -> None:
    shown = 'echo "$default|$timeout|$timeout_style|$isoforge_heading|$isoforge_host|$isoforge_here_1|$isoforge_why"'
    text = f"loopback cd0 (host){good}\nset root=cd0\nset prefix=(cd0)/boot/grub\nsource /boot/grub/grub.cfg\n{shown}"
    printed = emulated(SMBIOS.replace("@", serial) + text, tmp_path)
    with Image(good) as image:
        medium = Medium(device="cd0", paths={path: node.kind for path, node in image.tree.items()}, read=image.text)
        table = (Structure(kind=1, strings={7: serial}), Structure(kind=127))
        state = first_state(Machine(platform="emu", structures=table), medium)
        evaluation = evaluate(state)
        value = evaluation.state.get
        names = ("default", "timeout", "timeout_style", "isoforge_heading", "isoforge_host", "isoforge_here_1")
        expected = "|".join(map(value, (*names, "isoforge_why")))
        assert "".join(printed).replace(" ", "") == expected.replace(" ", "")  # GRUB wraps at the edge of the screen
