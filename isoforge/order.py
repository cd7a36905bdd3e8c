"""What somebody wants built, and whether it can be meant."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from isoforge.errors import BaseIsoError, UsageError
from isoforge.image.sectors import read_volume
from isoforge.iso_layout import HOST_NAME
from isoforge.proof.manifest import Manifest
from isoforge.templates import shipped_templates

LONGEST_NAME = 64
"""Characters of a build's name."""

BUILD_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")

LONGEST_TIMEOUT_S = 2**31 - 1
"""GRUB keeps the timeout in an int of 32 bits (grub-core/normal/menu.c): 2**32 would be 0, and install at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody wants built.

    ``baremetal`` holds the inventory and takes the output; ``hosts`` come in the order of the menu, after them those
    of ``groups``, or ``every_host`` of the inventory; ``base_iso`` None means the one Ubuntu ISO in ``files/``;
    ``default_host`` is what the timeout (seconds) starts, None the local disk; ``render`` renders the seeds first,
    otherwise those that lie there are used as they are; ``unpack`` takes the whole base apart instead of passing it on
    in one go; ``strict`` makes warnings errors; ``folder`` is where the output goes, if not under
    ``generated/_multi/<name>``. ``guard`` puts into each seed with match keys a first command that refuses other
    machines; ``forbid_secrets`` makes secrets in clear errors. ``auto`` makes "Detect this machine" what the timeout
    starts; ``password_hash`` (GRUB's PBKDF2) is asked for before anything but the local disk is started. ``like`` is
    the build that this one repeats (`order_again`): unless the same bytes come out, nothing is kept. ``fast`` leaves
    the SHA-256 of the ISO and of its base out of the manifest.
    """

    baremetal: Path
    name: str
    hosts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    every_host: bool = False
    base_iso: Path | None = None
    default_host: str | None = None
    timeout_s: int = 30
    render: bool = False
    unpack: bool = False
    strict: bool = False
    folder: Path | None = None
    guard: bool = True
    forbid_secrets: bool = False
    auto: bool = False
    password_hash: str = field(default="", repr=False)
    like: Manifest | None = None
    fast: bool = False

    @property
    def generated(self) -> Path:
        """Where rendered seeds lie and ISOs go."""
        return self.baremetal / "autoinstall" / "generated"

    @property
    def templates(self) -> tuple[Path, ...]:
        """Where templates lie: the user's own first, of which one of the same name wins, then the shipped ones."""
        return (self.baremetal / "templates", shipped_templates())

    @property
    def goal(self) -> Path:
        """The ISO that is to be."""
        return (self.folder or self.generated / "_multi" / self.name) / f"ubuntu-autoinstall-{self.name}.iso"


def refuse_order(order: Order) -> None:
    """Raise ``UsageError`` for an order that means nothing, whatever the inventory and the base ISO say."""
    if not BUILD_NAME.fullmatch(order.name):
        raise UsageError(f"{order.name!r} is no name for an ISO", hint="letters, digits, '.', '_' and '-'")
    if not (order.hosts or order.groups or order.every_host):
        raise UsageError("no host was named", hint="give --host, --group or --all; `isoforge hosts` lists them")
    for name in order.hosts:
        if not HOST_NAME.fullmatch(name):
            raise UsageError(f"{name!r} is not a host name", hint="letters, digits, '.', '_' and '-'")
        if order.hosts.count(name) > 1:
            raise UsageError(f"host {name} was named twice", hint="each host has one entry in the menu")
    if order.auto and order.default_host is not None:
        raise UsageError(
            f"--auto and a default host ({order.default_host}) contradict each other",
            hint="the timeout starts either one host, or what the machine turns out to be",
        )
    if order.auto and order.password_hash:
        raise UsageError(
            "--auto and a menu password contradict each other",
            hint="unattended machines have nobody who types the password",
        )
    _refuse_timeout(order.timeout_s)
    if not (order.groups or order.every_host):
        refuse_default(order, order.hosts)


def _refuse_timeout(timeout_s: int) -> None:
    if timeout_s < 0:
        raise UsageError(f"a timeout of {timeout_s} s is in the past", hint="give 0 or more seconds")
    if timeout_s > LONGEST_TIMEOUT_S:
        raise UsageError(f"a timeout of {timeout_s} s is more than GRUB can count", hint="give fewer seconds")


def order_again(
    like: Manifest,
    *,
    baremetal: Path,
    base_iso: Path | None = None,
    render: bool = False,
    strict: bool = False,
    forbid_secrets: bool = False,
    password_hash: str = "",
) -> Order:
    """The order that repeats the build which ``like`` tells of, for the inventory in ``baremetal`` as it is now.

    The menu's password is no part of a manifest, so its hash has to be given again. Raises ``UsageError`` if it is
    not, if it is given to a menu without one, or if ``like`` has no digest to compare with.
    """
    if like.iso is None or not like.iso.sha256:
        raise UsageError(
            f"the manifest of {like.name} has no digest of its ISO, so that nothing could be compared",
            hint="take the manifest.json that lies beside an ISO built without --fast",
        )
    if like.menu_password != bool(password_hash):
        asked = "asks for a password" if like.menu_password else "asks for no password"
        given = "give --menu-password again" if like.menu_password else "leave --menu-password out"
        raise UsageError(f"the menu of {like.name} {asked}", hint=given)
    return Order(
        baremetal=baremetal,
        name=like.name,
        hosts=tuple(host.name for host in like.hosts),
        base_iso=base_iso,
        default_host=like.default_host,
        timeout_s=like.timeout_s,
        render=render,
        unpack=bool(like.unpacked),
        strict=strict,
        guard=like.guard,
        forbid_secrets=forbid_secrets,
        auto=like.auto,
        password_hash=password_hash,
        like=like,
    )


def refuse_default(order: Order, names: Collection[str]) -> None:
    """Raise ``UsageError`` if the default host is not among the ``names`` of the hosts on the ISO."""
    if order.default_host is not None and order.default_host not in names:
        raise UsageError(
            f"default host {order.default_host} is not one of the hosts on the ISO",
            hint=f"they are {', '.join(list(names)[:20])}",
        )


def the_only_base_iso(folder: Path = Path("files")) -> Path:
    """The one Ubuntu ISO in ``folder``; ``BaseIsoError`` if there is none, or more than one to choose from."""
    images = sorted(folder.glob("*.iso")) if folder.is_dir() else []
    volumes = {image: read_volume(image) for image in images if image.is_file()}
    ubuntu = [image for image, volume in volumes.items() if volume and volume.volume_id.startswith("Ubuntu")]
    if len(ubuntu) == 1:
        return ubuntu[0]
    if not ubuntu:
        raise BaseIsoError(f"no base ISO was named, and there is no Ubuntu ISO in {folder}/", hint="give --ubuntu-iso")
    names = ", ".join(image.name for image in ubuntu)
    raise BaseIsoError(f"no base ISO was named, and there are several in {folder}/: {names}", hint="give --ubuntu-iso")
