"""What the installer would notice late about the rest: questions, keyboard, language, time zone, proxy, packages."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from functools import cache
from typing import Any

from isoforge.fleet.check import schema
from isoforge.fleet.check.findings import Findings, items, mapping, text
from isoforge.problems import did_you_mean
from isoforge.yaml_limits import KeyPath

_LIKE_LAYOUT = {"en": "us", "uk": "gb", "cs": "cz", "ja": "jp", "da": "dk", "sv": "se", "el": "gr", "ko": "kr"}

_LOCALE = re.compile(r"(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\.[A-Za-z0-9-]+)?(@[a-z]+)?")

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*(:[a-z0-9-]+)?(=[\w.+~:-]+|/[\w.-]+)?\^?", re.IGNORECASE)
"""What apt-get install takes for a package: name, architecture, version or suite; a task ends with ^ (apt-get(8))."""


_SNAP = re.compile(r"[a-z0-9](-?[a-z0-9])*(_[a-z0-9]{1,10})?")
"""The name of a snap, and of an instance of it (snapd, "Parallel installs")."""


def check(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    """Everything about the sections named above."""
    _check_questions(findings, autoinstall)
    if isinstance(autoinstall.get("keyboard"), dict):
        _check_keyboard(findings, autoinstall["keyboard"])
    _check_words(findings, autoinstall)
    _check_packages(findings, items(autoinstall.get("packages")))
    _check_snaps(findings, items(autoinstall.get("snaps")))
    _check_apt(findings, mapping(autoinstall.get("apt")))
    _check_reporting(findings, mapping(autoinstall.get("reporting")))
    oem = mapping(autoinstall.get("oem"))
    if oem.get("install") is True and autoinstall.get("kernel"):
        message = "may conflict with the kernel that `oem: {install: true}` installs: keep one of them"
        findings.warning("kernel-and-oem", ("autoinstall", "kernel"), message)
    if "ubuntu-advantage" in autoinstall and "ubuntu-pro" in autoinstall:
        message = "is the old name of `ubuntu-pro`, which is also given"
        findings.error("ubuntu-pro-twice", ("autoinstall", "ubuntu-advantage"), message)


def _check_questions(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    path = ("autoinstall", "interactive-sections")
    sections = items(autoinstall.get("interactive-sections"))
    known = schema.words("sections-with-a-screen")
    for index, name in enumerate(sections):
        if isinstance(name, str) and name != "*" and name not in known:
            message = f"no section {name!r} has a screen: the installer would wait forever{did_you_mean(name, known)}"
            findings.error("interactive-section-unknown", (*path, index), message)
    if sections:
        findings.warning("interactive", path, "the installation stops for questions: it is not hands-free")


def _check_keyboard(findings: Findings, keyboard: Mapping[str, Any]) -> None:
    path: KeyPath = ("autoinstall", "keyboard")
    known = schema.keyboards()
    layouts = text(keyboard.get("layout")).split(",")
    variants = text(keyboard.get("variant")).split(",")
    for name in filter(None, layouts):
        if name not in known:
            near = f"; did you mean {_LIKE_LAYOUT[name]!r}?" if name in _LIKE_LAYOUT else did_you_mean(name, known)
            findings.error("keyboard-layout-unknown", (*path, "layout"), f"unknown keyboard layout {name!r}{near}")
    if len(variants) != len(layouts) and (len(layouts) > 1 or len(variants) > 1):
        example = "," * (len(layouts) - 1)
        message = f"{len(layouts)} layouts need as many variants: write '{example}' for none of them"
        findings.error("keyboard-variants-missing", (*path, "variant"), message)
        return
    for layout, variant in zip(layouts, variants, strict=False):
        if variant and layout in known and variant not in known[layout]:
            near = did_you_mean(variant, known[layout])
            message = f"the keyboard layout {layout!r} has no variant {variant!r}{near}"
            findings.error("keyboard-variant-unknown", (*path, "variant"), message)
    toggle, toggles = text(keyboard.get("toggle")), schema.words("keyboard-toggles")
    if toggle and toggle not in toggles:
        message = f"unknown toggle {toggle!r}: it has no effect{did_you_mean(toggle, toggles)}"
        findings.warning("keyboard-toggle-unknown", (*path, "toggle"), message)


@cache
def time_zones() -> frozenset[str]:
    """The time zones of this machine's database; empty where it has none."""
    return frozenset(zoneinfo.available_timezones())


def _check_words(findings: Findings, autoinstall: Mapping[str, Any]) -> None:
    zone, zones = text(autoinstall.get("timezone")), time_zones()
    if zone not in {"", "geoip"} and zones and zone not in zones:
        city = [one for one in zones if one.casefold().rpartition("/")[2] == zone.casefold()]
        near = f"; did you mean {min(city)!r}?" if city else did_you_mean(zone, zones)
        message = f"unknown time zone {zone!r}{near}"
        findings.error("time-zone-unknown", ("autoinstall", "timezone"), message)
    locale = text(autoinstall.get("locale"))
    if locale and not _LOCALE.fullmatch(locale):
        message = f"{locale!r} does not look like a locale (en_US.UTF-8)"
        findings.warning("locale-odd", ("autoinstall", "locale"), message)
    proxy = text(autoinstall.get("proxy"))
    if proxy and not re.match(r"https?://[^/\s]", proxy):
        message = "must be a URL (http://proxy.example.com:3128), or null"
        findings.error("proxy-invalid", ("autoinstall", "proxy"), message)


def _check_packages(findings: Findings, packages: Any) -> None:
    for index, name in enumerate(packages):
        if not isinstance(name, str) or not name or _PACKAGE.fullmatch(name):
            continue
        if name.startswith("-"):
            message = f"{name!r} is an option, not a package name"
        elif "://" in name or name.endswith(".deb"):
            message = f"{name!r} is a file, not a package name: install it with a late-command"
        elif re.search(r"[,\s]", name):
            message = f"{name!r} holds several words: make each package an item of its own"
        else:
            message = f"{name!r} is not a package name"
        findings.error("package-name-invalid", ("autoinstall", "packages", index), message)


def _check_snaps(findings: Findings, snaps: Any) -> None:
    for index, snap in enumerate(snaps):
        name = text(mapping(snap).get("name"))
        if name and not (_SNAP.fullmatch(name) and re.search("[a-z]", name)):
            message = f"{name!r} is not the name of a snap: lower-case letters, digits and hyphens"
            findings.error("snap-name-invalid", ("autoinstall", "snaps", index, "name"), message)


def _check_apt(findings: Findings, apt: Mapping[str, Any]) -> None:
    if "primary" in apt and "mirror-selection" in apt:
        message = "cannot be combined with `mirror-selection`: the installer fails; keep one of them"
        findings.error("apt-mirror-twice", ("autoinstall", "apt", "primary"), message)


def _check_reporting(findings: Findings, reporting: Mapping[str, Any]) -> None:
    for name, handler in reporting.items():
        path = ("autoinstall", "reporting", name)
        kind = mapping(handler).get("type")
        if kind == "rsyslog":
            message = "the installer has no reporter of type rsyslog, and fails before the early-commands"
            findings.error("reporting-unsupported", (*path, "type"), message)
        elif kind == "webhook" and not mapping(handler).get("endpoint"):
            findings.error("key-missing", (*path, "endpoint"), "is required for a webhook")
