"""Boot menus are read as GRUB and isolinux read them."""

from __future__ import annotations

import pytest

from isoforge.proof.read.grub import Entry, read_grub, read_isolinux


def only(config: str) -> Entry:
    (entry,) = read_grub(config).entries
    return entry


def test_bare_semicolon_ends_the_command_and_what_it_cut_off_is_told() -> None:
    entry = only("menuentry x {\n linux /casper/vmlinuz autoinstall ds=nocloud;s=/cdrom/nocloud/h/ ---\n}\n")
    assert entry.linux == ("/casper/vmlinuz", "autoinstall", "ds=nocloud")
    assert entry.cut == "s=/cdrom/nocloud/h/ ---"


@pytest.mark.parametrize(
    "written", [r"ds=nocloud\;s=/x/", '"ds=nocloud;s=/x/"', "'ds=nocloud;s=/x/'", "ds=nocloud';'s=/x/"]
)
def test_quoted_semicolon_is_part_of_the_word(written: str) -> None:
    entry = only(f"menuentry x {{\n linux /k {written} ---\n}}\n")
    assert entry.linux == ("/k", "ds=nocloud;s=/x/", "---")
    assert entry.cut == ""


def test_semicolon_between_commands_cuts_nothing() -> None:
    entry = only("menuentry x { linux /k a ---; initrd /i; set x=1; }")
    assert (entry.linux, entry.initrd, entry.cut) == (("/k", "a", "---"), ("/i",), "")


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("'it'\\''s mine'", "it's mine"),
        ('"a \\"b\\" \\$c"', 'a "b" $c'),
        (r"two\ words", "two words"),
        ("'#1'", "#1"),
        ('--class ubuntu --id=n "t"', "t"),
        ("'{'", "{"),
    ],
)
def test_title_is_read_without_its_quotes(written: str, title: str) -> None:
    assert only(f"menuentry {written} --id y {{\n true\n}}\n").title == title


def test_submenus_are_told_from_the_outside_in() -> None:
    menu = read_grub(
        "submenu A {\nsubmenu 'B b' {\nmenuentry c { linux /k --- }\n}\nmenuentry d { true }\n}\nmenuentry e { }\n"
    )
    assert [(entry.title, entry.inside) for entry in menu.entries] == [("c", ("A", "B b")), ("d", ("A",)), ("e", ())]


def test_comment_with_a_quote_hides_nothing() -> None:
    menu = read_grub("# it's\nmenuentry a { # don't {\n linux /k#1 --- # x ; y\n}\nmenuentry b { }\n")
    assert [entry.title for entry in menu.entries] == ["a", "b"]
    assert menu.entries[0].linux == ("/k#1", "---")


def test_line_that_goes_on_after_a_backslash_is_one() -> None:
    assert only("menuentry a {\n linux /k one \\\n two ---\n}\n").linux == ("/k", "one", "two", "---")


def test_entry_in_a_condition_is_an_entry_and_its_variables_stay() -> None:
    entry = only(
        'if [ "$grub_platform" = "efi" ]; then\nmenuentry a {\n linux ($root)/k iso=${iso_path} $x ---\n}\nfi\n'
    )
    assert entry.linux == ("($root)/k", "iso=${iso_path}", "$x", "---")


def test_values_that_are_set_are_told_in_their_order() -> None:
    menu = read_grub("set default=a\nif true; then set default='b c'; fi\nmenuentry x { set default=no; }\n")
    assert menu.variables == {"default": ("a", "b c")}


@pytest.mark.parametrize(("text", "words"), [("menuentry a {\n", "unclosed {"), ("}\n", "unmatched }")])
def test_brace_without_its_other_half_is_a_problem(text: str, words: str) -> None:
    (problem,) = read_grub(text).problems
    assert words in problem


@pytest.mark.parametrize(
    "text", ["", "'", '"', "\\", "{", "menuentry", "set", "linux", "menuentry 'a", "\0\xff{}{;;&&|"]
)
def test_no_text_is_too_broken_to_be_read(text: str) -> None:
    read_grub(text)
    read_isolinux(text)


def test_isolinux_knows_no_quotes() -> None:
    menu = read_isolinux(
        "default live\nlabel live\n  menu label ^Install\n  kernel /casper/vmlinuz\n"
        "  append  initrd=/casper/initrd,/x ds=nocloud;s=/cdrom/ a\\;b ---\nlabel hd\n  localboot 0x80\n"
    )
    (entry,) = menu.entries
    assert (entry.title, entry.initrd) == ("Install", ("/casper/initrd", "/x"))
    assert entry.linux == ("/casper/vmlinuz", "ds=nocloud;s=/cdrom/", "a\\;b", "---")
