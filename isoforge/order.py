"""The order of a build: its options, and which of them cannot be combined."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from isoforge.added_files import Addition
from isoforge.errors import BaseIsoError, UsageError
from isoforge.image.base import instead_of_a_file, reading
from isoforge.image.colors import MenuColors
from isoforge.image.repack import Method
from isoforge.image.sectors import read_volume
from isoforge.iso_layout import BUILD_NAME, MAX_NAME_LENGTH
from isoforge.proof.manifest import Manifest
from isoforge.selection import Selection, refuse_selection
from isoforge.workspace import Workspace

MAX_TIMEOUT_S = 2**31 - 1
"""GRUB keeps the timeout in an int of 32 bits (grub-core/normal/menu.c): 2**32 would be 0, and install at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be built, of which hosts (``selection``), and where (``workspace``).

    ``name`` is part of the ISO's file name; ``base_iso`` None means the one Ubuntu ISO in ``files/``; ``default_host``
    is the host that is installed when the menu's timeout (seconds) ends, None boots the local disk; ``auto`` detects
    the machine then, and installs the matching host. ``render`` renders the seeds first, otherwise the rendered ones
    are used; ``guard`` adds to each seed with match keys a first command that refuses other machines; ``report``
    adds commands that report how the installation ended.
    ``unpack`` unpacks the whole base ISO instead of copying it; ``fast`` does not compute the SHA-256 of
    the ISO and of its base. ``strict`` treats warnings as errors; ``forbid_secrets`` treats plain-text secrets as
    errors. ``sign`` is the key that signs the manifest (`signature.sign`). ``password_hash`` (GRUB's PBKDF2) protects
    all menu entries but the local disk. The menu has ``menu_colors``, and a ``hidden_menu`` shows up only when Esc is
    pressed before the timeout. ``added`` are files put onto the ISO, and ``hook`` is a script that changes the unpacked
    base ISO. ``rebuild_of`` is the manifest of the build to repeat (`rebuild_order`): unless
    the same bytes result, nothing is kept.
    """

    workspace: Workspace
    selection: Selection
    name: str
    base_iso: Path | None = None
    default_host: str | None = None
    timeout_s: int = 30
    auto: bool = False
    render: bool = False
    guard: bool = True
    report: bool = True
    unpack: bool = False
    fast: bool = False
    strict: bool = False
    forbid_secrets: bool = False
    sign: Path | None = None
    password_hash: str = field(default="", repr=False)
    added: tuple[Addition, ...] = ()
    hook: Path | None = None
    menu_colors: MenuColors = MenuColors.DEFAULT
    hidden_menu: bool = False
    rebuild_of: Manifest | None = None

    @property
    def output_iso(self) -> Path:
        """The path of the ISO to build."""
        return self.workspace.output_iso(self.name)


def refuse_order(order: Order) -> None:
    """Raise ``UsageError`` for an order that is invalid, whatever the inventory and the base ISO hold."""
    if not BUILD_NAME.fullmatch(order.name):
        raise UsageError(
            f"invalid ISO name {_shortened(order.name)}",
            hint="use letters, digits, '.', '_', '-', starting with a letter or digit,"
            f" {MAX_NAME_LENGTH} characters at most",
        )
    refuse_selection(order.selection)
    if order.auto and order.default_host is not None:
        raise UsageError(
            f"--auto and --default-host {order.default_host} cannot be combined",
            hint="the timeout installs either one given host, or the host that matches the machine",
        )
    if order.auto and order.password_hash:
        raise UsageError(
            "--auto and --menu-password cannot be combined",
            hint="an unattended machine has nobody who types the password",
        )
    _refuse_timeout(order.timeout_s)
    if order.hook is not None and not order.unpack:
        raise UsageError("--hook needs --unpack", hint="it changes the unpacked base ISO")
    if order.hidden_menu and not order.timeout_s:
        hint = "nobody could press Esc in time; use --grub-timeout"
        raise UsageError("--hidden-menu needs a timeout of 1 s or more", hint=hint)
    if not (order.selection.groups or order.selection.all_hosts):
        refuse_default(order, order.selection.hosts)


def _shortened(name: str) -> str:
    return repr(name if len(name) <= MAX_NAME_LENGTH else f"{name[:20]}…")


def _refuse_timeout(timeout_s: int) -> None:
    if timeout_s < 0:
        raise UsageError(f"timeout must be 0 or greater, got {timeout_s}", hint="0 starts the default entry at once")
    if timeout_s > MAX_TIMEOUT_S:
        raise UsageError(f"timeout must be {MAX_TIMEOUT_S} s or less, got {timeout_s}", hint="use a shorter timeout")


def rebuild_order(
    manifest: Manifest,
    *,
    workspace: Workspace,
    base_iso: Path | None = None,
    render: bool = False,
    strict: bool = False,
    forbid_secrets: bool = False,
    password_hash: str = "",
    sign: Path | None = None,
    added: tuple[Addition, ...] = (),
    hook: Path | None = None,
) -> Order:
    """The order that repeats the build described by ``manifest``, with the inventory of ``workspace`` as it is now.

    The menu's password is not part of a manifest, so its hash has to be given again. Raises ``UsageError`` if it is
    missing, if it is given for a menu without password, or if ``manifest`` has no digest to compare with.
    """
    if manifest.iso is None or not manifest.iso.sha256:
        raise UsageError(
            f"the manifest of {manifest.name} has no SHA-256 of its ISO to compare with",
            hint="use the manifest.json beside an ISO that was built without --fast",
        )
    if manifest.menu_password != bool(password_hash):
        has = "has a password" if manifest.menu_password else "has no password"
        hint = "give its hash with --menu-password" if manifest.menu_password else "remove --menu-password"
        raise UsageError(f"the menu of {manifest.name} {has}", hint=hint)
    return Order(
        workspace=workspace,
        selection=Selection(hosts=tuple(host.name for host in manifest.hosts)),
        name=manifest.name,
        base_iso=base_iso,
        default_host=manifest.default_host,
        timeout_s=manifest.timeout_s,
        auto=manifest.auto,
        menu_colors=MenuColors(manifest.menu_colors),
        hidden_menu=manifest.hidden_menu,
        render=render,
        guard=manifest.guard,
        report=manifest.report,
        unpack=manifest.method == Method.UNPACK,
        strict=strict,
        forbid_secrets=forbid_secrets,
        password_hash=password_hash,
        sign=sign,
        added=added,
        hook=hook,
        rebuild_of=manifest,
    )


def refuse_default(order: Order, names: Collection[str]) -> None:
    """Raise ``UsageError`` if the default host is not among the ``names`` of the hosts on the ISO."""
    if order.default_host is not None and order.default_host not in names:
        raise UsageError(
            f"default host {order.default_host} is not one of the selected hosts",
            hint=f"choose from {', '.join(list(names)[:20])}",
        )


def find_base_iso(folder: Path = Path("files")) -> Path:
    """The one Ubuntu ISO in ``folder``; ``BaseIsoError`` if there is none, or more than one to choose from."""
    images = sorted(folder.glob("*.iso")) if folder.is_dir() else []
    with reading(*images):
        volumes = {image: read_volume(image) for image in images if image.is_file()}
    ubuntu = [image for image, volume in volumes.items() if volume and volume.volume_id.startswith("Ubuntu")]
    if len(ubuntu) == 1:
        return ubuntu[0]
    if not ubuntu:
        others = [f"{image.name} {instead_of_a_file(image)}" for image in images if not image.is_file()]
        but = f" ({', '.join(others)})" if others else ""
        raise BaseIsoError(
            f"no base ISO given, and no Ubuntu ISO in {folder}/{but}",
            hint="use --ubuntu-iso, or download one with: isoforge fetch 24.04",
        )
    names = ", ".join(image.name for image in ubuntu)
    raise BaseIsoError(f"no base ISO given, and several in {folder}/: {names}", hint="use --ubuntu-iso")
