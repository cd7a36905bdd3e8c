"""Hosts changed on an ISO that was built, in a file or on a stick, without the base ISO at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from isoforge.collect import Fleet, collect_hosts
from isoforge.device.block import BlockDevice, open_exclusively
from isoforge.device.disks import disk_at
from isoforge.device.guards import refuse_unsafe
from isoforge.errors import BaseIsoError, OutputError, ProofError, UsageError
from isoforge.forge import (
    BuildResult,
    Listener,
    Step,
    ignore,
    plan_build,
    prove,
    refuse_unusable_key,
    save,
    subfolder,
    write_and_prove,
)
from isoforge.image.base import BaseIso, read_base, reading
from isoforge.image.colors import MenuColors
from isoforge.image.inside import Inside, head_of, inside_of, write_skeleton
from isoforge.image.medium import Extent, extent_of, replace_graft
from isoforge.image.repack import Method, repack, stage
from isoforge.image.sectors import read_partitions, read_volume
from isoforge.image.tree import read_tree
from isoforge.image.unchanged import unchanged
from isoforge.image.xorriso import require_xorriso
from isoforge.iso_layout import ISOFORGE_FOLDER
from isoforge.order import Order, refuse_default, refuse_order
from isoforge.proof.manifest import Manifest
from isoforge.proof.read.image import Image, UnreadableError
from isoforge.restore import base_name, facts_beside, require_inside
from isoforge.staging import staging_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class StickResult:
    """What an update of a stick has done: the ``manifest`` that is on it now, and the bytes that were written."""

    device: Path
    manifest: Manifest
    written: int


def update_iso(order: Order, iso: Path, listen: Listener = ignore) -> BuildResult:
    """Build the ISO of ``order`` on the base ISO inside the file ``iso``, verify it, and put it in its place.

    The result is the one of a new build on that base ISO. Raises a ``ForgeError``; ``iso`` is then as it was.
    """
    refuse_order(order)
    xorriso_version = require_xorriso()
    fleet = _fleet(order, listen)
    with staging_directory(iso) as staging:
        refuse_unusable_key(order.sign, staging)
        with reading(iso), unchanged(iso):
            inside, facts = require_inside(iso), facts_beside(iso)
            listen(Step(phase="reading the base ISO"))
            base = _base(iso, inside, staging, base_name(iso, facts))
            plan = plan_build(order, base, fleet, xorriso_version)
            draft, manifest = write_and_prove(order, base, plan, staging / iso.name, listen)
        now = manifest.base_iso
        if facts and facts.sha256 and now.sha256 and now.sha256 != facts.sha256:
            raise ProofError(
                f"the base ISO inside {iso} is damaged: SHA-256 {now.sha256}, expected {facts.sha256} (manifest)"
            )
        if facts and now.sha256 and now.official_name is None:  # the lists of the first build may not be at hand
            manifest = replace(manifest, base_iso=replace(now, origin=facts.origin, official_name=facts.official_name))
        listen(Step(phase="saving the ISO"))
        return save(iso, draft, manifest, key=order.sign)


def update_stick(order: Order, path: Path, *, force: Path | None = None, listen: Listener = ignore) -> StickResult:
    """Replace what a build has added to the ISO on the stick at ``path`` by what ``order`` describes, and verify it.

    Works on a stick with the official ISO alone as well. Only the head and what is behind the base ISO are written, in
    the order of `image.medium`. Raises a ``ForgeError``; before anything is written if the order, the inventory or the
    stick does not allow it.
    """
    refuse_order(order)
    xorriso_version = require_xorriso()
    disk = disk_at(path)
    if force is not None and disk_at(force).number != disk.number:
        raise UsageError(f"--force {force} is not the device to update", hint="name the same device twice")
    refuse_unsafe(disk, force=force is not None)
    fleet = _fleet(order, listen)
    with open_exclusively(disk) as device, staging_directory(order.output_iso) as staging, reading(device.path):
        device.drop_cache()
        inside = base_on(device.path)
        listen(Step(phase="reading the base ISO"))
        base = _base(device.path, inside, staging, base_name(device.path, None))
        plan = plan_build(order, base, fleet, xorriso_version)
        if plan.method is not Method.GRAFT:
            raise BaseIsoError(f"cannot add to the base ISO on {path}: {base.obstacle}", hint="write a new ISO to it")
        draft, tree = staging / order.output_iso.name, subfolder(staging, "tree")
        stage(plan.grafts, tree, when=plan.when)
        repack(base, tree, draft, modified=plan.modified, method=plan.method)
        prove(draft, base, plan)
        old, new = extent_of(device.path), extent_of(draft)
        _refuse_unfit(device, old, new)
        listen(Step(phase="writing the stick"))
        written = replace_graft(device, old, draft, inside)
        device.drop_cache()
        listen(Step(phase="verifying the stick"))
        prove(device.path, base, plan)
        device.reread_partitions()
    return StickResult(device=path, manifest=plan.manifest, written=written)


def base_on(device: Path) -> Inside:
    """The base ISO on a stick: inside a build, or alone, as before an update or after one that was interrupted."""
    volume = read_volume(device)
    if volume is None:
        raise BaseIsoError(f"{device} holds no ISO", hint="write one to it: isoforge write")
    tree = read_tree(device)
    inside = inside_of(device, tree)
    if inside is None and ISOFORGE_FOLDER in tree:
        raise BaseIsoError(f"the ISO on {device} does not contain its base ISO", hint="write a new one: isoforge write")
    return inside or Inside(size=volume.size, head=head_of(device))


def manifest_on(target: Path) -> Manifest | None:
    """The manifest of the build in the file or on the stick ``target``; None if there is no build on it."""
    try:
        with reading(target), Image(target) as image:
            return image.manifest
    except (ValueError, UnreadableError):
        return None


def order_for(target: Path, order: Order, *, given: frozenset[str]) -> Order:
    """``order`` as `order_like` completes it from the build in the file or on the stick ``target``.

    Raises ``UsageError`` if there is no build and ``order`` has no name.
    """
    manifest = manifest_on(target)
    if manifest:
        return order_like(manifest, order, given=given)
    if not order.name:
        raise UsageError(f"{target} has no build to take the name from", hint="give it a --name")
    return order


def order_like(manifest: Manifest, order: Order, *, given: frozenset[str]) -> Order:
    """``order`` with everything that is not ``given`` as in the build of ``manifest``: hosts, menu, guards.

    Raises ``UsageError`` if the menu of that build has a password and ``order`` has none, or if it has files of --add:
    neither is in a manifest.
    """
    if manifest.menu_password and not order.password_hash:
        raise UsageError(f"the menu of {manifest.name} has a password", hint="give its hash with --menu-password FILE")
    if manifest.added and not order.added:
        paths = ", ".join(file.path for file in manifest.added[:3])
        raise UsageError(f"{manifest.name} has files of --add ({paths})", hint="give them with --add again")
    selection = order.selection
    if not given & {"host", "group", "all_hosts"}:
        selection = replace(selection, hosts=tuple(host.name for host in manifest.hosts))
    return replace(
        order,
        selection=selection,
        name=order.name if "name" in given else manifest.name,
        default_host=order.default_host if "default_host" in given or order.auto else manifest.default_host,
        timeout_s=order.timeout_s if "grub_timeout" in given else manifest.timeout_s,
        auto=order.auto or (manifest.auto and order.default_host is None),
        menu_colors=order.menu_colors if "menu_colors" in given else MenuColors(manifest.menu_colors),
        hidden_menu=order.hidden_menu or manifest.hidden_menu,
        guard=order.guard and manifest.guard,
        report=order.report and manifest.report,
    )


def _fleet(order: Order, listen: Listener) -> Fleet:
    listen(Step(phase="reading the inventory"))
    fleet = collect_hosts(order.workspace, order.selection)
    refuse_default(order, [host.name for host in fleet.hosts])
    return fleet


def _base(source: Path, inside: Inside, staging: Path, name: str) -> BaseIso:
    """The base ISO ``inside`` the ``source``, read from a skeleton of that ``name``."""
    skeleton = subfolder(staging, "skeleton") / name
    write_skeleton(source, inside, skeleton)
    return replace(read_base(skeleton, subfolder(staging, "base")), source=source)


def _refuse_unfit(device: BlockDevice, old: Extent, new: Extent) -> None:
    """Raise ``OutputError`` if the stick is too small, or if a partition lies where the new build would."""
    if new.end > device.size:
        raise OutputError(f"{device.path} is too small: {device.size} bytes, {new.end} are needed")
    behind = [part for part in read_partitions(device.path) if part.start >= old.end]
    if behind and behind[0].start < max(new.end, old.end):
        raise OutputError(f"partition {behind[0].number} of {device.path} is in the way")
    if behind:
        raise OutputError(
            f"{device.path} has been booted, and has another partition behind the ISO now",
            hint="write the stick again: isoforge write",
        )
