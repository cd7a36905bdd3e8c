"""What the installer of each release does: which keys it knows, and how it behaves, each fact with its source.

An ISO contains the installer of its day, so that a point release may have what the first ISO of its series has not.
The names of commits are those of the installer's public repository, canonical/subiquity; its tags date them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from isoforge.release import Release
from isoforge.yaml_limits import KeyPath


class Known(enum.Enum):
    """Whether the installer of a release has something."""

    YES = enum.auto()
    MAYBE = enum.auto()
    NO = enum.auto()


@dataclass(frozen=True, kw_only=True)
class Since:
    """A fact about installers: it holds from ``first`` on (a release or point release).

    ``backports`` are the point releases of earlier series from which on it holds too, and ``perhaps`` those from which
    on it may hold. ``in_refreshed`` is whether any late point release may have it, whose ISO carries the installer of
    a later series. ``source`` is where the fact is from.
    """

    first: str
    backports: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()
    in_refreshed: bool = False
    source: str = ""

    @cached_property
    def _first(self) -> Release:
        return _release(self.first)

    @cached_property
    def _backports(self) -> tuple[Release, ...]:
        return tuple(map(_release, self.backports))

    def holds(self, release: Release) -> bool:
        """Whether the fact is certain for an ISO of ``release``; without a point release, the first of the series."""
        return not release.older_than(self._first) or _among(release, self._backports)

    def known(self, release: Release) -> Known:
        """The same with doubt: an installer can update itself, and late point releases carry newer ones."""
        if self.holds(release):
            return Known.YES
        refreshed = self.in_refreshed and bool(release.point)
        refreshed = refreshed and (release.series != "22.04" or REFRESHED_ON_22_04.holds(release))
        backported = any(one.series == release.series for one in self._backports)
        perhaps = refreshed or backported or _among(release, tuple(map(_release, self.perhaps)))
        return Known.MAYBE if perhaps or self._first.point is not None else Known.NO


def _among(release: Release, points: tuple[Release, ...]) -> bool:
    """Whether ``release`` is one of these point releases, or a later one of the same series."""
    return any(one.series == release.series and not release.older_than(one) for one in points)


def _release(text: str) -> Release:
    release = Release.of(text)
    if release is None:
        raise ValueError(text)
    return release


def _key(first: str, *backports: str, source: str, in_refreshed: bool = True) -> Since:
    return Since(first=first, backports=backports, in_refreshed=in_refreshed, source=source)


_SCHEMA = "first tag of the installer whose autoinstall-schema.json lists it"
_MATCHER = "its code that selects disks (models/filesystem.py), by tag"

KEYS: Mapping[KeyPath, Since] = {
    ("drivers",): _key("22.04", source=_SCHEMA),
    ("kernel",): _key("22.04", source=_SCHEMA),
    ("shutdown",): _key("22.04", source=_SCHEMA),
    ("timezone",): _key("22.04", source=_SCHEMA),
    ("ubuntu-advantage",): _key("22.04", source=_SCHEMA),
    ("source",): _key("22.04.1", source=_SCHEMA),
    ("ubuntu-pro",): _key("22.04.1", source=_SCHEMA),
    ("source", "id"): _key("23.04", source=_SCHEMA),
    ("codecs",): _key("23.04", source=_SCHEMA),
    ("active-directory",): _key("23.04", source=_SCHEMA),
    ("apt", "mirror-selection"): _key("23.04", source=_SCHEMA),
    ("apt", "fallback"): _key("23.04", source=_SCHEMA),
    ("storage", "layout", "mode"): _key("23.10", source=_SCHEMA),
    ("storage", "layout", "sizing-policy"): _key("23.10", source=_SCHEMA),
    ("storage", "layout", "reset-partition"): _key("23.10", source=_SCHEMA),
    ("storage", "layout", "reset-partition-only"): _key("24.04", source=_SCHEMA),
    ("storage", "layout", "recovery-key"): _key("24.04", source=_SCHEMA),
    ("oem",): _key("24.04", source=_SCHEMA),
    ("kernel-crash-dumps",): _key("24.10", source=_SCHEMA),
    ("storage", "layout", "ptable"): _key("25.04", "24.04.1", source="tag 25.04; on branch ubuntu/noble too"),
    ("zdevs",): _key("25.04", source=_SCHEMA, in_refreshed=False),
    ("identity", "groups"): _key("26.04", source="commit bca943a5; not on branch ubuntu/noble", in_refreshed=False),
}
"""Key of an autoinstall document → the first installer that knows it."""

LAYOUTS: Mapping[str, Since] = {name: _key("23.10", source=_MATCHER) for name in ("zfs", "hybrid", "dd")}
"""Name of a guided layout → the first installer that has it; any earlier one takes the name for ``direct``."""

MATCH_KEYS: Mapping[str, Since] = {
    "vendor": _key("22.04", source=_MATCHER),
    "id_path": _key("23.10", source=_MATCHER),
    "devpath": _key("23.10", source=_MATCHER),
    "install-media": _key("23.10", source=_MATCHER),
}
"""Match key of a disk → the first installer that knows it; any earlier one ignores it and takes more disks."""

MATCH_LIST = _key("24.10", "24.04.1", source="tag 24.08.1; on branch ubuntu/noble too")
"""A list of matches, of which the first counts that fits a disk."""

ACTIONS: Mapping[str, Since] = {name: _key("23.10", source=_MATCHER) for name in ("zpool", "zfs")}
"""Type of storage action → the first installer that knows it; any earlier one drops the action without a message."""

IGNORED_WITH_A_WARNING = frozenset({"kernel-crash-dumps"})
"""Keys that earlier installers drop with a warning: nothing else goes wrong (seen with the one of 24.04)."""

REFRESHED_ON_22_04 = Since(first="23.10", backports=("22.04.4",), source="the snap of the installer on those ISOs")
"""The ISOs of 22.04.4 and 22.04.5 carry the installer of 23.10 or a later one."""

LEAVES_OUT_THE_MEDIUM = Since(first="23.10", backports=("22.04.4",), source="commit f5855050")
"""A match with ``size`` or ``ssd`` never selects the disk that the installer runs from."""

CREATES_ACCOUNT = Since(first="26.04", backports=("24.04.4",), source="commits bca943a5, 4581ce23 (ubuntu/noble)")
"""The user of `identity` is created before the late-commands run; before, cloud-init does it on the first boot."""

CHECKS_NAMES = Since(first="26.04", backports=("24.04.5",), source="commits 30c8fce2, 2783821b, 4ec4c08d")
"""User names are checked before the disks are touched; before, the installation fails, or nobody can log in."""

KEEPS_SECRETS_FROM_LOGS = Since(
    first="26.04", backports=("24.04.4.1",), source="CVE-2025-14551: commits e9afe80b, 340554d2"
)
"""Password hashes and Wi-Fi keys are not written to /var/log/installer of the installed system. The installer copies
its logs there after the late-commands (controllers/shutdown.py), so that none of these can remove them."""

BOOTS_FROM_EXT4_ONLY = Since(first="26.10", source="commits 792cb6eb, d5d77e3a, 47ada12a")
"""With UEFI and signed GRUB, /boot (or / without one) must be ext4, or the installer refuses the plan. Its own layout
zfs then has a /boot on ext4."""

GRUB_WITHOUT_LVM = Since(first="26.10", source="the proposal for GRUB in 26.10, March 2026")
"""The signed GRUB of UEFI reads neither LVM nor any array but a mirror (nor LUKS, which installers never set up)."""

XFS_OF_300_MIB = Since(first="22.10", source="xfsprogs 5.19, mkfs.xfs(8)")
"""mkfs.xfs refuses file systems of less than 300 MiB."""

CHECKS_TARGET_CONFIG = Since(first="23.04", in_refreshed=True, source="commit 1e0291e5")
"""`user-data` is compared with cloud-init's schema: an unknown key stops the installer before the disks are touched."""

SUDO_OF_RUST = Since(first="25.10", source="release notes of 25.10")
"""sudo is sudo-rs, which does not know every setting of `Defaults`, nor wildcards in arguments."""

DESKTOP_WITHOUT_IDENTITY = Since(first="24.04", source="controllers/identity.py, tag 24.04.1")
"""A desktop source needs no `identity`: the first user is asked for at the first boot."""


def consequence_of_bad_name(release: Release | None) -> str:
    """How a sentence about an unusable user name ends: what the installer of ``release`` makes of it."""
    if release is None:
        return ""
    if CHECKS_NAMES.holds(release):
        return f"; the installer of {release} refuses it"
    return f"; the installer of {release} does not check names, and fails after the disks were wiped"
