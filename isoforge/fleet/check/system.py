"""What the installer would notice late about the rest: questions, keyboard, language, time zone, proxy."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from functools import cache
from typing import Any

from isoforge.fleet.check import schema
from isoforge.fleet.check.findings import Findings, items, mapping, meant, text

_LIKE_LAYOUT = {"en": "us", "uk": "gb", "cs": "cz", "ja": "jp", "da": "dk", "sv": "se", "el": "gr", "ko": "kr"}

_LOCALE = re.compile(r"(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\.[A-Za-z0-9-]+)?(@[a-z]+)?")


def check(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Everything about the sections named above."""
    _check_questions(found, autoinstall)
    _check_keyboard(found, mapping(autoinstall.get("keyboard")))
    _check_words(found, autoinstall)
    oem = mapping(autoinstall.get("oem"))
    if oem.get("install") is True and "kernel" in autoinstall:
        found.warning(
            ("autoinstall", "kernel"), "may clash with the kernel that `oem: {install: true}` brings: keep one"
        )
    if "ubuntu-advantage" in autoinstall and "ubuntu-pro" in autoinstall:
        found.error(("autoinstall", "ubuntu-advantage"), "is the old name of `ubuntu-pro`, which stands here too")


def _check_questions(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    route = ("autoinstall", "interactive-sections")
    sections = items(autoinstall.get("interactive-sections"))
    asked = schema.words("sections-with-a-screen")
    for index, name in enumerate(sections):
        if isinstance(name, str) and name != "*" and name not in asked:
            found.error((*route, index), f"no section {name!r} has a screen: it would never go on{meant(name, asked)}")
    if sections:
        found.warning(route, "the install stops for questions: it is not hands-free")


def _check_keyboard(found: Findings, keyboard: Mapping[str, Any]) -> None:
    route = ("autoinstall", "keyboard", "layout")
    layouts = schema.words("keyboard-layouts")
    for name in filter(None, text(keyboard.get("layout")).split(",")):
        if name not in layouts:
            near = f"; did you mean {_LIKE_LAYOUT[name]!r}?" if name in _LIKE_LAYOUT else meant(name, layouts)
            found.warning(route, f"{name!r} is no keyboard layout that we know{near}")
    variants = text(keyboard.get("variant"))
    if variants.count(",") > text(keyboard.get("layout")).count(","):
        found.error(("autoinstall", "keyboard", "variant"), "names more variants than there are layouts")


@cache
def _zones() -> frozenset[str]:
    """The time zones of this machine's database; empty where it has none."""
    return frozenset(zoneinfo.available_timezones())


def _check_words(found: Findings, autoinstall: Mapping[str, Any]) -> None:
    zone = text(autoinstall.get("timezone"))
    if zone not in {"", "geoip"} and _zones() and zone not in _zones():
        found.error(("autoinstall", "timezone"), f"{zone!r} is no time zone{meant(zone, _zones())}")
    locale = text(autoinstall.get("locale"))
    if locale and not _LOCALE.fullmatch(locale):
        found.warning(("autoinstall", "locale"), f"{locale!r} does not look like a locale (en_US.UTF-8)")
    proxy = text(autoinstall.get("proxy"))
    if proxy and not re.match(r"https?://[^/\s]", proxy):
        found.error(("autoinstall", "proxy"), "must be a URL (http://proxy.example.com:3128), or null")
