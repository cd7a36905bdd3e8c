"""GRUB scripts are evaluated to their end, whatever they are, and what cannot be followed is noted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoforge.proof.read.grub_cache import Cache
from isoforge.proof.read.grub_lexer import GrubSyntaxError
from isoforge.proof.read.grub_machine import END_OF_TABLE, Machine, Medium, Structure
from isoforge.proof.read.grub_menu import Evaluation, evaluate, every_entry, first_state
from isoforge.proof.read.grub_state import State
from isoforge.proof.read.grub_syntax import parse

CONFIG = "/boot/grub/grub.cfg"
KERNEL = {"/casper/vmlinuz": "", "/casper/initrd": ""}


def medium_of(files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Medium:
    contents = {PurePosixPath(path): text for path, text in files.items()}
    targets = {PurePosixPath(path): target for path, target in (links or {}).items()}
    folders = {folder: "directory" for path in (*contents, *targets) for folder in path.parents}
    paths = {**folders, **dict.fromkeys(contents, "file"), **dict.fromkeys(targets, "link")}
    return Medium(
        device="cd0", paths=paths, read=contents.__getitem__, target=targets.__getitem__, label="UBUNTU", uuid="2026-11"
    )


def run(
    text: str, files: Mapping[str, str] | None = None, *, platform: str = "pc", **machine: object
) -> tuple[State, Evaluation]:
    """The state after ``text`` as grub.cfg has been read and its menu has started something, and the evaluation."""
    medium = medium_of({CONFIG: text, **(files or {})})
    state = first_state(Machine(platform=platform, **machine), medium)  # type: ignore[arg-type]
    return state, evaluate(state)


def notes(evaluation: Evaluation) -> list[str]:
    return [str(note) for note in evaluation.unfollowed]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("true\nif true; then\n", 3),
        ("true\n\nfi\n", 3),
        ("menuentry x\n{\ntrue\n}\n", 2),
        ("echo 'a\n\nb", 1),
        ("# c\necho a | b", 2),
        ('true\necho "a $ b"', 2),
        ("if true; then true; fi else", 1),
        ("function f { true }", 1),
    ],
)
def test_a_syntax_error_names_its_line(text: str, line: int) -> None:
    with pytest.raises(GrubSyntaxError) as caught:
        parse(text)
    assert caught.value.line == line


def test_what_is_before_a_syntax_error_is_run() -> None:
    state, evaluation = run("set timeout=7\nif true; then\n")
    assert state.get("timeout") == "7"
    assert notes(evaluation) == [f"{CONFIG}:3: syntax error: unexpected the end of the file"]
    assert [str(note) for note in evaluation.errors] == [f"{CONFIG}:3: syntax error"]


def test_lines_that_begin_with_a_hash_are_dropped_even_in_quotes() -> None:
    state, _ = run("set x='a\n# b\nc'\n")
    assert state.get("x") == "a\nc"


MENU = """\
set timeout=3
menuentry one --id one { linux /casper/vmlinuz $x quiet ---; initrd /casper/initrd; }
submenu two --id two { menuentry inner --id inner { linux /casper/vmlinuz "$1" "$chosen"; } }
"""


def test_the_first_entry_starts_where_nothing_else_is_said() -> None:
    _, evaluation = run(MENU, KERNEL)
    start = evaluation.start
    assert start
    assert (start.name, start.how, start.wait_s) == ("one", "linux", 3)
    assert (start.words, start.initrd) == (("/casper/vmlinuz", "quiet", "---"), ("/casper/initrd",))


def test_a_default_leads_through_submenus() -> None:
    _, evaluation = run("set default='two>inner'\n" + MENU, KERNEL)
    start = evaluation.start
    assert start
    assert (start.name, start.wait_s, start.words) == ("two>inner", 3, ("/casper/vmlinuz", "inner", "two>inner"))


@pytest.mark.parametrize("default", ["99", "nosuch", "two>", "-1"])
def test_a_default_that_names_no_entry_is_the_first_and_a_fault(default: str) -> None:
    _, evaluation = run(f"set default='{default}'\n" + MENU, KERNEL)
    assert evaluation.start
    assert evaluation.start.path[-1].entry_id in ("one", "inner")
    assert bool(evaluation.faults) == (default != "two>")


@pytest.mark.parametrize("timeout", ["-1", "", "soon"])
def test_a_timeout_that_is_no_number_waits(timeout: str) -> None:
    _, evaluation = run(MENU + f"set timeout='{timeout}'\n", KERNEL)
    assert evaluation.start
    assert (evaluation.start.how, evaluation.start.wait_s) == ("wait", None)


@pytest.mark.parametrize(("default", "password"), [("one", True), ("two>inner", True), ("three", False)])
def test_an_entry_that_needs_a_password_is_known(default: str, password: bool) -> None:
    more = "menuentry three --unrestricted { linux /casper/vmlinuz; }\n"
    _, evaluation = run(f"superusers=operator\ndefault='{default}'\n{MENU}{more}", KERNEL)
    assert evaluation.start
    assert (evaluation.start.name, evaluation.start.password) == (default, password)


def test_a_submenu_sees_only_exported_variables() -> None:
    _, evaluation = run(
        "a=1\nb=2\nexport b\nset timeout=0\nset default=s\nmenuentry f { true; }\n"
        'submenu s --id s { menuentry "$a-$b" { linux /casper/vmlinuz; } }\n',
        KERNEL,
    )
    assert evaluation.start
    assert evaluation.start.path[-1].title == "-2"


def test_another_menu_takes_the_place_of_the_first() -> None:
    files = {**KERNEL, "/other.cfg": "set timeout=1\nmenuentry other { linux /casper/vmlinuz; }\n"}
    _, evaluation = run("set timeout=9\nmenuentry one { true; }\nconfigfile /other.cfg\n", files)
    assert evaluation.start
    assert (evaluation.start.name, evaluation.start.wait_s) == ("other", 1)


def test_a_link_is_followed_and_a_missing_file_is_ignored() -> None:
    medium = medium_of(
        {CONFIG: "source /ubuntu/boot/x.cfg\nsource /nothing\necho $?\n", "/boot/x.cfg": "x=1"}, {"/ubuntu": "."}
    )
    state = first_state(Machine(platform="pc"), medium)
    assert not evaluate(state).errors
    assert (state.get("x"), state.printed) == ("1", ["0"])


def test_search_finds_the_medium_first_and_then_disks() -> None:
    disks = {"hd0,gpt2": frozenset({"/stamp"})}
    text = "search --no-floppy --set=a --file /casper/vmlinuz\nsearch --set b -f /stamp\nsearch --set c -l UBUNTU\n"
    state, evaluation = run(text + "search -s d -u 2026-11\nsearch --set=e --file /nothing", KERNEL, disks=disks)
    assert [state.get(name) for name in "abcde"] == ["cd0", "hd0,gpt2", "cd0", "cd0", ""]
    assert [note.text for note in evaluation.errors] == ["no such device: /nothing"]


def test_wildcards_find_files_on_disks_once_regexp_is_loaded() -> None:
    disks = {"hd0": frozenset[str](), "hd1,gpt2": frozenset({"/isoforge/stamp", "/isoforge/stamp@2026"})}
    text = "for x in (hd*)/isoforge/stamp; do a=$a$x; done\nregexp . x\n" * 2
    text += "for x in (hd*); do b=$b$x; done; for x in (hd1,gpt2)/isoforge/stamp@*; do c=$x; done\nd=(md*)/x\n"
    state, _ = run(text, disks=disks)
    assert state.get("a") == "(hd*)/isoforge/stamp(hd1,gpt2)/isoforge/stamp"
    assert state.get("b") == "(hd0)(hd1,gpt2)"
    assert (state.get("c"), state.get("d")) == ("(hd1,gpt2)/isoforge/stamp@2026", "(md*)/x")


TABLE = (
    Structure(kind=0),
    Structure(kind=1, strings={7: "PC1"}, uuid="4c4c4544-0043-3010-8052-b4c04f564231"),
    Structure(kind=END_OF_TABLE, length=4),
)


def test_smbios_is_read_by_type_and_by_position() -> None:
    text = """\
smbios --type 1 --get-string 7 --set a
smbios -t 1 -s 7 --set b
smbios --match 0x02 --get-byte 0 --set c
smbios --type 1 --get-byte 5 --set d
smbios --type 1 --get-uuid 8 --set e
smbios --type 2 --get-string 7 --set a
smbios --type 1 --get-string 5 --set a
smbios --match 4 --get-byte 0 --set a
smbios --type 127 --get-byte 8 --set a
"""
    state, evaluation = run(text, structures=TABLE)
    assert [state.get(name) for name in "abcde"] == ["PC1", "PC1", "1", "0", "4c4c4544-0043-3010-8052-b4c04f564231"]
    assert [note.text for note in evaluation.errors] == [
        "no structure matched the given options",
        "failed to retrieve the structure field",
        "no structure matched the given options",
        "the given offset is outside the structure",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("while true; do true; done", "more than 100000 commands"),
        ("a=aa\nwhile true; do a=$a$a; done", "more than 65536 characters"),
        ("function f {\nf\n}\nf\n", "more than 50 functions and files within each other"),
        ("source /boot/grub/grub.cfg\n", "more than 50 functions and files within each other"),
        ("set timeout=0\nsubmenu s { source /boot/grub/grub.cfg; }\n", "more than 8 submenus within each other"),
        ("regexp '(a+)+b' aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "may take too long"),
        ("regexp '.*.*.*.*.*.*x' 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "may take too long"),
        ("if [ $lockdown = y ]; then true; fi", "$lockdown depends on the machine"),
        ("read x", "this command is not followed"),
        ("true\n" * 2_000_000, "the scripts are too long"),
        ("frobnicate", "frobnicate is not a command that is known here"),
        ("if background_image /x.png; then true; fi", "whether background_image succeeds depends on the machine"),
        ("for x in *; do true; done; regexp . x; for x in *; do true; done", "stands for the devices"),
        ("[ a -nt b ]", "compares the times"),
        ("loopback l /casper/vmlinuz\nsource (l)/x", "on a device whose content is not known"),
        ("smbios --type 1 --get-word 9 --set x", "the field at offset 9"),
    ],
    ids=lambda text: text[:40],
)
def test_what_cannot_be_followed_is_noted(text: str, words: str) -> None:
    _, evaluation = run(text, KERNEL, structures=TABLE)
    assert any(words in note for note in notes(evaluation)), notes(evaluation)


def test_deep_nesting_is_a_syntax_error() -> None:
    with pytest.raises(GrubSyntaxError, match="levels of nested statements"):
        parse("if true; then " * 5000)


def test_every_entry_is_run_for_itself() -> None:
    _, evaluation = run(
        "set timeout=1\nx=1\nmenuentry a { x=2; linux /casper/vmlinuz $x; }\n"
        "menuentry b { linux /casper/vmlinuz $x; }\n"
        "submenu s { menuentry c { exit 1; }\n menuentry d { linux /nothing; } }\n",
        KERNEL,
    )
    starts = [(start.name, start.how, start.words[1:]) for start, _ in every_entry(evaluation.state)]
    assert starts == [("a", "linux", ("2",)), ("b", "linux", ("1",)), ("s>c", "exit", ()), ("s>d", "menu", ())]


LOOKUP = """\
function read_serial {
    set serial=
    smbios --type 1 --get-string 7 --set serial
}
export shown
read_serial
if [ "$serial" = PC1 ]; then default=1; elif [ "$serial" = PC2 ]; then default=2; source /more.cfg; fi
echo "serial $serial $grub_platform"
if [ $grub_platform = efi ]; then timeout=5; else timeout=3; fi
for x in a b; do all=$all$x; done
menuentry zero { true; }
menuentry "one $serial" { linux /casper/vmlinuz $serial $all; }
menuentry two { linux /casper/vmlinuz $more; }
"""


def test_the_cache_changes_nothing() -> None:
    """Machines in turn, each twice, with a cache that they share: the same as without one."""
    medium = medium_of({CONFIG: LOOKUP, "/more.cfg": "more=$serial-more\n", **KERNEL})
    cache = Cache()
    for serial in ("PC1", "PC2", "PC3", "PC1", "PC2", "", "PC3"):
        for platform in ("pc", "efi"):
            table = (Structure(kind=1, strings={7: serial} if serial else {}), TABLE[-1])
            machine = Machine(platform=platform, structures=table)
            alone, shared = first_state(machine, medium), first_state(machine, medium)
            one, other = evaluate(alone), evaluate(shared, cache=cache)
            assert (one.start, one.errors, one.unfollowed) == (other.start, other.errors, other.unfollowed)
            assert alone.printed == shared.printed
            assert one.state.context == other.state.context
            assert alone.context == shared.context


PIECES = [
    *("if ", "then ", "fi", "; ", "\n", "{ ", "}", "menuentry ", "submenu ", "function f ", "while ", "do ", "done"),
    *("set a=", "$a", '"$a"', "'", '"', "\\", "#", "[ ", " ]", "source ", "/boot/grub/grub.cfg", "true", "! "),
    *("regexp ", "(", ")", "*", "return ", "break ", "shift ", "configfile ", "normal ", "eval ", "timeout=0"),
    *("export ", "unset ", "f ", "$1", "$@", "$#", "for x in ", "search --set a -f ", "smbios -t 1 -s 7 "),
]
TEXTS = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))


@given(text=TEXTS)
def test_any_text_is_evaluated_to_an_end(text: str) -> None:
    _, evaluation = run(text, structures=TABLE)
    for start, _ in every_entry(evaluation.state):
        assert start.path
