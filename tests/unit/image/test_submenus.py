"""Large menus are folded, and machines are looked up."""

from __future__ import annotations

import pytest

from isoforge.image.entry import MenuEntry
from isoforge.image.match import Match, sorted_by_file
from isoforge.image.submenus import FLAT, MAX_LINES, Submenu, in_menu_order, submenus_of
from isoforge.iso_layout import MACHINES_FOLDER, lookup_file
from tests.unit.image.conftest import GA


def entries(*numbers: int, group: str = "") -> list[MenuEntry]:
    return [MenuEntry(host=f"web-{number}", description="", kernel=GA, group=group) for number in numbers]


def longest(submenus: tuple[Submenu, ...]) -> int:
    return max(len(submenus), *(len(one.entries) or longest(one.inside) for one in submenus))


def test_as_many_hosts_as_a_screen_shows_stay_a_flat_list_in_the_order_that_was_asked() -> None:
    few = entries(*range(FLAT, 0, -1))
    assert submenus_of(few) == ()
    assert in_menu_order(few) == tuple(few)


def test_groups_keep_their_order_and_who_is_in_none_comes_last() -> None:
    hosts = [*entries(*range(5)), *entries(*range(100, 120), group="b"), *entries(*range(200, 220), group="a")]
    assert [submenu.title for submenu in submenus_of(hosts)] == [
        "b: 20 hosts, web-100 to web-119",
        "a: 20 hosts, web-200 to web-219",
        "in no group: 5 hosts, web-0 to web-4",
    ]


def test_within_a_group_numbers_in_names_count_as_numbers() -> None:
    (only,) = submenus_of(entries(*range(30, 0, -1), group="a"))
    assert [entry.host for entry in only.entries][:10] == [f"web-{number}" for number in range(1, 11)]
    assert submenus_of(entries(3, group="x") + entries(*range(100, 130), group="y"))[0].title == "x: 1 host, web-3"


@pytest.mark.parametrize("groups", [1, 150, 10_001])
def test_nobody_scrolls_through_more_than_a_few_screens(groups: int) -> None:
    hosts = [
        MenuEntry(host=f"web-{number}", description="", kernel=GA, group=f"g{number % groups}")
        for number in range(20_000)
    ]
    submenus = submenus_of(hosts)
    assert longest(submenus) <= MAX_LINES
    ways = [way for submenu in submenus for way in submenu.leaves()]
    assert {entry.host for way in ways for entry in way[-1].entries} == {entry.host for entry in hosts}
    assert len({way[-1].file for way in ways}) == len(ways)


def test_menu_order_is_the_order_of_the_submenus() -> None:
    hosts = [*entries(*range(5)), *entries(*range(120, 99, -1), group="b")]
    ordered = in_menu_order(hosts)
    assert [entry.host for entry in ordered] == [f"web-{number}" for number in [*range(100, 121), *range(5)]]
    assert in_menu_order(ordered) == ordered


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("pc0exmp1", "p1"),
        ("7", "x7"),
        ("a/b", "other"),
        ("../../etc/..", "other"),
        ("$(reboot)", "other"),
        ("it's", "other"),
        ("box 1", "other"),
        ("a\n", "other"),
    ],
)
def test_no_more_than_two_letters_or_digits_of_a_value_get_into_a_path(value: str, expected: str) -> None:
    assert lookup_file("serial", value) == MACHINES_FOLDER / "serial" / f"{expected}.cfg"


def test_a_machine_is_looked_up_by_the_key_that_tells_most_and_in_every_spelling_of_it() -> None:
    match = Match(texts=(("product", ("m710q",)), ("uuid", ("00-ab", "00-cd"))))
    assert {str(file) for file in match.files} == {
        "/isoforge/machines/uuid/ab.cfg",
        "/isoforge/machines/uuid/cd.cfg",
    }


def test_two_hosts_that_the_menu_cannot_tell_apart_are_one_case() -> None:
    same = Match(texts=(("product", ("m710q",)),), decides=False)
    (cases,) = sorted_by_file([(same, "a"), (same, "b"), (Match(texts=(("product", ("0q",)),)), "c")]).values()
    assert [[who for _, who in found] for found in cases.values()] == [["a", "b"], ["c"]]
